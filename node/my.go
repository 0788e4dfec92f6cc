package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// patientRole is what a patient is who has signed on as themself. It is no role of agreements: nobody can ask in it for a document.
	patientRole    = "patient"
	patientPurpose = "PATRQT"
	mostMine       = 2000 // documents that a patient is shown
	mostKinds      = 60   // of documents, of which it is worked out who may open them
)

// self is a patient who asks about themself.
func (n *Node) self(ctx context.Context, patient, what string) (record.NHSNumber, *admin.Asker, error) {
	number, err := n.patient(patient)
	if err != nil {
		return number, nil, err
	}
	who := &admin.Asker{User: patientRole, Role: patientRole, Purpose: patientPurpose}
	return number, who, n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Subject: n.records.Subject(number), Outcome: policy.Permit.String(), Detail: what,
	})
}

// MyReport is Report for the patient: members of staff are told of by what they do and where, not by name.
func (n *Node) MyReport(ctx context.Context, patient string) (*admin.ReportReply, error) {
	number, who, err := n.self(ctx, patient, detailOwnReport)
	if err != nil {
		return nil, err
	}
	reply, err := n.gather(ctx, number, who, myAccessWords, myEmergencyWords)
	if err != nil {
		return nil, err
	}
	for _, a := range reply.GetAccesses() {
		a.User, a.Relationship = "", ""
	}
	for _, e := range reply.GetEmergencies() {
		e.User = ""
	}
	for _, d := range reply.GetDirectives() {
		d.By, d.Evidence = "", ""
	}
	return reply, nil
}

// MyDirectives lists what the patient has said.
func (n *Node) MyDirectives(ctx context.Context, patient string) (*admin.DirectivesReply, error) {
	number, _, err := n.self(ctx, patient, detailOwnListed)
	if err != nil {
		return nil, err
	}
	reply, err := n.listDirectives(ctx, n.records.Subject(number), false)
	for _, d := range reply.GetDirectives() {
		d.By, d.Evidence = "", ""
	}
	return reply, err
}

// MyDirective reads back what the patient wants, or records it.
func (n *Node) MyDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	number, who, err := n.self(ctx, q.GetPatient(), detailOwnRecording)
	if err != nil {
		return nil, err
	}
	return n.recordDirective(ctx, &admin.RecordDirectiveRequest{
		Patient: number.Digits(), Permit: q.GetPermit(), Scope: q.GetScope(), Until: q.GetUntil(), By: who.GetUser(), Confirm: q.GetConfirm(),
		Evidence: "the patient said so in the portal, signed on as themself",
	}, who, n.records.Subject(number))
}

// mine opens what a patient has said, at one thing that they name.
func (n *Node) mine(ctx context.Context, patient, directive, what string) (patientFile, error) {
	number, who, err := n.self(ctx, patient, what)
	if err != nil {
		return patientFile{}, err
	}
	file := patientFile{subject: n.records.Subject(number), who: who}
	if file.id, err = parseDirectiveID(directive); err != nil {
		return file, err
	}
	if err := n.mayAnswer(); err != nil {
		return file, err
	}
	file.all, err = n.allSaid(ctx, file.subject)
	return file, err
}

// MyWithdrawal takes back what the patient has said.
func (n *Node) MyWithdrawal(ctx context.Context, patient, directive string) (*admin.RecordDirectiveReply, error) {
	file, err := n.mine(ctx, patient, directive, detailOwnWithdrawal)
	if err != nil {
		return nil, err
	}
	return n.withdrawFrom(ctx, &admin.WithdrawDirectiveRequest{Patient: patient, Directive: directive, Evidence: "the patient said so in the portal, signed on as themself"}, file)
}

// MyReceipt says where what the patient has said has come into force.
func (n *Node) MyReceipt(ctx context.Context, patient, directive string) (*admin.ReceiptReply, error) {
	file, err := n.mine(ctx, patient, directive, detailOwnReceipt)
	if err != nil {
		return nil, err
	}
	return n.receiptFrom(ctx, &admin.ReceiptRequest{Patient: patient, Directive: directive}, file)
}

// MySharing tells which trusts hold documents of the patient, and who outside may open them.
func (n *Node) MySharing(ctx context.Context, patient string) (*web.Shares, error) {
	number, _, err := n.self(ctx, patient, detailOwnSharing)
	if err != nil {
		return nil, err
	}
	if err := n.mayAnswer(); err != nil {
		return nil, err
	}
	subjects, err := n.linked(ctx, n.records.Subject(number))
	if err != nil {
		return nil, err
	}
	out := &web.Shares{}
	var all []federation.Pointer
	for _, s := range subjects {
		pointers, cut, err := n.pointersOf(ctx, s, mostMine-len(all))
		if err != nil {
			return nil, err
		}
		all, out.Cut = append(all, pointers...), out.Cut || cut
	}
	for _, t := range n.ledger.Roster().Trusts() {
		held := slices.DeleteFunc(slices.Clone(all), func(p federation.Pointer) bool { return p.Custodian() != t.ID })
		if len(held) == 0 {
			continue
		}
		one, err := n.sharedBy(ctx, t, held)
		if err != nil {
			return nil, err
		}
		out.Trusts = append(out.Trusts, one)
	}
	for _, t := range n.ledger.Roster().Trusts() {
		if t.Standing == federation.Active {
			out.Region = append(out.Region, web.Named{Code: string(t.ID), Name: n.trustName(t.ID)})
		}
	}
	return out, nil
}

func (n *Node) pointersOf(ctx context.Context, s federation.Subject, limit int) (out []federation.Pointer, cut bool, err error) {
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for cursor := index.Cursor(""); ; {
			page, err := index.Locate(r, index.Query{Subject: s, Cursor: cursor, Limit: index.MaxPage})
			if err != nil {
				return fmt.Errorf("read what there is of the patient: %w", err)
			}
			out = append(out, page.Pointers...)
			if cursor = page.Next; cursor == "" || len(out) >= limit {
				cut = cursor != ""
				return ctx.Err()
			}
		}
	})
	return out, cut, err
}

// sharedBy says what one trust holds, and who elsewhere may open some of it. What is sealed it decides on each time.
func (n *Node) sharedBy(ctx context.Context, t federation.Trust, held []federation.Pointer) (web.SharedTrust, error) {
	out := web.SharedTrust{Named: web.Named{Code: string(t.ID), Name: n.trustName(t.ID)}}
	kinds := make(map[string]bool)
	with := make(map[federation.TrustID]map[string]bool)
	for _, p := range held {
		if p.Sealed() {
			out.Sealed++
			continue
		}
		out.Documents = append(out.Documents, web.SharedDocument{ID: string(p.Document), Title: p.Title, Type: p.Type, Date: p.Date})
		kind := strings.Join([]string{p.Type, p.Category, p.Specialty, p.Confidentiality.String(), p.Author}, "\x00")
		if kinds[kind] || len(kinds) >= mostKinds {
			continue
		}
		kinds[kind] = true
		doc, err := n.documentOf(ctx, p)
		if err == nil {
			err = n.openTo(ctx, doc, with)
		}
		if err != nil {
			return out, err
		}
	}
	slices.SortStableFunc(out.Documents, func(a, b web.SharedDocument) int { return b.Date.Compare(a.Date) })
	for _, other := range n.ledger.Roster().Trusts() {
		if roles := with[other.ID]; len(roles) > 0 {
			out.With = append(out.With, web.SharedWith{Named: web.Named{Code: string(other.ID), Name: n.trustName(other.ID)}, Roles: plainRoles(roles)})
		}
	}
	return out, nil
}

// openTo adds to with who elsewhere may open a document to treat the patient.
func (n *Node) openTo(ctx context.Context, doc policy.Document, with map[federation.TrustID]map[string]bool) error {
	now := time.Now().UTC()
	facts, err := n.factsNow(ctx, policy.Request{User: policy.User{Trust: n.Trust()}, Document: doc, Now: now}, 0)
	if err != nil {
		return err
	}
	facts.RequesterStanding, facts.LeaseAge, facts.LeaseLimit = federation.Active, 0, policy.MaxLease
	links := []policy.Relationship{{}}
	for _, kind := range policy.Relationships() {
		links = append(links, policy.Relationship{Kind: kind, Verified: true})
	}
	for _, t := range n.ledger.Roster().Trusts() {
		if t.ID == doc.Custodian || t.Standing != federation.Active {
			continue
		}
		for _, role := range policy.Roles() {
			may := slices.ContainsFunc(links, func(link policy.Relationship) bool {
				return policy.Decide(policy.Request{
					User: policy.User{Trust: t.ID, ID: anyone, Role: role.Code}, Action: policy.Open, Purpose: "TREAT", Document: doc, Link: link, Now: now,
				}, facts).Permitted()
			})
			if !may {
				continue
			}
			if with[t.ID] == nil {
				with[t.ID] = make(map[string]bool)
			}
			with[t.ID][role.Code] = true
		}
	}
	return nil
}

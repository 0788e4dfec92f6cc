package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Report gathers every access to a patient's documents from the logs of all trusts, and all that the patient has said. It is
// complete, or names the trusts that did not answer.
func (n *Node) Report(ctx context.Context, q *admin.ReportRequest) (*admin.ReportReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	who, subject := asker(q.GetAsker()), n.records.Subject(number)
	if err := n.admitReader(ctx, who, subject, "", "asked all trusts who has seen this patient's documents"); err != nil {
		return nil, err
	}
	return n.gather(ctx, number, who, accessWords, emergencyWords)
}

// gather makes a report for somebody who may have it, in the words that are for them.
func (n *Node) gather(ctx context.Context, number record.NHSNumber, who *admin.Asker, words func(*admin.ReportAccess) string, glass func(*admin.ReportEmergency, time.Time) string) (*admin.ReportReply, error) {
	if err := n.mayAnswer(); err != nil { // not even whom to ask is known
		return nil, err
	}
	subject := n.records.Subject(number)
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, err
	}
	heard := n.hear(ctx, func() []*wire.AccessesRequest {
		var ask []*wire.AccessesRequest
		for _, s := range subjects {
			ask = append(ask, &wire.AccessesRequest{Subject: s[:], User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose()})
		}
		return ask
	})
	own, err := n.hearSelf(ctx, subjects, "", 0)
	if err != nil {
		return nil, err
	}
	reply := &admin.ReportReply{
		Patient: number.Digits(), Made: time.Now().UnixMicro(), By: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(),
		Trust: string(n.Trust()), TrustName: n.trustName(n.Trust()), Region: n.ledger.Roster().Region, Complete: true,
	}
	var all []logged
	for _, t := range append([]testimony{own}, heard...) {
		reply.Sites = append(reply.Sites, t.site)
		reply.Complete = reply.Complete && t.site.GetAnswered()
		all = append(all, t.accesses...)
	}
	if reply.Directives, err = n.everSaid(ctx, subject); err != nil {
		return nil, err
	}
	if reply.Emergencies, err = n.emergencyReports(ctx, subject, append([]testimony{own}, heard...)); err != nil {
		return nil, err
	}
	for _, e := range reply.GetEmergencies() {
		e.Text = glass(e, time.Now())
	}
	for _, group := range byTransfer(all) {
		a := group.summary(reply.GetSites())
		a.TrustName, a.CustodianName = n.trustName(federation.TrustID(a.GetTrust())), n.trustName(federation.TrustID(a.GetCustodian()))
		if a.Title, err = n.titleOf(ctx, federation.DocumentID(a.GetDocument()), subjects); err != nil {
			return nil, err
		}
		a.Text = words(a)
		reply.Accesses = append(reply.Accesses, a)
	}
	slices.SortStableFunc(reply.Accesses, func(a, b *admin.ReportAccess) int { return cmp.Compare(a.GetAt(), b.GetAt()) })
	return reply, nil
}

// titleOf returns the title of a document that this node may show: of a sealed one it knows it only where it holds it. Which document
// somebody has seen is what another trust says: of one that is not this patient's it is not told.
func (n *Node) titleOf(ctx context.Context, id federation.DocumentID, of []federation.Subject) (string, error) {
	if id == "" {
		return "", nil
	}
	if id.Custodian() == n.Trust() {
		if doc, err := n.records.Document(ctx, id); err == nil && doc.State.Phase != record.Withdrawn && slices.Contains(of, doc.Subject) {
			return doc.Title, nil
		}
		return "", nil // erased, damaged, or moved to another patient: the report goes on without its title
	}
	var title string
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		p, withdrawn, _, err := index.Pointer(r, id)
		if !withdrawn && slices.Contains(of, p.Subject) {
			title = p.Title
		}
		return err
	})
	return title, err
}

// everSaid returns all that a patient has ever said, the oldest first. What took something back is told with what it took back.
func (n *Node) everSaid(ctx context.Context, subject federation.Subject) ([]*admin.DirectiveInfo, error) {
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var out []*admin.DirectiveInfo
	for _, s := range all {
		if s.Effect != federation.Withdrew {
			out = append(out, n.directiveInfo(s, now))
		}
	}
	slices.SortStableFunc(out, func(a, b *admin.DirectiveInfo) int { return cmp.Compare(a.GetAt(), b.GetAt()) })
	return out, nil
}

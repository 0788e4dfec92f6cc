package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// anyone stands for the user of a request that is only asked about.
const anyone = "anyone"

// inquirer checks who asks about others' requests.
func (n *Node) inquirer(ctx context.Context, by *admin.Asker) error {
	return n.governs(ctx, by, "asks", inquirerRoles)
}

// Why decides one request and says by which rules. It is asked by people with governance duties only, and audited: the chain
// names rules and directives that no user may see. It is about this trust's documents, or this trust's staff.
func (n *Node) Why(ctx context.Context, q *admin.WhyRequest) (*admin.WhyReply, error) {
	if err := n.inquirer(ctx, q.GetBy()); err != nil {
		return nil, err
	}
	id, err := federation.ParseDocumentID(q.GetDocument())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
	}
	r, err := n.questionOf(q)
	if err != nil {
		return nil, err
	}
	if id.Custodian() != n.Trust() && r.User.Trust != n.Trust() {
		return nil, admin.Errorf(admin.CodeDenied, "%s is held by %s and asked for by %s: ask one of these two", id, id.Custodian(), r.User.Trust)
	}
	doc, gone, err := n.described(ctx, id)
	if err != nil {
		return nil, err
	}
	r.Document = doc
	r.Link = n.relationship(ctx, []federation.Subject{doc.Subject}, r)
	if err := n.noteInquiry(ctx, q.GetBy(), doc, detailWhy+requestText(r)); err != nil {
		return nil, err
	}
	if gone {
		return &admin.WhyReply{
			Outcome: policy.NotFound.String(), Told: policy.NotFound.Safe(), Question: requestText(r),
			Chain: []string{fmt.Sprintf("%s has withdrawn the document: nobody is told that there is one", doc.Custodian)},
		}, nil
	}
	facts, err := n.factsNow(ctx, r, n.lease.Age(n.lease.Current()))
	if err != nil {
		return nil, err
	}
	d := policy.Decide(r, facts)
	chain := append(policy.Explain(d), policy.ExplainOverruled(policy.Overruled(r, facts))...)
	return &admin.WhyReply{Outcome: d.Outcome.String(), Chain: chain, Told: d.Safe(), Agreement: facts.AgreementVersion, Question: requestText(r)}, nil
}

// questionOf returns the request that is asked about, without its document.
func (n *Node) questionOf(q *admin.WhyRequest) (policy.Request, error) {
	trust, err := n.memberTrust(q.GetTrust())
	if err != nil {
		return policy.Request{}, err
	}
	who := asker(q.GetAsker())
	if q.GetAsker().GetUser() == "" {
		who.User = anyone
	}
	if err := checkAsker(who); err != nil {
		return policy.Request{}, err
	}
	r := policy.Request{
		User: policy.User{Trust: trust, ID: who.GetUser(), Role: who.GetRole()}, Action: policy.Open, Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Now: time.Now().UTC(),
	}
	switch strings.ToLower(q.GetAction()) {
	case "", "open":
	case "see":
		r.Action = policy.See
	case "break-glass":
		r.BreakGlass = true
	case "export":
		r.Action = policy.Export
	default:
		return r, admin.Errorf(admin.CodeBadInput, "--action %s: it is see, open, export or break-glass", q.GetAction())
	}
	return r, nil
}

// described returns what this node knows of a document: of its own all, of another's what the pointer says. gone says that it
// was withdrawn.
func (n *Node) described(ctx context.Context, id federation.DocumentID) (doc policy.Document, gone bool, err error) {
	if id.Custodian() == n.Trust() {
		kept, err := n.records.Document(ctx, id)
		switch {
		case isGone(err):
			return doc, false, admin.Errorf(admin.CodeNotFound, "%s holds no document %s", n.Trust(), id)
		case err != nil:
			return doc, false, n.storeProblem(err)
		}
		doc, err = held{n}.Document(ctx, id)
		return doc, kept.State.Phase == record.Withdrawn, err
	}
	if err := n.mayAnswer(); err != nil {
		return doc, false, err
	}
	var p federation.Pointer
	var found bool
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		p, gone, found, err = index.Pointer(r, id)
		return err
	})
	if err == nil && found {
		doc, err = n.documentOf(ctx, p)
	}
	if err == nil && !found {
		err = admin.Errorf(admin.CodeNotFound, "the region knows no document %s", id)
	}
	return doc, gone, err
}

// Who says who in the region could see or open one of this trust's documents, and for which purposes. It is asked and audited
// as Why is.
func (n *Node) Who(ctx context.Context, q *admin.WhoRequest) (*admin.WhoReply, error) {
	if err := n.inquirer(ctx, q.GetBy()); err != nil {
		return nil, err
	}
	id, err := federation.ParseDocumentID(q.GetDocument())
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
	}
	if id.Custodian() != n.Trust() {
		return nil, admin.Errorf(admin.CodeDenied, "%s is held by %s, who decides on it: ask there", id, id.Custodian())
	}
	doc, gone, err := n.described(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := n.noteInquiry(ctx, q.GetBy(), doc, detailWho); err != nil {
		return nil, err
	}
	reply := &admin.WhoReply{}
	if gone {
		return reply, nil
	}
	now := time.Now().UTC()
	facts, err := n.factsNow(ctx, policy.Request{User: policy.User{Trust: n.Trust()}, Document: doc, Now: now}, 0)
	if err != nil {
		return nil, err
	}
	var trusts []federation.TrustID
	for _, t := range n.ledger.Roster().Trusts() {
		if t.Standing == federation.Active {
			trusts = append(trusts, t.ID)
		}
	}
	reply.Access = accessesOf(policy.Who(doc, facts, trusts, now))
	return reply, nil
}

// accessesOf returns a line for each trust, role and purpose, in the order in which they come, with all that may be done.
func accessesOf(all []policy.Access) []*admin.Access {
	type key struct{ trust, role, purpose, relationships string }
	at := make(map[key]*admin.Access)
	var out []*admin.Access
	for _, a := range all {
		kinds := make([]string, 0, len(a.Relationships))
		for _, k := range a.Relationships {
			kinds = append(kinds, string(k))
		}
		for _, role := range a.Roles {
			for _, purpose := range a.Purposes {
				k := key{string(a.Trust), role, purpose, strings.Join(kinds, ",")}
				x := at[k]
				if x == nil {
					x = &admin.Access{Trust: k.trust, Role: role, Purpose: purpose, Relationships: kinds, Rule: a.Reason.Rule}
					at[k] = x
					out = append(out, x)
				}
				switch a.Action {
				case "see":
					x.See = true
				case "open":
					x.Open = true
				case "export":
					x.Export = true
				default:
					x.Glass = true
				}
			}
		}
	}
	return out
}

func (n *Node) noteInquiry(ctx context.Context, by *admin.Asker, doc policy.Document, detail string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Subject: doc.Subject, Document: doc.ID,
		Custodian: doc.Custodian, Detail: clipText(detail, audit.MaxDetail),
	})
}

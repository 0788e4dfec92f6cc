package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// What can be verified of a relationship is one thing: that the records of a trust hold a document of that patient, of the last
// year, that the evidence names: a referral letter, the note of an appointment or of an admission. The user's own trust knows it by
// its id or by its reference in the system that it came from; the custodian by that reference alone, for anybody who finds the
// patient's documents is told their ids. A document that the user may not know of is no evidence for them: whether one is found
// would say that it is there. What the document says, and whether the user takes part in that care, is not known here. What
// somebody claims by themselves is never verified, whatever they name.
const evidenceAge = 366 * 24 * time.Hour

// Evidenced reports whether this trust's records know what is named as evidence of a relationship with a patient.
func (h held) Evidenced(ctx context.Context, q policy.Request) (bool, error) {
	return h.n.evidenced(ctx, []federation.Subject{q.Document.Subject}, q, false)
}

// evidenced is Evidenced for a patient under several subjects; byID says that the id of a document will do.
func (n *Node) evidenced(ctx context.Context, subjects []federation.Subject, q policy.Request, byID bool) (bool, error) {
	if strings.TrimSpace(q.Link.Evidence) == "" || q.Link.Kind == policy.NoRelationship || q.Link.Kind == policy.SelfClaimed {
		return false, nil
	}
	for _, s := range subjects {
		found, err := n.holdsEvidence(ctx, s, q, byID)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (n *Node) holdsEvidence(ctx context.Context, subject federation.Subject, q policy.Request, byID bool) (bool, error) {
	reference := strings.TrimSpace(q.Link.Evidence)
	counts := func(d record.Document) bool {
		age := time.Since(d.Date)
		return d.State.Phase != record.Withdrawn && d.State.Phase != record.Erased && age < evidenceAge && age > -24*time.Hour
	}
	var from record.Cursor
	for {
		page, err := n.records.BySubject(ctx, subject, from, 1000)
		if err != nil {
			return false, fmt.Errorf("look for evidence: %w", err)
		}
		for _, d := range page.Documents {
			if (d.SourceID != reference && (!byID || string(d.ID) != strings.ToUpper(reference))) || !counts(d) {
				continue
			}
			if shown, err := n.showsAsEvidence(ctx, q, d.ID); shown || err != nil {
				return shown, err
			}
		}
		if from = page.Next; from == 0 {
			return false, nil
		}
	}
}

// showsAsEvidence decides whether the user of q may know of a document of this trust that is the evidence of q.
func (n *Node) showsAsEvidence(ctx context.Context, q policy.Request, id federation.DocumentID) (bool, error) {
	doc, err := held{n}.Document(ctx, id)
	if err != nil {
		return false, fmt.Errorf("read evidence: %w", err)
	}
	q.Action, q.Document = policy.See, doc
	q.Link.Verified, q.Link.By, q.Link.At = true, n.Trust(), q.Now // what it would be if it were shown
	facts, err := n.factsNow(ctx, q, 0)
	if err != nil {
		return false, err
	}
	return policy.Decide(q, facts).Permitted(), nil
}

// relationship reads what the user of q states, and looks for the evidence in this trust's records. Where it cannot be looked for
// it is not found. What cannot be read is none: whoever takes it from a user refuses it before.
func (n *Node) relationship(ctx context.Context, subjects []federation.Subject, q policy.Request) policy.Relationship {
	link, err := policy.ParseRelationship(q.Relationship)
	if err != nil || link.Evidence == "" {
		return link
	}
	q.Link = link
	if found, err := n.evidenced(ctx, subjects, q, true); found && err == nil {
		link.Verified, link.By, link.At = true, n.Trust(), time.Now().UTC()
	}
	return link
}

// statedBy is who of this trust asks, why, and on what relationship: a request without a document.
func (n *Node) statedBy(who *admin.Asker) policy.Request {
	return policy.Request{
		User: policy.User{Trust: n.Trust(), ID: who.GetUser(), Role: who.GetRole()}, Purpose: who.GetPurpose(), Relationship: who.GetRelationship(), Now: time.Now().UTC(),
	}
}

// vouch is this trust's word to a custodian for the evidence that its user names; none when it is not found here.
func (n *Node) vouch(ctx context.Context, subject federation.Subject, who *admin.Asker) exchange.Vouch {
	link := n.relationship(ctx, []federation.Subject{subject}, n.statedBy(who))
	if !link.Verified {
		return exchange.Vouch{}
	}
	return exchange.Vouch{Relationship: exchange.RelationshipDigest(subject, who.GetRelationship()), At: link.At.Truncate(time.Microsecond)}
}

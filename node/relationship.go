package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// What can be verified of a relationship is one thing: that the records of a trust hold a document of that patient, of the last
// year, that the evidence names: a referral letter, the note of an appointment or of an admission. The user's own trust knows it by
// its id or by its reference in the system that it came from; the custodian by that reference alone, for anybody who finds the
// patient's documents is told their ids. What the document says, and whether the user takes part in that care, is not known
// here. What somebody claims by themselves is never verified, whatever they name.
const evidenceAge = 366 * 24 * time.Hour

// Evidenced reports whether this trust's records know what is named as evidence of a relationship with a patient.
func (h held) Evidenced(ctx context.Context, subject federation.Subject, link policy.Relationship) (bool, error) {
	return h.n.evidenced(ctx, []federation.Subject{subject}, link, false)
}

// evidenced is Evidenced for a patient under several subjects; byID says that the id of a document will do.
func (n *Node) evidenced(ctx context.Context, subjects []federation.Subject, link policy.Relationship, byID bool) (bool, error) {
	reference := strings.TrimSpace(link.Evidence)
	if reference == "" || link.Kind == policy.NoRelationship || link.Kind == policy.SelfClaimed {
		return false, nil
	}
	for _, s := range subjects {
		found, err := n.holdsEvidence(ctx, s, reference, byID)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (n *Node) holdsEvidence(ctx context.Context, subject federation.Subject, reference string, byID bool) (bool, error) {
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
			if (d.SourceID == reference || byID && string(d.ID) == strings.ToUpper(reference)) && counts(d) {
				return true, nil
			}
		}
		if from = page.Next; from == 0 {
			return false, nil
		}
	}
}

// relationship reads what one of this trust's users states, and looks for the evidence in this trust's records. Where it cannot
// be looked for it is not found. What cannot be read is none: whoever takes it from a user refuses it before.
func (n *Node) relationship(ctx context.Context, subjects []federation.Subject, text string) policy.Relationship {
	link, err := policy.ParseRelationship(text)
	if err != nil || link.Evidence == "" {
		return link
	}
	if found, err := n.evidenced(ctx, subjects, link, true); found && err == nil {
		link.Verified, link.By, link.At = true, n.Trust(), time.Now().UTC()
	}
	return link
}

// vouch is this trust's word to a custodian for the evidence that its user names; none when it is not found here.
func (n *Node) vouch(ctx context.Context, subject federation.Subject, text string) exchange.Vouch {
	link := n.relationship(ctx, []federation.Subject{subject}, text)
	if !link.Verified {
		return exchange.Vouch{}
	}
	return exchange.Vouch{Relationship: exchange.RelationshipDigest(subject, text), At: link.At.Truncate(time.Microsecond)}
}

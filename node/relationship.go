package node

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// What can be verified of a relationship is one thing: that the records of a trust hold a document of that patient, of the last
// year, whose id the evidence is: a referral letter, the note of an appointment or of an admission. What the document says, and
// whether the user takes part in that care, is not known here. What somebody claims by themselves is never verified, whatever
// they name.
const evidenceAge = 366 * 24 * time.Hour

// Evidenced reports whether this trust's records know what is named as evidence of a relationship with a patient.
func (h held) Evidenced(ctx context.Context, subject federation.Subject, link policy.Relationship) (bool, error) {
	return h.n.evidenced(ctx, []federation.Subject{subject}, link)
}

// evidenced is Evidenced for a patient under several subjects.
func (n *Node) evidenced(ctx context.Context, subjects []federation.Subject, link policy.Relationship) (bool, error) {
	reference := strings.TrimSpace(link.Evidence)
	if reference == "" || link.Kind == policy.NoRelationship || link.Kind == policy.SelfClaimed {
		return false, nil
	}
	for _, s := range subjects {
		found, err := n.holdsEvidence(ctx, s, reference)
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

func (n *Node) holdsEvidence(ctx context.Context, subject federation.Subject, reference string) (bool, error) {
	counts := func(d record.Document) bool {
		age := time.Since(d.Date)
		return d.State.Phase != record.Withdrawn && d.State.Phase != record.Erased && age < evidenceAge && age > -24*time.Hour
	}
	id, err := federation.ParseDocumentID(reference)
	if err != nil || id.Custodian() != n.Trust() {
		return false, nil
	}
	doc, err := n.records.Document(ctx, id)
	if isAbsent(err) || errors.Is(err, record.ErrErased) {
		return false, nil
	}
	return err == nil && doc.Subject == subject && counts(doc), err
}

// relationship reads what one of this trust's users states, and looks for the evidence in this trust's records. Where it cannot
// be looked for it is not found. What cannot be read is none: whoever takes it from a user refuses it before.
func (n *Node) relationship(ctx context.Context, subjects []federation.Subject, text string) policy.Relationship {
	link, err := policy.ParseRelationship(text)
	if err != nil || link.Evidence == "" {
		return link
	}
	if found, err := n.evidenced(ctx, subjects, link); found && err == nil {
		link.Verified, link.By, link.At = true, n.Trust(), time.Now().UTC()
	}
	return link
}

// vouch is this trust's word to a custodian for the evidence that its user names; none when it is not found here.
func (n *Node) vouch(ctx context.Context, id federation.DocumentID, text string) exchange.Vouch {
	subject, known, err := n.subjectOf(ctx, id)
	if err != nil || !known {
		return exchange.Vouch{}
	}
	link := n.relationship(ctx, []federation.Subject{subject}, text)
	if !link.Verified {
		return exchange.Vouch{}
	}
	return exchange.Vouch{Relationship: exchange.RelationshipDigest(subject, text), At: link.At.Truncate(time.Microsecond)}
}

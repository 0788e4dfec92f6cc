package index

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxLinked is how many subjects may be linked to one patient, the first counted.
const MaxLinked = 16

// directive records what a patient has said. The same directive said again, by whomever, changes nothing: its id is the
// digest of what was recorded.
func (c *call) directive(b federation.Directive) error {
	if b.By == "" {
		return refuse(Incomplete, "who recorded the directive is missing")
	}
	owner, found, err := get(c, directiveIDKey(b.ID), decodeSubject)
	if err != nil {
		return err
	}
	row := directiveRow{index: c.index, trust: c.signer.ID, at: c.statement.At, effect: b.Effect, target: b.Target, by: b.By, evidence: b.Evidence}
	if found {
		return c.sameDirective(owner, b)
	}
	if b.Effect == federation.Withdrew {
		if err := c.withdrawDirective(b); err != nil {
			return err
		}
	}
	c.Set(directiveIDKey(b.ID), b.Subject[:])
	c.Set(directiveKey(b.Subject, b.ID), row.encode())
	c.meta.directives++
	return c.directiveChanged(b.Subject)
}

func (c *call) sameDirective(owner federation.Subject, b federation.Directive) error {
	key := directiveKey(owner, b.ID)
	old, found, err := get(c, key, decodeDirective)
	if err != nil {
		return err
	}
	if !found {
		return corrupt(key, errMissing)
	}
	if owner != b.Subject || old.effect != b.Effect || old.target != b.Target || old.by != b.By || old.evidence != b.Evidence {
		return refuse(DirectiveExists, "another directive has the id %x", b.ID)
	}
	if old.withdrawn != (federation.DirectiveID{}) {
		// To accept it would let the patient believe in an objection that is not in force.
		return refuse(DirectiveExists, "directive %x was withdrawn; to object again takes a new id", b.ID)
	}
	c.detail = "this directive was recorded before"
	return nil
}

// withdrawDirective ends an objection of the same patient. One that was withdrawn before stays so.
func (c *call) withdrawDirective(b federation.Directive) error {
	linked, err := Linked(c, b.Subject)
	if err != nil {
		return err
	}
	for _, s := range linked {
		key := directiveKey(s, b.Target)
		row, found, err := get(c, key, decodeDirective)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if row.effect != federation.Object {
			return refuse(NoDirective, "directive %x is no objection", b.Target)
		}
		if row.withdrawn == (federation.DirectiveID{}) {
			row.withdrawn = b.ID
			c.Set(key, row.encode())
		}
		return nil
	}
	return refuse(NoDirective, "the subject has no directive %x", b.Target)
}

// directiveChanged notes every subject of the patient.
func (c *call) directiveChanged(s federation.Subject) error {
	linked, err := Linked(c, s)
	if err != nil {
		return err
	}
	c.change.directives = linked
	return nil
}

// join records that two subjects are one patient. From then on each is found, and protected, under the other.
func (c *call) join(b federation.Link) error {
	prior, err := Linked(c, b.Prior)
	if err != nil {
		return err
	}
	survivor, err := Linked(c, b.Survivor)
	if err != nil {
		return err
	}
	for _, s := range prior {
		if s == b.Survivor {
			return c.sameLink(b)
		}
	}
	if n := len(prior) + len(survivor); n > MaxLinked {
		return refuse(TooManyLinks, "%d subjects for one patient, at most %d", n, MaxLinked)
	}
	row := linkRow{index: c.index, trust: c.signer.ID, survivor: true}
	c.Set(linkKey(b.Prior, b.Survivor), row.encode())
	row.survivor = false
	c.Set(linkKey(b.Survivor, b.Prior), row.encode())
	c.meta.links++
	return c.directiveChanged(b.Prior)
}

// sameLink takes a link that is there already as said again, and any other between linked subjects as a cycle.
func (c *call) sameLink(b federation.Link) error {
	row, found, err := get(c, linkKey(b.Prior, b.Survivor), decodeLink)
	if err != nil {
		return err
	}
	if !found || !row.survivor {
		return refuse(LinkCycle, "the subjects are linked already, by another way")
	}
	c.detail = "this link was recorded before"
	return nil
}

// breakGlass records an emergency access.
func (c *call) breakGlass(b federation.BreakGlass) error {
	if b.Subject.IsZero() || b.User == "" || b.Reason == "" || !b.Until.After(c.statement.At) {
		return refuse(Incomplete, "an emergency access has a patient, a user, a reason and an end")
	}
	if _, ok := c.roster.Trust(b.Custodian); !ok {
		return refuse(NoSuchTrust, "custodian %s is not in the roster", b.Custodian)
	}
	row := breakGlassRow{trust: c.signer.ID, at: c.statement.At, custodian: b.Custodian, user: b.User, reason: b.Reason, until: b.Until}
	key := breakGlassKey(b.Subject, c.index)
	c.Set(key, row.encode())
	c.change.breakGlass = row.public(b.Subject, c.index)
	return nil
}

func (r breakGlassRow) public(s federation.Subject, index uint64) *BreakGlass {
	return &BreakGlass{
		BreakGlass: federation.BreakGlass{Subject: s, Custodian: r.custodian, User: r.user, Reason: r.reason, Until: r.until},
		Trust:      r.trust, At: r.at, Index: index,
	}
}

// Linked returns the subjects that are one patient with s, s first, then in the order in which links lead to them.
func Linked(r Reader, s federation.Subject) ([]federation.Subject, error) {
	out := []federation.Subject{s}
	seen := map[federation.Subject]bool{s: true}
	for i := 0; i < len(out); i++ {
		prefix := subjectPrefix(rowLink, out[i])
		err := r.Scan(prefix, nil, func(key, _ []byte) (bool, error) {
			var other federation.Subject
			if len(key) != len(prefix)+len(other) {
				return false, corrupt(key, federation.ErrMalformed)
			}
			copy(other[:], key[len(prefix):])
			if !seen[other] {
				seen[other] = true
				out = append(out, other)
			}
			return true, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read links: %w", err)
		}
		if len(out) > MaxLinked {
			return nil, corrupt(prefix, fmt.Errorf("%d linked subjects", len(out)))
		}
	}
	return out, nil
}

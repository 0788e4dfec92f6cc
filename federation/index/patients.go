package index

import (
	"fmt"
	"slices"
	"time"

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
	if found {
		return c.sameDirective(owner, b)
	}
	switch {
	case b.Effect == federation.Withdrew:
		err = c.withdrawDirective(b)
	case b.Supersedes != federation.DirectiveID{}:
		err = c.supersedeDirective(b)
	}
	if err != nil {
		return err
	}
	row := directiveRow{index: c.index, trust: c.signer.ID, at: c.statement.At, said: b}
	c.Set(directiveIDKey(b.ID), b.Subject[:])
	c.Set(directiveKey(b.Subject, b.ID), row.encode())
	c.meta.directives++
	c.change.recorded = b.ID
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
	if owner != b.Subject || !sameWords(old.said, b) {
		return refuse(DirectiveExists, "another directive has the id %x", b.ID)
	}
	if old.closed() {
		// To accept it would let the patient believe in a directive that is not in force.
		return refuse(DirectiveExists, "directive %x was withdrawn or replaced; to say it again takes a new id", b.ID)
	}
	c.detail = "this directive was recorded before"
	return nil
}

// sameWords reports whether a and b say the same; their ids and subjects are compared by the caller.
func sameWords(a, b federation.Directive) bool {
	return a.Effect == b.Effect && a.Target == b.Target && a.By == b.By && a.Evidence == b.Evidence && a.Supersedes == b.Supersedes &&
		a.Until.Equal(b.Until) && a.Scope.Equal(b.Scope) && slices.EqualFunc(a.Except, b.Except, federation.Scope.Equal)
}

// withdrawDirective ends an objection or a consent of the same patient. One that has ended before stays as it is.
func (c *call) withdrawDirective(b federation.Directive) error {
	key, row, err := c.directiveOf(b.Subject, b.Target)
	if err != nil {
		return err
	}
	if !row.closed() {
		row.withdrawn = b.ID
		c.Set(key, row.encode())
	}
	return nil
}

// supersedeDirective ends the directive whose place b takes. When it has ended already, somebody else was faster: an objection
// is recorded all the same, beside whatever is in force, for it can only protect; a consent was given for a state of things
// that is no more, and is refused.
func (c *call) supersedeDirective(b federation.Directive) error {
	key, row, err := c.directiveOf(b.Subject, b.Supersedes)
	switch {
	case err != nil:
		return err
	case !row.closed():
		row.superseded = b.ID
		c.Set(key, row.encode())
		return nil
	case b.Effect == federation.Object:
		c.detail = "the directive to be replaced had ended before"
		return nil
	}
	return refuse(DirectiveExists, "directive %x was withdrawn or replaced before this consent took its place", b.Supersedes)
}

// directiveOf returns an objection or consent of the patient, under whichever of their subjects it was recorded.
func (c *call) directiveOf(s federation.Subject, id federation.DirectiveID) ([]byte, directiveRow, error) {
	linked, err := Linked(c, s)
	if err != nil {
		return nil, directiveRow{}, err
	}
	for _, subject := range linked {
		key := directiveKey(subject, id)
		row, found, err := get(c, key, decodeDirective)
		switch {
		case err != nil:
			return nil, directiveRow{}, err
		case found && row.said.Effect == federation.Withdrew:
			return nil, directiveRow{}, refuse(NoDirective, "directive %x is a withdrawal", id)
		case found:
			return key, row, nil
		}
	}
	return nil, directiveRow{}, refuse(NoDirective, "the patient has no directive %x", id)
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

// maxEmergency is how long after it was said an emergency may end. Both times are the signing trust's own, in the statement, so
// that all replicas judge alike.
const maxEmergency = time.Hour

// breakGlass records an emergency access, for those who must account for it: no decision reads it, so that it opens nothing. One
// that was over when it was said is recorded too: a trust that was cut off tells the region late, and the trusts that it names
// learn in no other way that there is something to review.
func (c *call) breakGlass(b federation.BreakGlass) error {
	if b.Subject.IsZero() || b.User == "" || b.Reason == "" || b.Until.IsZero() {
		return refuse(Incomplete, "an emergency access has a patient, a user, a reason and an end")
	}
	if _, ok := c.roster.Trust(b.Custodian); !ok {
		return refuse(NoSuchTrust, "custodian %s is not in the roster", b.Custodian)
	}
	if b.Until.Sub(c.statement.At) > maxEmergency {
		return refuse(BadEmergency, "an emergency that ends %s after it was said, at most %s", b.Until.Sub(c.statement.At), maxEmergency)
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
	for i := 0; i < len(out); i++ {
		prefix := subjectPrefix(rowLink, out[i])
		err := r.Scan(prefix, nil, func(key, _ []byte) (bool, error) {
			var other federation.Subject
			if len(key) != len(prefix)+len(other) {
				return false, corrupt(key, federation.ErrMalformed)
			}
			copy(other[:], key[len(prefix):])
			if !slices.Contains(out, other) {
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

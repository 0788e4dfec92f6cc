package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// The kinds of mark that a person can bear at this node.
const (
	markProtected = "protected" // anybody's look is reviewed
	markStaff     = "staff"     // the record is the named member of staff's own
	markNear      = "near"      // the person has the surname or the address of the named member of staff
)

const (
	markPrefix = "watched "
	// maxMarks is how many marks one person has at most.
	maxMarks = 32
)

// mark says why looks at a person's record are reviewed. Marks are rows of the record store, sealed, under the pseudonym of the
// person: the records do not hold surnames, addresses or who works here, so somebody has to say.
type mark struct {
	Kind   string    `json:"kind"`
	Staff  string    `json:"staff,omitempty"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// marks are all marks, in memory and in the store.
type marks struct {
	mu sync.RWMutex
	by map[federation.Subject][]mark
}

func markName(s federation.Subject) string { return markPrefix + hex.EncodeToString(s[:]) }

// openMarks reads the marks.
func (n *Node) openMarks(ctx context.Context) (*marks, error) {
	m := &marks{by: make(map[federation.Subject][]mark)}
	names, err := n.records.Settings(ctx, markPrefix)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	for _, name := range names {
		b, found, err := n.records.Setting(ctx, name)
		if err != nil {
			return nil, n.storeProblem(err)
		}
		raw, err := hex.DecodeString(strings.TrimPrefix(name, markPrefix))
		var s federation.Subject
		var list []mark
		if err == nil && len(raw) == len(s) && found {
			s = federation.Subject(raw)
			err = json.Unmarshal(b, &list)
		}
		if err != nil || s.IsZero() {
			return nil, admin.Errorf(admin.CodeIntegrity, "a mark of a person whose record is watched cannot be read: run 'ridgeway scrub'")
		}
		m.by[s] = list
	}
	return m, nil
}

// of returns the marks of a patient under several subjects.
func (m *marks) of(subjects ...federation.Subject) (out []mark) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range subjects {
		out = append(out, m.by[s]...)
	}
	return out
}

func (m *marks) none() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.by) == 0
}

// Protect marks a person, takes their marks back, or lists all marks. A governance lead or privacy officer does it, and it is
// written down before it counts.
func (n *Node) Protect(ctx context.Context, q *admin.ProtectRequest) (*admin.ProtectReply, error) {
	if err := n.governs(ctx, q.GetAsker(), "marks people", approverRoles); err != nil {
		return nil, err
	}
	if q.GetPatient() == "" {
		if err := n.noteMark(ctx, q, federation.Subject{}, "listed the people whose records are watched"); err != nil {
			return nil, err
		}
		return n.marked(), nil
	}
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	next := mark{Kind: markProtected, Reason: strings.TrimSpace(q.GetReason()), By: q.GetAsker().GetUser(), At: time.Now().UTC()}
	switch {
	case q.GetStaff() != "" && q.GetNear() != "":
		return nil, admin.Errorf(admin.CodeBadInput, "--staff and --near exclude each other: mark the person twice")
	case q.GetStaff() != "":
		next.Kind, next.Staff = markStaff, q.GetStaff()
	case q.GetNear() != "":
		next.Kind, next.Staff = markNear, q.GetNear()
	case q.GetReason() == "" && !q.GetLift():
		return nil, admin.Errorf(admin.CodeBadInput, "why is the record watched? Give --reason")
	}
	if len(next.Reason) > maxNote || len(next.Staff) > maxStaffID {
		return nil, admin.Errorf(admin.CodeBadInput, "the reason has at most %d bytes, and a staff id %d", maxNote, maxStaffID)
	}
	subjects, err := n.linked(ctx, n.records.Subject(number))
	if err != nil {
		return nil, err
	}
	if err := n.setMark(ctx, q, subjects, next); err != nil {
		return nil, err
	}
	reply := &admin.ProtectReply{}
	for _, s := range subjects {
		reply.Persons = append(reply.Persons, n.shownMarks(s)...)
	}
	return reply, nil
}

// setMark keeps a mark under the first of the subjects that a person goes by, or takes marks back under whichever they were set.
func (n *Node) setMark(ctx context.Context, q *admin.ProtectRequest, subjects []federation.Subject, next mark) error {
	m := n.misuse.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	named := q.GetStaff() != "" || q.GetNear() != ""
	same := func(k mark) bool { return k.Kind == next.Kind && samePerson(k.Staff, next.Staff) }
	changed := make(map[federation.Subject][]mark)
	what := detailMarked + next.Kind + " " + next.Staff + ": " + next.Reason
	own := false
	if q.GetLift() {
		what = detailLifted + next.Reason
		for _, s := range subjects {
			rest := slices.DeleteFunc(slices.Clone(m.by[s]), func(k mark) bool {
				own = own || (!named || same(k)) && samePerson(k.Staff, next.By)
				return !named || same(k)
			})
			if len(rest) < len(m.by[s]) {
				changed[s] = rest
			}
		}
	} else {
		changed[subjects[0]] = append(slices.DeleteFunc(slices.Clone(m.by[subjects[0]]), same), next)
	}
	switch {
	case own:
		err := admin.Errorf(admin.CodeDenied, "the mark has looks of %s reviewed, who cannot take it back: another governance lead or privacy officer must", next.By)
		return n.deniedNoted(ctx, audit.Review, q.GetAsker(), err)
	case len(changed) == 0:
		return admin.Errorf(admin.CodeNotFound, "that person bears no such mark: 'ridgeway protect --list' shows those there are")
	case len(changed[subjects[0]]) > maxMarks:
		return admin.Errorf(admin.CodeBadInput, "a person bears at most %d marks", maxMarks)
	}
	if err := n.noteMark(ctx, q, subjects[0], what); err != nil {
		return err
	}
	for s, list := range changed {
		if err := n.keepMarks(ctx, s, list); err != nil {
			return err
		}
	}
	return nil
}

// keepMarks makes the marks of a subject durable. The caller holds mu of the marks.
func (n *Node) keepMarks(ctx context.Context, s federation.Subject, list []mark) error {
	by := n.misuse.marks.by
	if len(list) == 0 {
		if err := n.records.DeleteSetting(ctx, markName(s)); err != nil {
			return n.storeProblem(err)
		}
		delete(by, s)
		return nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("keep a mark: %w", err)
	}
	if err := n.records.SetSetting(ctx, markName(s), b); err != nil {
		return n.storeProblem(err)
	}
	by[s] = list
	return nil
}

func (n *Node) noteMark(ctx context.Context, q *admin.ProtectRequest, s federation.Subject, what string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: q.GetAsker().GetUser(), Role: q.GetAsker().GetRole(),
		Subject: s, Detail: clipText(what, audit.MaxDetail),
	})
}

// marked lists all marks, the newest first.
func (n *Node) marked() *admin.ProtectReply {
	n.misuse.marks.mu.RLock()
	subjects := make([]federation.Subject, 0, len(n.misuse.marks.by))
	for s := range n.misuse.marks.by {
		subjects = append(subjects, s)
	}
	n.misuse.marks.mu.RUnlock()
	reply := &admin.ProtectReply{}
	for _, s := range subjects {
		reply.Persons = append(reply.Persons, n.shownMarks(s)...)
	}
	slices.SortFunc(reply.Persons, func(a, b *admin.ProtectedPerson) int {
		return cmp.Or(cmp.Compare(b.GetAt(), a.GetAt()), cmp.Compare(a.GetPatient(), b.GetPatient()))
	})
	return reply
}

func (n *Node) shownMarks(s federation.Subject) (out []*admin.ProtectedPerson) {
	patient := hex.EncodeToString(s[:])
	if number, err := n.records.NHSNumber(s); err == nil {
		patient = number.String()
	}
	for _, k := range n.misuse.marks.of(s) {
		out = append(out, &admin.ProtectedPerson{Patient: patient, Kind: k.Kind, Staff: k.Staff, Reason: k.Reason, By: k.By, At: k.At.UnixMicro()})
	}
	return out
}

// Protect marks people whose record is watched.
func (s adminServer) Protect(ctx context.Context, q *admin.ProtectRequest) (*admin.ProtectReply, error) {
	return s.n.Protect(ctx, q)
}

package node

import (
	"container/list"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// seenPatients are the patients whom somebody has looked at within the last hour or so, in the order of when that was last, so
// that to look once more costs the same however many they are.
type seenPatients struct {
	at    map[federation.Subject]*list.Element
	order *list.List // of *lookedAt, longest ago first
}

type lookedAt struct {
	subject federation.Subject
	at      time.Time
}

// see notes a look at a patient, of now or of some time ago.
func (s *seenPatients) see(subject federation.Subject, at time.Time) {
	if s.at == nil {
		s.at, s.order = make(map[federation.Subject]*list.Element), list.New()
	}
	if old := s.at[subject]; old != nil {
		look := old.Value.(*lookedAt) //nolint:forcetypeassert // the list has no others
		if at.After(look.at) {
			look.at = at
			s.order.MoveAfter(old, s.lastUpTo(at))
		}
		return
	}
	look := &lookedAt{subject, at}
	// The log is read from the latest: what it tells is older than all that is known, again and again.
	if first := s.order.Front(); first == nil || first.Value.(*lookedAt).at.After(at) { //nolint:forcetypeassert // the list has no others
		s.at[subject] = s.order.PushFront(look)
		return
	}
	s.at[subject] = s.order.InsertAfter(look, s.lastUpTo(at))
}

// lastUpTo returns the last look that is not later than at; there is one.
func (s *seenPatients) lastUpTo(at time.Time) *list.Element {
	e := s.order.Back()
	for e.Value.(*lookedAt).at.After(at) { //nolint:forcetypeassert // the list has no others
		e = e.Prev()
	}
	return e
}

// has reports whether the patient is among those that are counted.
func (s *seenPatients) has(subject federation.Subject) bool { return s != nil && s.at[subject] != nil }

// within counts the patients of the last hour, and forgets the others.
func (s *seenPatients) within(now time.Time) int {
	if s == nil || s.order == nil {
		return 0
	}
	for first := s.order.Front(); first != nil; first = s.order.Front() {
		look := first.Value.(*lookedAt) //nolint:forcetypeassert // the list has no others
		if now.Sub(look.at) < misuseHour {
			break
		}
		s.order.Remove(first)
		delete(s.at, look.subject)
	}
	return len(s.at)
}

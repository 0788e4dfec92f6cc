package node

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestObjectingAgainRecordsNothingNew(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	object := func() *admin.ObjectReply {
		t.Helper()
		reply, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: patientA, By: "rn1", Evidence: "letter"})
		if err != nil || len(reply.GetDirectives()) != 1 || reply.GetState() != "objected" || !reply.GetCommitted() {
			t.Fatalf("got %v, %v", reply, err)
		}
		return reply
	}
	first := object()
	if first.GetAlready() != nil {
		t.Errorf("nothing stood before: %v", first)
	}
	again := object()
	if a := again.GetAlready(); a.GetDirective() != first.GetDirectives()[0] || again.GetDirectives()[0] != a.GetDirective() || a.GetBy() != "rn1" || again.GetIndex() != first.GetIndex() {
		t.Errorf("got %v, want that %v stands", again, first)
	}
	if all := directives(t, n, true); len(all) != 1 {
		t.Errorf("%d directives, want one: %v", len(all), all)
	}
	receipt, err := n.Receipt(t.Context(), &admin.ReceiptRequest{Patient: patientA, Directive: again.GetDirectives()[0], Asker: &admin.Asker{User: "rn1", Role: "nurse"}})
	if err != nil || len(receipt.GetSites()) == 0 || !receipt.GetSites()[0].GetApplied() {
		t.Errorf("its receipt: %v, %v", receipt, err)
	}

	recordDirective(t, n, permit(nil))
	if got := object(); got.GetAlready() != nil || decide(t, n, "RAS", "a").Permitted() {
		t.Errorf("what was permitted meanwhile needs a new objection: %v", got)
	}
	if _, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: patientA, Withdraw: true}); err != nil {
		t.Fatal(err)
	}
	if got := object(); got.GetAlready() != nil || decide(t, n, "RAS", "a").Permitted() {
		t.Errorf("what was withdrawn needs a new objection: %v", got)
	}
}

// TestWhichObjectionStands has those for which a second one would make no difference, and those beside which it is needed.
func TestWhichObjectionStands(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id := func(b byte) federation.DirectiveID { return federation.DirectiveID{b} }
	is := func(b byte, effect federation.DirectiveEffect, at uint64) said {
		return said{Directive: index.Directive{Directive: federation.Directive{ID: id(b), Effect: effect}, Index: at}}
	}
	with := func(s said, change func(*said)) said {
		change(&s)
		return s
	}
	objection, consent, withdrew := is(1, federation.Object, 5), is(2, federation.Consent, 6), is(3, federation.Withdrew, 0)
	here := with(is(1, federation.Object, 0), func(s *said) { s.here = true })
	for _, c := range []struct {
		name string
		all  []said
		want byte // none: 0
	}{
		{"nothing said", nil, 0},
		{"agreed on", []said{objection}, 1},
		{"in force here, and on its way", []said{here}, 1},
		{"refused by the region", []said{with(here, func(s *said) { s.refused = true })}, 0},
		{"withdrawn", []said{with(objection, func(s *said) { s.WithdrawnBy = id(9) })}, 0},
		{"replaced", []said{with(objection, func(s *said) { s.SupersededBy = id(9) })}, 0},
		{"its withdrawal is on its way", []said{objection, with(withdrew, func(s *said) { s.Target = id(1) })}, 0},
		{"the withdrawal of another is on its way", []said{objection, with(withdrew, func(s *said) { s.Target = id(7) })}, 1},
		{"what takes its place is on its way", []said{objection, with(is(4, federation.Object, 0), func(s *said) { s.here, s.Supersedes, s.Scope.Type = true, id(1), "t" })}, 0},
		{"permitted later", []said{objection, consent}, 0},
		{"permitted later, which has ended", []said{objection, with(consent, func(s *said) { s.WithdrawnBy = id(9) })}, 1},
		{"permission on its way", []said{objection, with(consent, func(s *said) { s.Index = 0 })}, 0},
		{"permitted before", []said{with(consent, func(s *said) { s.Index = 4 }), objection}, 1},
		{"until a day", []said{with(objection, func(s *said) { s.Until = now.Add(time.Hour) })}, 0},
		{"to some sharing", []said{with(objection, func(s *said) { s.Scope.Type = "t" })}, 0},
		{"with an exception", []said{with(objection, func(s *said) { s.Except = []federation.Scope{{Trust: "RAS"}} })}, 0},
		{"the newest of two", []said{objection, is(8, federation.Object, 7)}, 8},
	} {
		got, found := standingOf(c.all, now)
		if found != (c.want != 0) || found && got.ID != id(c.want) {
			t.Errorf("%s: got %v, %v", c.name, got.ID, found)
		}
	}
}

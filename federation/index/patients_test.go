package index

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func (r *testRegion) active(s federation.Subject) []federation.DirectiveID {
	r.t.Helper()
	got, err := Directives(r.store, s)
	if err != nil {
		r.t.Fatal(err)
	}
	var ids []federation.DirectiveID
	for _, d := range got {
		ids = append(ids, d.ID)
	}
	return ids
}

func ids(ns ...byte) (out []federation.DirectiveID) {
	for _, n := range ns {
		out = append(out, federation.DirectiveID{n})
	}
	return out
}

func withdrawal(n, target byte, s federation.Subject) federation.Directive {
	return federation.Directive{ID: federation.DirectiveID{n}, Subject: s, Effect: federation.Withdrew, Target: federation.DirectiveID{target}, By: "staff-2"}
}

// 1 objects -> 2 objects -> 3 withdraws 1: only 2 is in force -> 4 withdraws 1 again: nothing more
func TestObjectionsHoldUntilTheyAreWithdrawn(t *testing.T) {
	r := grown(t, Config{})
	r.accept("Y05868", objection(1, alice))
	r.accept("RYJ", objection(2, alice))
	r.accept("RAS", withdrawal(3, 1, alice))
	r.accept("RAS", withdrawal(4, 1, alice))
	if diff := cmp.Diff(ids(2), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	history, err := DirectiveHistory(r.store, alice)
	if err != nil || len(history) != 4 {
		t.Fatalf("%v, %v", history, err)
	}
	first := history[0]
	if first.Trust != "Y05868" || first.By != "staff-1" || first.WithdrawnBy != (federation.DirectiveID{3}) || first.Active() || first.At.IsZero() || first.Index == 0 {
		t.Errorf("first: %+v", first)
	}
	if got := r.active(bob); got != nil {
		t.Errorf("another patient: %v", got)
	}
}

func TestDirectivesThatContradictOthersAreRefused(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", objection(1, alice))
	r.accept("RAS", objection(1, alice)) // the same, said again
	if got := r.counts().Directives; got != 1 {
		t.Errorf("%d directives", got)
	}
	otherWords := objection(1, alice)
	otherWords.Evidence = "by letter"
	nameless := objection(9, alice)
	nameless.By = ""
	r.accept("RYJ", withdrawal(2, 1, alice))
	cases := []struct {
		name string
		body federation.Directive
		want Code
	}{
		{"same id, other words", otherWords, DirectiveExists},
		{"same id, other patient", objection(1, bob), DirectiveExists},
		{"an objection that was withdrawn", objection(1, alice), DirectiveExists},
		{"withdraws what there is not", withdrawal(3, 77, alice), NoDirective},
		{"withdraws another patient's", withdrawal(3, 1, bob), NoDirective},
		{"withdraws a withdrawal", withdrawal(3, 2, alice), NoDirective},
		{"nobody recorded it", nameless, Incomplete},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { r.refuse("RYJ", c.body, c.want) })
	}
}

func scoped(n byte, s federation.Subject, effect federation.DirectiveEffect, supersedes byte) federation.Directive {
	d := federation.Directive{
		ID: federation.DirectiveID{n}, Subject: s, Effect: effect, By: "staff-3", Evidence: "form", Scope: federation.Scope{Trust: "RAS", Sensitivity: "HIV"},
		Except: []federation.Scope{{Role: "pharmacist"}, {To: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}}, Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if supersedes != 0 {
		d.Supersedes = federation.DirectiveID{supersedes}
	}
	return d
}

// 1 objects -> 2 agrees in its place -> 3 objects in place of 2 -> 4 withdraws 3      nothing is in force; nothing comes back
func TestADirectiveTakesAnothersPlaceForGood(t *testing.T) {
	r := grown(t, Config{})
	r.accept("Y05868", objection(1, alice))
	r.accept("RYJ", scoped(2, alice, federation.Consent, 1))
	if diff := cmp.Diff(ids(2), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	r.accept("RAS", scoped(3, alice, federation.Object, 2))
	if diff := cmp.Diff(ids(3), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	r.accept("RAS", withdrawal(4, 3, alice))
	r.accept("RAS", withdrawal(5, 1, alice)) // of what has ended: nothing more
	if got := r.active(alice); got != nil {
		t.Errorf("in force again: %v", got)
	}
	r.refuse("RYJ", objection(1, alice), DirectiveExists)
	r.refuse("RYJ", scoped(2, alice, federation.Consent, 1), DirectiveExists)
	history, err := DirectiveHistory(r.store, alice)
	if err != nil || len(history) != 5 {
		t.Fatalf("%v, %v", history, err)
	}
	want := scoped(2, alice, federation.Consent, 1)
	if second := history[1]; !cmp.Equal(second.Directive, want) || second.Trust != "RYJ" || second.SupersededBy != (federation.DirectiveID{3}) || second.Active() || second.Index == 0 {
		t.Errorf("second: %+v", second)
	}
	if first := history[0]; first.SupersededBy != (federation.DirectiveID{2}) || first.WithdrawnBy != (federation.DirectiveID{}) {
		t.Errorf("first: %+v", first)
	}
}

func TestWhatCannotBeReplacedIsARecordedRefusal(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", objection(1, alice))
	r.accept("RYJ", objection(2, alice))
	r.accept("RYJ", withdrawal(3, 2, alice))
	r.accept("RYJ", scoped(4, alice, federation.Object, 1))
	otherScope := scoped(4, alice, federation.Object, 1)
	otherScope.Scope.Role = "nurse"
	otherEnd := scoped(4, alice, federation.Object, 1)
	fewer := scoped(4, alice, federation.Object, 1)
	fewer.Except = fewer.Except[:1]
	otherEnd.Until = otherEnd.Until.Add(time.Hour)
	for _, c := range []struct {
		name string
		body federation.Directive
		want Code
	}{
		{"what there is not", scoped(5, alice, federation.Object, 77), NoDirective},
		{"another patient's", scoped(5, bob, federation.Object, 4), NoDirective},
		{"another patient's, as a consent", scoped(5, bob, federation.Consent, 4), NoDirective},
		{"a withdrawal", scoped(5, alice, federation.Object, 3), NoDirective},
		{"a consent in place of what was withdrawn", scoped(5, alice, federation.Consent, 2), DirectiveExists},
		{"a consent in place of what was replaced", scoped(5, alice, federation.Consent, 1), DirectiveExists},
		{"the same id, another scope", otherScope, DirectiveExists},
		{"the same id, another end", otherEnd, DirectiveExists},
		{"the same id, fewer exceptions", fewer, DirectiveExists},
	} {
		t.Run(c.name, func(t *testing.T) { r.refuse("RAS", c.body, c.want) })
	}
	if diff := cmp.Diff(ids(4), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	// Two sites replace the same objection at the same time: the second objection holds too.
	r.accept("RAS", scoped(6, alice, federation.Object, 1))
	if diff := cmp.Diff(ids(4, 6), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
}

func TestADirectiveIsReplacedUnderAnyLinkedSubject(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", objection(1, alice))
	r.refuse("RYJ", scoped(2, bob, federation.Object, 1), NoDirective)
	r.accept("RAS", federation.Link{Prior: alice, Survivor: bob})
	r.accept("RYJ", scoped(2, bob, federation.Object, 1))
	if diff := cmp.Diff(ids(2), r.active(alice)); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
}

// Rows of directives without a scope are what they were before there were scopes: they are in the root.
func TestRowsOfPlainDirectivesHaveNoTail(t *testing.T) {
	row := directiveRow{index: 7, trust: "RYJ", at: time.Unix(1, 0), said: objection(1, alice)}
	plain := row.encode()
	if len(plain) != 8+4+8+1+16+(1+len(row.said.By))+(1+len(row.said.Evidence))+16 {
		t.Errorf("%d bytes", len(plain))
	}
	row.said.Scope.Role = "nurse"
	tailed := row.encode()
	for name, b := range map[string][]byte{
		"unknown tail": append(append([]byte{}, plain...), 3), "cut": tailed[:len(tailed)-1], "longer": append(append([]byte{}, tailed...), 0),
		"empty tail": append(append([]byte{}, plain...), emptyTail()...),
	} {
		if got, err := decodeRow([]byte("o"), b, decodeDirective); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, err := decodeRow([]byte("o"), tailed, decodeDirective); err != nil || got.said.Scope.Role != "nurse" {
		t.Errorf("%+v, %v", got, err)
	}
}

func emptyTail() []byte {
	var e federation.Encoder
	e.U8(directiveTail)
	e.Fixed(make([]byte, 16+16))
	e.Time(time.Time{})
	e.Scope(federation.Scope{})
	e.Scopes(nil)
	return e.Bytes()
}

// alice -> bob <- carol      an objection of one holds for all; documents of one are found under all
func TestLinkedSubjectsAreOnePatient(t *testing.T) {
	r := grown(t, Config{})
	carol, dave := federation.Subject{0xC}, federation.Subject{0xD}
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1), pointerOf("RYJ", bob, 2), pointerOf("RYJ", carol, 3), pointerOf("RYJ", dave, 4)))
	r.accept("RYJ", objection(1, alice))
	r.accept("RAS", federation.Link{Prior: alice, Survivor: bob})
	r.accept("RAX", federation.Link{Prior: carol, Survivor: bob})
	want := []federation.Pointer{pointerOf("RYJ", alice, 1), pointerOf("RYJ", bob, 2), pointerOf("RYJ", carol, 3)}
	for _, s := range []federation.Subject{alice, bob, carol} {
		if diff := cmp.Diff(want, locateAll(t, r.store, s)); diff != "" {
			t.Errorf("documents of %s (-want +got):\n%s", s, diff)
		}
		if diff := cmp.Diff(ids(1), r.active(s)); diff != "" {
			t.Errorf("objections of %s (-want +got):\n%s", s, diff)
		}
	}
	if r.active(dave) != nil || len(locateAll(t, r.store, dave)) != 1 {
		t.Error("another patient is linked")
	}
	r.refuse("RYJ", federation.Link{Prior: bob, Survivor: alice}, LinkCycle)
	r.refuse("RYJ", federation.Link{Prior: alice, Survivor: carol}, LinkCycle)
	r.accept("RYJ", federation.Link{Prior: alice, Survivor: bob}) // the same, said again
	if got := r.counts().Links; got != 2 {
		t.Errorf("%d links", got)
	}
	r.accept("RYJ", withdrawal(2, 1, carol)) // the patient, by whatever subject
	if got := r.active(bob); got != nil {
		t.Errorf("left in force: %v", got)
	}
}

func TestAPatientHasABoundedNumberOfSubjects(t *testing.T) {
	r := founded(t, Config{}, 1)
	for n := range byte(MaxLinked - 1) {
		r.accept("RYJ", federation.Link{Prior: federation.Subject{1, n + 1}, Survivor: federation.Subject{1, n}})
	}
	r.refuse("RYJ", federation.Link{Prior: federation.Subject{2}, Survivor: federation.Subject{1, 7}}, TooManyLinks)
	if got, err := Linked(r.store, federation.Subject{1, 3}); err != nil || len(got) != MaxLinked || got[0] != (federation.Subject{1, 3}) {
		t.Errorf("%d subjects, first %v, %v", len(got), got[0], err)
	}
}

func TestEmergencyAccessesAreToldToTheRegion(t *testing.T) {
	r := grown(t, Config{})
	good := federation.BreakGlass{Subject: alice, Custodian: "RAS", User: "staff-1", Reason: "unconscious", Until: r.now.Add(15 * time.Minute)}
	for _, change := range []func(*federation.BreakGlass){
		func(b *federation.BreakGlass) { b.User = "" },
		func(b *federation.BreakGlass) { b.Reason = "" },
		func(b *federation.BreakGlass) { b.Subject = federation.Subject{} },
		func(b *federation.BreakGlass) { b.Until = time.Time{} },
	} {
		b := good
		change(&b)
		r.refuse("RYJ", b, Incomplete)
	}
	stranger := good
	stranger.Custodian = "RXX"
	r.refuse("RYJ", stranger, NoSuchTrust)
	endless := good
	endless.Until = r.now.Add(2 * time.Hour)
	r.refuse("RYJ", endless, BadEmergency)
	late := good // told when it was over
	late.Subject, late.Until = bob, r.now.Add(-time.Hour)
	r.accept("RYJ", late)
	if got, err := EmergenciesAt(r.store, "RAS", 0); err != nil || len(got) != 1 || !got[0].Until.Equal(late.Until) {
		t.Errorf("told late: %+v, %v", got, err)
	}
	r.accept("RYJ", good)
	got, err := BreakGlasses(r.store, alice)
	if err != nil || len(got) != 1 || !cmp.Equal(got[0].BreakGlass, good) || got[0].Trust != "RYJ" || got[0].Index != r.index {
		t.Errorf("%+v, %v", got, err)
	}
}

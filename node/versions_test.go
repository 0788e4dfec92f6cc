package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// opens asks what a nurse of another trust may open, as this node decides on releases.
func opens(t *testing.T, n *Node, id federation.DocumentID) bool {
	t.Helper()
	doc, err := held{n}.Document(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	q := policy.Request{User: policy.User{Trust: "RAS", ID: "rn9", Role: "nurse"}, Action: policy.Open, Purpose: "TREAT", Now: time.Now(), Document: doc}
	f, err := n.factsNow(t.Context(), q, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.RequesterStanding, f.LeaseAge, f.LeaseLimit = federation.Active, 0, policy.MaxLease
	return policy.Decide(q, f).Permitted()
}

// fromIndex is what another trust's node makes of a document, which has the index only.
func fromIndex(t *testing.T, n *Node, id federation.DocumentID) policy.Document {
	t.Helper()
	var d policy.Document
	err := n.replica.View(t.Context(), consensus.Local(), func(r consensus.Reader) error {
		p, _, _, err := index.Pointer(r, id)
		x := newNaming(n, r, saidBy(r, func(federation.Subject) ([]policy.Directive, error) { return nil, nil }, p.Subject))
		d.Versions = x.fromIndex(p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func takeOne(t *testing.T, n *Node, title, content string, change func(*ingest.Item)) (ingest.Receipt, error) {
	t.Helper()
	item := textItem(title, content)
	if change != nil {
		change(&item)
	}
	return n.Take(t.Context(), item)
}

func mustTake(t *testing.T, n *Node, title, content string, change func(*ingest.Item)) ingest.Receipt {
	t.Helper()
	r, err := takeOne(t, n, title, content, change)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func takeBack(t *testing.T, n *Node, directive string) {
	t.Helper()
	q := &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: directive, By: "rn1", Evidence: "in person", Asker: deny(nil).GetAsker()}
	if _, err := n.WithdrawDirective(t.Context(), q); err != nil {
		t.Fatal(err)
	}
}

func replaces(id federation.DocumentID) func(*ingest.Item) {
	return func(i *ingest.Item) { i.Supersedes = id }
}

// TestARefusalOfOneVersionHoldsForAll has three versions of a letter, a directive that names one of them, and looks at all:
//
//	v1 <- v2 <- v3        other
//
// at the custodian, at a node that has the index only, and when the patient speaks before and after the letter was replaced.
func TestARefusalOfOneVersionHoldsForAll(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for number, name := range []string{"first", "second", "third"} {
		t.Run(name, func(t *testing.T) { // of a patient who keeps one version from RAS, and from this trust's own staff
			ids := make([]federation.DocumentID, 3)
			var said []string
			say := func(at int) {
				for _, trust := range []string{"", string(n.Trust())} {
					if at == number {
						said = append(said, recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(ids[at]), Trust: trust})).GetDirective())
					}
				}
			}
			for i := range ids {
				var change func(*ingest.Item)
				if i > 0 {
					change = replaces(ids[i-1])
				}
				ids[i] = mustTake(t, n, fmt.Sprintf("Letter of the %s", name), fmt.Sprintf("%s %d", name, i), change).Document
				if number == 0 {
					say(i) // at once, before it is replaced
				}
			}
			other := mustTake(t, n, "Another of the "+name, name+", another", nil).Document
			if number > 0 {
				say(number)
			}
			eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
			for i, id := range ids {
				if opens(t, n, id) {
					t.Errorf("version %d is open", i+1)
				}
				if d := fromIndex(t, n, id); id != ids[number] && len(d.Versions) != 1 {
					t.Errorf("a node that has the index only does not see that version %d is one: %v", i+1, d.Versions)
				}
			}
			if listed := listAll(t, n, 100); listed[ids[0]]+listed[ids[1]]+listed[ids[2]] != 0 || listed[other] != 1 {
				t.Errorf("the list has %v", listed)
			}
			if !opens(t, n, other) {
				t.Error("another document is closed")
			}
			if d := fromIndex(t, n, other); len(d.Versions) != 0 {
				t.Errorf("another document is taken for a version: %v", d.Versions)
			}
			for _, no := range said {
				takeBack(t, n, no)
			}
			if !opens(t, n, ids[2]) {
				t.Error("the last version is closed after the patient took it back")
			}
		})
	}
}

// TestWhatReplacedASealedOrWithdrawnVersionMayBeIt: the index says nothing of what a sealed document replaced, nor a withdrawn one.
func TestWhatReplacedASealedOrWithdrawnVersionMayBeIt(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	sealed := func(i *ingest.Item) { i.Confidentiality = "R" }
	v1 := mustTake(t, n, "Letter", "one", nil).Document
	hidden := mustTake(t, n, "Letter", "two", func(i *ingest.Item) { sealed(i); i.Supersedes = v1 })
	if !strings.Contains(hidden.Note, "open to more people") || !strings.Contains(hidden.Note, string(v1)) {
		t.Errorf("whoever replaces a document by one that fewer may see is not told what the others are shown: %q", hidden.Note)
	}
	apart := mustTake(t, n, "Apart", "three", sealed).Document
	alone := mustTake(t, n, "Alone", "four", nil).Document
	no := recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(v1)}))
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	for id, want := range map[federation.DocumentID]int{hidden.Document: 1, apart: 1, alone: 0} {
		if d := fromIndex(t, n, id); len(d.Versions) != want {
			t.Errorf("%s: %v", id, d.Versions)
		}
	}
	if !opens(t, n, apart) && opens(t, n, hidden.Document) {
		t.Error("the custodian knows better")
	}
	takeBack(t, n, no.GetDirective())
	// What was never replaced is what it is, and a sealed document has not replaced it.
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(alone)}))
	if d := fromIndex(t, n, apart); len(d.Versions) != 0 {
		t.Errorf("a sealed document is taken for a version of one that nothing has replaced: %v", d.Versions)
	}
}

// TestAPermissionDoesNotPassToAnotherVersion: the patient has not seen what was changed.
func TestAPermissionDoesNotPassToAnotherVersion(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	v1 := mustTake(t, n, "Letter", "one", nil).Document
	q := deny(&admin.DirectiveScope{Type: "373942005"})
	q.Except = []*admin.DirectiveScope{{Document: string(v1)}}
	recordDirective(t, n, q)
	if !opens(t, n, v1) {
		t.Fatal("what is excepted is closed")
	}
	v2 := mustTake(t, n, "Letter", "two", replaces(v1))
	if opens(t, n, v2.Document) {
		t.Error("an exception of a refusal holds for a version that the patient has not seen")
	}
	if !strings.Contains(v2.Note, "permitted the version that it replaces") {
		t.Errorf("nobody is told: %q", v2.Note)
	}
}

// TestACopyOfWhatThePatientRefusedIsNotTakenIn: under another title, date or type it would be a document that they have not named.
func TestACopyOfWhatThePatientRefusedIsNotTakenIn(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	v1 := mustTake(t, n, "Letter", "one", nil).Document
	v2 := mustTake(t, n, "Letter", "two", replaces(v1)).Document
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(v1)}))
	for name, c := range map[string]struct {
		title, content string
		change         func(*ingest.Item)
	}{
		"another title":                {"Letter, again", "one", nil},
		"another date":                 {"Letter", "one", func(i *ingest.Item) { i.Date = i.Date.AddDate(0, 0, 1) }},
		"another type":                 {"Letter", "one", func(i *ingest.Item) { i.Type = "823681000000100" }},
		"a later version, other title": {"Letter, again", "two", nil},
		"with another file besides": {"Letter", "one", func(i *ingest.Item) {
			more := textItem("", "more").Parts[0]
			more.Name = "more.txt"
			i.Parts = append(i.Parts, more)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := takeOne(t, n, c.title, c.content, c.change)
			if err == nil || !strings.Contains(err.Error(), string(v1)) || !strings.Contains(err.Error(), "have their choice recorded anew") {
				t.Errorf("got %v, %v", r, err)
			}
		})
	}
	if r := mustTake(t, n, "Letter", "one", nil); !r.AlreadyHeld || r.Document != v1 {
		t.Errorf("the same again: %+v", r)
	}
	v3 := mustTake(t, n, "Letter, again", "one", replaces(v2)).Document
	if opens(t, n, v3) {
		t.Error("what is said to replace it is covered")
	}
	if r := mustTake(t, n, "Letter of somebody else", "one", func(i *ingest.Item) { i.Patient = patientB }); r.AlreadyHeld {
		t.Errorf("another patient's: %+v", r)
	}
}

func move(ctx context.Context, n *Node, id federation.DocumentID, patient string) (*web.Filed, error) {
	return n.Move(ctx, &web.Moving{Document: string(id), Patient: patient, Reason: "wrong patient", By: &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATADMIN"}})
}

// TestAMoveNeverDropsWhatAPatientSaid moves a letter away and back, changed meanwhile:
//
//	A: a1 (named)          A: a1 withdrawn        A: a2, a copy of a1 under another title: refused
//	                       B: b1  -> b2
func TestAMoveNeverDropsWhatAPatientSaid(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	a1 := mustTake(t, n, "Letter", "one", nil).Document
	b1, err := move(t.Context(), n, a1, patientB)
	if err != nil {
		t.Fatal(err)
	}
	b2, err := correct(t, n, federation.DocumentID(b1.Document), func(f *web.Particulars) { f.Title = "Letter, corrected" })
	if err != nil {
		t.Fatal(err)
	}
	no := recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(a1)}))
	if filed, err := move(t.Context(), n, federation.DocumentID(b2.Document), patientA); err == nil || !strings.Contains(err.Error(), string(a1)) {
		t.Errorf("a copy of what A refused was moved to A: %+v, %v", filed, err)
	}
	back, err := correct(t, n, federation.DocumentID(b2.Document), func(f *web.Particulars) { f.Title = "Letter" })
	if err == nil {
		t.Fatalf("a version that is there already: %+v", back)
	}
	// The one that was moved, moved back as it was, is the very document that A has named.
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: b2.Document, Reason: "x", By: &admin.Asker{User: "g1", Role: "governance-lead", Purpose: "HOPERAT"}}); err != nil {
		t.Fatal(err)
	}
	filed, err := move(t.Context(), n, federation.DocumentID(b1.Document), patientA)
	if err != nil || filed.Document != string(a1) || opens(t, n, a1) {
		t.Fatalf("moved back: %+v, %v", filed, err)
	}
	if filed, err := move(t.Context(), n, a1, patientB); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "have their choice withdrawn") {
		t.Errorf("a document that A has named was moved away: %+v, %v", filed, err)
	}
	takeBack(t, n, no.GetDirective())
	if _, err := move(t.Context(), n, a1, patientB); err != nil {
		t.Errorf("after the wish was withdrawn: %v", err)
	}
}

// TestACorrectionOfAnotherTypeLooksAtAllVersions: nothing leads from the new document to those before.
func TestACorrectionOfAnotherTypeLooksAtAllVersions(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	v1 := mustTake(t, n, "Letter", "one", nil).Document
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(v1)}))
	v2 := mustTake(t, n, "Letter", "two", replaces(v1)).Document
	filed, err := correct(t, n, v2, func(f *web.Particulars) { f.Type = "823681000000100" })
	if admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "this very document, or a version of it") {
		t.Errorf("got %+v, %v", filed, err)
	}
}

// TestAWithdrawnTwinIsNotSharedAgain has letters whose type is corrected, and a patient who refuses what came of it:
//
//	x (withdrawn) -> y, named; nothing leads from one to the other
func TestAWithdrawnTwinIsNotSharedAgain(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	undo := func(id federation.DocumentID) error {
		_, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: string(id), Undo: true, Reason: "x", By: &admin.Asker{User: "g1", Role: "governance-lead", Purpose: "HOPERAT"}})
		return err
	}
	otherType := func(f *web.Particulars) { f.Type = "823681000000100" }
	x := mustTake(t, n, "Letter", "one", nil).Document
	y, err := correct(t, n, x, otherType)
	if err != nil {
		t.Fatal(err)
	}
	no := recordDirective(t, n, deny(&admin.DirectiveScope{Document: y.Document})).GetDirective()
	if err := undo(x); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), y.Document) {
		t.Fatalf("undone: %v", err)
	}
	if listAll(t, n, 100)[x] != 0 {
		t.Error("it is listed and open")
	}
	b, err := takeOne(t, n, "Letter", "one", func(i *ingest.Item) { i.Patient = patientB })
	if err != nil {
		t.Fatal(err)
	}
	if filed, err := move(t.Context(), n, b.Document, patientA); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), y.Document) {
		t.Fatalf("moved into the place of what was withdrawn: %+v, %v", filed, err)
	}
	if r := mustTake(t, n, "Letter", "one", nil); !r.AlreadyHeld || !strings.Contains(r.Note, "was withdrawn") {
		t.Errorf("offered again: %+v", r)
	}
	takeBack(t, n, no)
	if err := undo(x); err != nil {
		t.Errorf("after the patient took it back: %v", err)
	}
	// What is named itself, or by way of its versions, is covered.
	v1 := mustTake(t, n, "Report", "two", nil).Document
	v2 := mustTake(t, n, "Report, corrected", "two", replaces(v1)).Document
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(v1)}))
	for _, id := range []federation.DocumentID{v1, v2} {
		if err := n.records.Withdraw(t.Context(), id, "x"); err != nil {
			t.Fatal(err)
		}
		if err := undo(id); err != nil || opens(t, n, id) {
			t.Errorf("what is covered: %v", err)
		}
	}
}

// TestAWishAndATakingInAreNotAtOnce: one is looked at by the other, or comes after it.
func TestAWishAndATakingInAreNotAtOnce(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	waits := func(what string, release func(), fn func() error) error {
		done := make(chan error, 1)
		go func() { done <- fn() }()
		select {
		case err := <-done:
			t.Fatalf("%s did not wait: %v", what, err)
		case <-time.After(100 * time.Millisecond):
		}
		release()
		return <-done
	}
	x := mustTake(t, n, "Letter", "one", nil).Document
	number, err := n.patient(patientA)
	if err != nil {
		t.Fatal(err)
	}
	n.wishing.RLock() // a document is being taken in
	d := federation.Directive{ID: federation.DirectiveID{1}, Subject: n.records.Subject(number), Effect: federation.Object, Scope: federation.Scope{Document: x}, By: "rn1", Evidence: "in person"}
	err = waits("a refusal", n.wishing.RUnlock, func() error {
		_, err := n.refuse(t.Context(), number, d, "objection", "objected")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n.wishing.Lock() // a wish is being recorded
	err = waits("a copy", n.wishing.Unlock, func() error {
		_, err := takeOne(t, n, "Letter, again", "one", nil)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), string(x)) {
		t.Errorf("a copy was taken in: %v", err)
	}
}

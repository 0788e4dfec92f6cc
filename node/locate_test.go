package node

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const patientA = "9434765919"

// heldBack is a region that agrees on nothing while mu is held.
type heldBack struct {
	consensus.Machine
	mu *sync.Mutex
}

func (m heldBack) Apply(tx *consensus.Tx, index uint64, cmd []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Machine.Apply(tx, index, cmd)
}

// joinHeldBack is joinNode with a copy of the agreed state that moves only while the lock is free.
func joinHeldBack(t *testing.T, sponsor *Node) (n *Node, behind *sync.Mutex) {
	t.Helper()
	behind = new(sync.Mutex)
	return joinNode(t, sponsor, "RAS", func(o *Options) {
		o.Tune = func(c *consensus.Config) { c.Machine = heldBack{c.Machine, behind} }
	}), behind
}

// mutableNode is settledNode with a way to keep the region from agreeing on anything, until the test ends.
func mutableNode(t *testing.T) (n *Node, mute func()) {
	t.Helper()
	var mu sync.Mutex
	n = settledNode(t, func(o *Options) {
		o.Tune = func(c *consensus.Config) { c.Machine = heldBack{c.Machine, &mu} }
	})
	return n, func() {
		eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
		mu.Lock()
		t.Cleanup(mu.Unlock)
	}
}

// takeLetters takes in letters from number on.
func takeLetters(t *testing.T, n *Node, from, count int) []federation.DocumentID {
	t.Helper()
	ids := make([]federation.DocumentID, 0, count)
	for i := from; i < from+count; i++ {
		item := textItem(fmt.Sprintf("Letter %d", i), fmt.Sprintf("letter %d", i))
		item.Date = item.Date.AddDate(0, 0, i)
		receipt, err := n.Take(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, receipt.Document)
	}
	return ids
}

// listAll reads a listing page by page and returns how often each document was in it.
func listAll(t *testing.T, n *Node, limit int) map[federation.DocumentID]int {
	t.Helper()
	got := make(map[federation.DocumentID]int)
	for cursor, pages := "", 0; ; pages++ {
		reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Limit: uint32(limit), Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		if len(reply.GetDocuments()) > limit || pages > 100 {
			t.Fatalf("page %d has %d documents, asked for %d", pages, len(reply.GetDocuments()), limit)
		}
		if pages > 0 && len(reply.GetDocuments()) == 0 {
			t.Errorf("limit %d: the cursor of page %d leads to nothing", limit, pages-1)
		}
		for _, d := range reply.GetDocuments() {
			got[federation.DocumentID(d.GetDocument())]++
		}
		if cursor = reply.GetNext(); cursor == "" {
			return got
		}
	}
}

func TestEveryDocumentIsListedOnceWhateverThePage(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	published := takeLetters(t, n, 0, 7)
	mute()
	queued := takeLetters(t, n, 7, 6)
	check := func(want ...federation.DocumentID) {
		t.Helper()
		for _, limit := range []int{1, 2, 5, 6, 7, 13, 100} {
			got := listAll(t, n, limit)
			for _, id := range want {
				if got[id] != 1 {
					t.Errorf("limit %d: %s is listed %d times", limit, id, got[id])
				}
			}
			if len(got) != len(want) {
				t.Errorf("limit %d: %d documents, want %d", limit, len(got), len(want))
			}
		}
	}
	check(append(published, queued...)...)
	// What is withdrawn here is gone from every page, though the region still lists it.
	for _, id := range []federation.DocumentID{published[0], published[6], queued[0]} {
		if err := n.records.Withdraw(t.Context(), id, "wrong patient"); err != nil {
			t.Fatal(err)
		}
	}
	check(append(published[1:6:6], queued[1:]...)...)
}

func TestForeignCursorsAreBadInput(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	mute()
	takeLetters(t, n, 0, 1)
	for _, cursor := range []string{"x", "own.", "own.-1.0", "own.0.-1", "own.a.b", "own.0"} {
		if _, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Cursor: cursor}); admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("%q: got %v, want BAD_INPUT", cursor, err)
		}
	}
	for _, cursor := range []string{"own.9.0", "own.0.18446744073709551615"} {
		if _, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Cursor: cursor}); err != nil && admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

func TestUnpublishedDocumentsAreForOwnStaffOnly(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	mute()
	id := takeLetters(t, n, 0, 1)[0]
	if _, found, err := (agreed{n}).Pointer(t.Context(), id); err != nil || found {
		t.Errorf("the region is said to know of %s: %v, %v", id, found, err)
	}
	if p, found, err := (held{n}).Unpublished(t.Context(), id); err != nil || !found || p.Document != id {
		t.Errorf("own staff do not find it: %v, %v", found, err)
	}
	if got, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)}); err != nil || string(got) != "letter 0" {
		t.Errorf("own staff read %q, %v", got, err)
	}
	if err := n.records.Withdraw(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("withdrawn: got %v, want NOT_FOUND", err)
	}
}

// What this trust holds back is in no list of its own, whatever the region still has of it.
func TestWhatIsWithdrawnIsNotListedWhileTheRegionHasIt(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	ids := takeLetters(t, n, 0, 4)
	mute()
	if got := listAll(t, n, 10); len(got) != len(ids) {
		t.Fatalf("%d are listed, want %d", len(got), len(ids))
	}
	if err := n.records.Withdraw(t.Context(), ids[1], ""); err != nil {
		t.Fatal(err)
	}
	if err := n.records.Relabel(t.Context(), ids[2], record.Marks{Confidentiality: federation.Normal, Legal: "GRA"}); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 10} {
		if got := listAll(t, n, limit); len(got) != 2 || got[ids[0]] != 1 || got[ids[3]] != 1 {
			t.Errorf("%d at a time: %v are listed, want the first and the last of %v", limit, got, ids)
		}
	}
}

func TestObjectionCountsWhileTheRegionAgreesOnIt(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	number, err := n.patient(patientA)
	if err != nil {
		t.Fatal(err)
	}
	subject := n.records.Subject(number)
	d := federation.Directive{ID: federation.DirectiveID{1}, Subject: subject, Effect: federation.Object, By: "dr1"}
	if err := n.records.AddRefusal(t.Context(), number, d); err != nil {
		t.Fatal(err)
	}
	// The objection leaves the record store after the facts were begun with and before they are read.
	local := n.refusalsBefore(t.Context(), subject)
	if err := n.records.ClearRefusal(t.Context(), subject, d.ID); err != nil {
		t.Fatal(err)
	}
	if kept, err := local(subject); err != nil || len(kept) == 0 {
		t.Errorf("got %v, %v: the objection is in neither place", kept, err)
	}
}

// That something cannot be read is said of the node: a count in a patient's list would tell of documents that the reader may not
// know of.
func TestListsSayThatSomethingCannotBeRead(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	reply := &admin.LocateReply{}
	if n.warnUnread(reply); len(reply.GetWarnings()) != 0 {
		t.Errorf("got %q with nothing damaged", reply.GetWarnings())
	}
	n.unreadable.Store(true)
	for _, patient := range []string{patientA, patientB} {
		reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patient})
		if err != nil || len(reply.GetWarnings()) != 1 || !strings.Contains(reply.GetWarnings()[0], "ridgeway scrub") {
			t.Errorf("%v, %v", reply.GetWarnings(), err)
		}
	}
}

func TestSearchThatCannotBeWrittenDownIsNotAnswered(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	takeLetters(t, n, 1, 1)
	before := n.audit.Size()
	reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA})
	if err != nil || len(reply.GetDocuments()) != 1 || n.audit.Size() == before {
		t.Fatalf("%d documents, %v; the log had %d entries and has %d", len(reply.GetDocuments()), err, before, n.audit.Size())
	}
	if err := n.audit.Close(); err != nil {
		t.Fatal(err)
	}
	if reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA}); admin.CodeOf(err) != admin.CodeUnavailable || reply != nil {
		t.Errorf("got %v, %v", reply, err)
	}
}

func TestWhoAsksIsOneLineOfText(t *testing.T) {
	t.Parallel()
	for user, want := range map[string]admin.Code{
		"d.grey": "", "Zoë O'Neill": "", "d.grey\n22/11/26 10:00  opened  RAS  s.else": admin.CodeBadInput, "a\tb": admin.CodeBadInput, "a\u009b2J": admin.CodeBadInput,
	} {
		err := checkAsker(&admin.Asker{User: user, Role: defaultRole, Purpose: defaultPurpose})
		if err == nil && want != "" || err != nil && admin.CodeOf(err) != want {
			t.Errorf("user %q: got %v, want code %q", user, err, want)
		}
	}
}

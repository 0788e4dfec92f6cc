package node

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// TestAWishOfAnotherTrustAndACopyCross has a patient name a letter at RAS while RYJ takes in a copy of it, and looks at the copy:
//
//	RAS   refuse x ────────────► agreed          an exception of a consent likewise
//	RYJ        take in x' (looked: nothing said) ──► told to the region
//
// when the wish is there before the statement about the copy is signed, and when it comes between that and the region's answer.
func TestAWishOfAnotherTrustAndACopyCross(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	other := joinNode(t, n, "RAS")
	eventually(t, "the region", func() bool { return other.ledger.Roster().Active(n.ID()) && n.ledger.Roster().Active(other.ID()) })
	refuse := func(id federation.DocumentID) *admin.RecordDirectiveRequest {
		return deny(&admin.DirectiveScope{Document: string(id)})
	}
	except := func(id federation.DocumentID) *admin.RecordDirectiveRequest {
		q := permit(&admin.DirectiveScope{Type: "373942005"})
		q.Except = []*admin.DirectiveScope{{Document: string(id)}}
		return q
	}
	real := n.speaker.crossed
	for name, c := range map[string]struct {
		say    func(federation.DocumentID) *admin.RecordDirectiveRequest
		signed bool // the statement about the copy, before the wish is said
	}{
		"refused before it is told": {refuse, false}, "refused meanwhile": {refuse, true},
		"excepted before it is told": {except, false}, "excepted meanwhile": {except, true},
	} {
		eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
		x := mustTake(t, n, "Letter, "+name, name, nil).Document
		eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
		n.speaker.mu.Lock() // it has settled all, and looks at nothing
		var said sync.Once
		n.speaker.crossed = func(ctx context.Context, told []federation.Pointer, before uint64) (_ crossing, err error) {
			if before == math.MaxUint64 && !c.signed {
				return real(ctx, told, before)
			}
			said.Do(func() {
				_, err = other.RecordDirective(ctx, c.say(x))
			})
			if before == math.MaxUint64 || err != nil {
				return crossing{}, err
			}
			return real(ctx, told, before)
		}
		n.speaker.mu.Unlock()
		if !c.signed {
			recordDirective(t, other, c.say(x))
		}
		y := addUnlooked(t, n, "Letter again, "+name, name)
		eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
		if doc, err := n.records.Document(t.Context(), y); err != nil || doc.State.Phase != record.Withdrawn {
			t.Errorf("%s: the copy is %s, %v", name, doc.State.Phase, err)
		}
		if listed, known := inRegion(t, n, y); listed || known != c.signed {
			t.Errorf("%s: the copy is listed: %v, was told: %v", name, listed, known)
		}
		page, err := n.audit.Search(t.Context(), audit.Filter{Document: y, Kinds: []audit.Kind{audit.Withdrawal}}, 0, 10)
		if err != nil || len(page.Records) != 1 || !strings.Contains(page.Records[0].Entry.Detail, string(x)) {
			t.Errorf("%s: the log has %+v, %v", name, page.Records, err)
		}
		if err := n.readmit(t.Context(), y); admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("%s: it is shared again: %v", name, err)
		}
	}
	silentSiteIsNamed(t, n, other)
}

// silentSiteIsNamed stops a node, and asks another how far a directive has come.
func silentSiteIsNamed(t *testing.T, n, other *Node) {
	t.Helper()
	d := recordDirective(t, n, deny(&admin.DirectiveScope{Type: "b"})).GetDirective()
	eventually(t, "it has come everywhere", func() bool { return receipt(t, n, d, "nurse").GetComplete() })
	stop(t, other)
	r := receipt(t, n, d, "nurse")
	for _, s := range r.GetSites() {
		if silent := s.GetTrust() == string(other.Trust()); s.GetApplied() == silent || (s.GetProblem() != "") != silent {
			t.Errorf("%v", s)
		}
	}
	if r.GetComplete() || len(r.GetSites()) != 2 {
		t.Errorf("a receipt that a trust has not answered for is whole: %v", r)
	}
}

// inRegion reports whether the region lists a document, and whether it was ever told of it.
func inRegion(t *testing.T, n *Node, id federation.DocumentID) (listed, known bool) {
	t.Helper()
	err := n.replica.View(t.Context(), consensus.Local(), func(r consensus.Reader) (err error) {
		_, withdrawn, found, err := index.Pointer(r, id)
		listed, known = found && !withdrawn, found
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return listed, known
}

// TestACopyFromBeforeAWishStays: who named one document could have named the other, and what is told again is not looked at.
func TestACopyFromBeforeAWishStays(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	x := mustTake(t, n, "Letter", "one", nil).Document
	y := mustTake(t, n, "Letter again", "one", nil).Document
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(x)}))
	relabel(t, n, &admin.RelabelRequest{Choice: named(y), Confidentiality: "L", Confirm: true})
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	if !opens(t, n, y) || opens(t, n, x) {
		t.Error("the wish holds for what it does not name, or for nothing")
	}
	z := mustTake(t, n, "Letter, corrected", "two", replaces(x)).Document
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	if _, found := indexed(t, n, z); !found {
		t.Error("a version, which the wish covers, was withdrawn")
	}
	if _, found := indexed(t, n, y); !found {
		t.Error("the copy is gone")
	}
}

// TestWhatIsDamagedKeepsBackOnlyWhatItIsAbout: where it cannot be told whether a document is a copy of what its patient has refused, it
// waits, status names it, and what else waits is told. One that the region had agreed on already is withdrawn.
func TestWhatIsDamagedKeepsBackOnlyWhatItIsAbout(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	x := mustTake(t, n, "Letter", "one", nil).Document
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(x)}))
	var damagedFrom atomic.Uint64 // looks before a place from here on find damage; 0: none
	damagedFrom.Store(math.MaxUint64)
	n.speaker.mu.Lock()
	n.speaker.crossed = func(ctx context.Context, told []federation.Pointer, before uint64) (crossing, error) {
		return n.crossedBy(ctx, told, before, func(ctx context.Context, id, of federation.DocumentID) (bool, error) {
			if at := damagedFrom.Load(); at == before || at == 1 && before != math.MaxUint64 {
				return false, n.storeProblem(fmt.Errorf("manifest of %s: %w", of, storage.ErrIntegrity))
			}
			return n.isCopy(ctx, id, of)
		})
	}
	n.speaker.mu.Unlock()
	y := mustTake(t, n, "Another letter", "two", nil).Document
	z := mustTake(t, n, "Letter", "to B", func(i *ingest.Item) { i.Patient = patientB }).Document
	eventually(t, "what is not of that patient", func() bool { listed, _ := inRegion(t, n, z); return listed })
	if _, known := inRegion(t, n, y); known || !strings.Contains(n.speaker.heldText(), string(y)) || strings.Contains(n.speaker.heldText(), string(z)) {
		t.Errorf("it was told: %v; status says %q", known, n.speaker.heldText())
	}
	again := func() {
		n.speaker.mu.Lock()
		clear(n.speaker.held)
		n.speaker.mu.Unlock()
		signal(n.speaker.wake)
	}
	damagedFrom.Store(1)
	again()
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	if listed, known := inRegion(t, n, y); listed || !known {
		t.Errorf("what the region had agreed on is listed: %v, was told: %v", listed, known)
	}
	damagedFrom.Store(0)
	if err := n.readmit(t.Context(), y); err != nil {
		t.Fatal(err)
	}
	again()
	eventually(t, "it is shared once all can be read", func() bool { listed, _ := inRegion(t, n, y); return listed })
	if text := n.speaker.heldText(); text != "" {
		t.Errorf("status still says %q", text)
	}
}

// addUnlooked takes a letter in as if what its patient has said had been looked at before they said it.
func addUnlooked(t *testing.T, n *Node, title, content string) federation.DocumentID {
	t.Helper()
	item := textItem(title, content)
	number, err := n.patient(item.Patient)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.blobs.Put(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer n.blobs.Unpin(c)
	doc := documentOf(item, []federation.Part{partOf(item.Parts[0], c)})
	doc.Indexed = time.Now()
	added, err := n.records.Add(t.Context(), record.Item{Patient: number, Document: doc})
	if err != nil || added.Held {
		t.Fatalf("%+v, %v", added, err)
	}
	signal(n.speaker.wake)
	return added.ID
}

// saysWhichFile reports whether a refusal names the document that was refused, why, and what to do: the file of several that is in it
// too, and nothing of an enclosure where all of it is there.
func saysWhichFile(err error, refused federation.DocumentID, files []string) bool {
	text := err.Error()
	whole := len(files) == 1 || slices.Contains(files, "one") && slices.Contains(files, "map")
	enclosed := fmt.Sprintf("%d.txt", slices.Index(files, "map"))
	if i := slices.Index(files, "one"); i >= 0 {
		enclosed = fmt.Sprintf("%d.txt", i)
	}
	return strings.Contains(text, string(refused)) && strings.Contains(text, "give "+string(refused)+" as what it replaces") != whole &&
		strings.Contains(text, "the file "+enclosed+" is in ") != whole && strings.Contains(text, "leave the enclosure out") != whole
}

// TestAnEnclosureOfManyPatientsIsNoCopy: a letter is not kept out because a map of the hospital was in one that its patient has refused.
func TestAnEnclosureOfManyPatientsIsNoCopy(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	of := func(patient string, files ...string) func(*ingest.Item) {
		return func(i *ingest.Item) {
			i.Patient, i.Parts = patient, nil
			for k, content := range files {
				p := textItem("", content).Parts[0]
				p.Name = fmt.Sprintf("%d.txt", k)
				i.Parts = append(i.Parts, p)
			}
		}
	}
	x := mustTake(t, n, "Letter", "", of(patientA, "one", "map")).Document
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(x)}))
	takes := func(title string, files ...string) bool {
		r, err := takeOne(t, n, title, "", of(patientA, files...))
		if err != nil && !saysWhichFile(err, x, files) {
			t.Errorf("%s: %v", title, err)
		}
		return err == nil && !r.AlreadyHeld
	}
	for i, patient := range []string{patientB, "9000000025", "9000000017"} {
		if takes("Second letter", "two", "map") {
			t.Errorf("a file that %d other patients have is taken for a common one", i)
		}
		mustTake(t, n, "Letter", "", of(patient, "to "+patient, "map"))
	}
	for title, c := range map[string]struct {
		files []string
		want  bool
	}{
		"Second letter":      {[]string{"two", "map"}, true},
		"The map":            {[]string{"map"}, true},
		"The letter":         {[]string{"one"}, false},
		"All of it":          {[]string{"map", "one"}, false},
		"And more":           {[]string{"one", "map", "three"}, false},
		"Another enclosure":  {[]string{"one", "list of tablets"}, false},
		"Behind a new cover": {[]string{"cover", "one"}, false},
	} {
		if got := takes(title, c.files...); got != c.want {
			t.Errorf("%s is taken in: %v", title, got)
		}
	}
	// What only withdrawn documents of others have is nobody's enclosure: they can have been taken in for the wrong patient.
	for _, patient := range []string{patientB, "9000000025", "9000000017"} {
		id := mustTake(t, n, "Wrong patient", "", of(patient, "one", "for "+patient)).Document
		if err := n.records.Withdraw(t.Context(), id, "wrong patient"); err != nil {
			t.Fatal(err)
		}
	}
	if takes("Another enclosure, again", "one", "list of tablets") {
		t.Error("a letter that was filed for others by mistake is taken for a common file")
	}
	// One that is nothing but what many have was refused as a whole.
	only := mustTake(t, n, "Only the plan", "", of(patientA, "map", "plan")).Document
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(only)}))
	for _, patient := range []string{patientB, "9000000025", "9000000017"} {
		mustTake(t, n, "Plan", "", of(patient, "plan", "also for "+patient))
	}
	if _, err := takeOne(t, n, "The plan, again", "", of(patientA, "plan", "map")); err == nil {
		t.Error("the same files are taken in under another title")
	}
}

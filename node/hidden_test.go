package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	patientB = "9000000009"
	// secretType is the type of document that these tests' patients keep from this trust's staff.
	secretType = "local:secret"
	// inARow is how many hidden documents stand side by side: more than any page, or any bound on what is read for one.
	inARow = 60
)

// askers are those who look: some see much, some nothing.
func askers() []*admin.Asker {
	return []*admin.Asker{
		nil,
		{User: "rn1", Role: "nurse"},
		{User: "dr1", Role: "doctor", Purpose: "ETREAT", Relationship: "referral:UBRN-1"},
		{User: "res1", Role: "researcher", Purpose: "HRESCH"},
		{User: "ad1", Role: "admin"},
		{User: "x1", Role: "no-such-role"},
		{User: "rs1", Role: "records-staff", Purpose: "HOPERAT"},
	}
}

// everyAnswer asks in every form for what there is of a patient, and returns all answers, byte for byte but for the times. Two of
// the askers ask for pages of every size up to most.
func everyAnswer(ctx context.Context, locate func(context.Context, *admin.LocateRequest) (*admin.LocateReply, error), most int) string {
	var out strings.Builder
	for _, patient := range []string{patientA, patientB, "9434765918"} {
		for i, who := range askers() {
			limits := []int{0, 2, 1001}
			if i < 2 && patient == patientA {
				limits = append(limits, 1000)
				for size := range most {
					limits = append(limits, size+1)
				}
			}
			for _, limit := range limits {
				for cursor, pages := "", 0; pages < 300; pages++ {
					reply, err := locate(ctx, &admin.LocateRequest{Patient: patient, Asker: who, Limit: uint32(limit), Cursor: cursor})
					fmt.Fprintf(&out, "%s asker %d limit %d page %d: %s\n", patient, i, limit, pages, answerText(reply, err))
					if cursor = reply.GetNext(); cursor == "" {
						break
					}
				}
			}
			for _, cursor := range []string{"x", "own.0.7", "index"} {
				reply, err := locate(ctx, &admin.LocateRequest{Patient: patient, Asker: who, Cursor: cursor})
				fmt.Fprintf(&out, "%s asker %d cursor %s: %s\n", patient, i, cursor, answerText(reply, err))
			}
		}
	}
	return out.String()
}

// answerText is an answer as it goes over the socket, but for when it was given.
func answerText(m *admin.LocateReply, err error) string {
	if err != nil {
		return string(admin.CodeOf(err)) + " " + err.Error()
	}
	m.AsOf = 0
	for _, s := range m.GetSites() {
		s.AsOf = 0
	}
	b, err := json.Marshal(m)
	return fmt.Sprintf("%d %q %v", len(b), b, err)
}

func sameAnswers(t *testing.T, before, after string) {
	t.Helper()
	if before == after {
		return
	}
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("what is hidden shows in an answer:\nwithout %s\nwith    %s", a[i], b[i])
		}
	}
	t.Fatalf("%d answers without what is hidden, %d with it", len(a), len(b))
}

func rowText(t *testing.T, d *admin.Located) string {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// takeHidden takes in documents that nobody of askers may know of, between the others and beside each other.
func takeHidden(t *testing.T, n *Node) []federation.DocumentID {
	t.Helper()
	var ids []federation.DocumentID
	one := func(i, day int, change func(*ingest.Item)) {
		item := textItem(fmt.Sprintf("Hidden %d", i), fmt.Sprintf("hidden %d", i))
		item.Date = item.Date.AddDate(0, 0, day)
		change(&item)
		receipt, err := n.Take(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, receipt.Document)
	}
	secret := func(i *ingest.Item) { i.Type = secretType }
	for i := range inARow {
		one(i, 4, secret) // in a row, in the middle
	}
	for i := range 10 {
		one(1000+i, i, secret)
		one(2000+i, i, func(i *ingest.Item) { i.Confidentiality = "V" })
		one(3000+i, i, func(i *ingest.Item) { i.Legal = "ADOPTION" })
		one(4000+i, 400, func(i *ingest.Item) { i.Confidentiality, i.Sensitivity = "V", []string{"HIV"} })
		one(5000+i, -400, secret)
		one(6000+i, i, func(i *ingest.Item) { i.Patient = patientB; secret(i) })
	}
	return ids
}

// hideSecrets records that the patients keep documents of secretType from this trust's staff.
func hideSecrets(t *testing.T, n *Node) {
	t.Helper()
	for _, patient := range []string{patientA, patientB} {
		q := deny(&admin.DirectiveScope{Trust: string(n.Trust()), Type: secretType})
		q.Patient = patient
		if reply := recordDirective(t, n, q); !reply.GetCommitted() {
			t.Fatal("the directive is not agreed")
		}
	}
}

// TestHiddenDocumentsChangeNoAnswer compares every answer of a node before and after it holds documents that the askers may not know
// of, in the index and waiting for it.
func TestHiddenDocumentsChangeNoAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		waiting, hidden bool // what the region has not heard of: some of the others, and what is hidden
	}{{"in the index", false, false}, {"others wait for it", true, true}, {"waiting for it, and no other", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			n, mute := mutableNode(t)
			hideSecrets(t, n)
			takeLetters(t, n, 0, 5)
			eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
			if c.hidden {
				mute()
			}
			if c.waiting {
				takeLetters(t, n, 5, 3)
			}
			before := everyAnswer(t.Context(), n.Locate, 9)
			hidden := takeHidden(t, n)
			if !c.hidden {
				eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
			}
			sameAnswers(t, before, everyAnswer(t.Context(), n.Locate, 9))
			sameFetches(t, n, hidden)
		})
	}
}

// sameFetches asks in every form for documents that are hidden, and for one that does not exist.
func sameFetches(t *testing.T, n *Node, hidden []federation.DocumentID) {
	t.Helper()
	absent := federation.NewDocumentID(hidden[0].Custodian(), federation.DocumentKey{9, 8, 7})
	want := everyFetch(t.Context(), n, absent)
	for i, id := range hidden {
		if i == 0 || i > inARow && i < inARow+5 {
			sameAnswers(t, want, everyFetch(t.Context(), n, id))
		}
	}
}

// everyFetch asks in every form for one document, and for by which rules that was decided, and returns what was answered.
func everyFetch(ctx context.Context, n *Node, id federation.DocumentID) string {
	var out strings.Builder
	say := func(who int, form string, err error) {
		text := ""
		if err != nil {
			text = string(admin.CodeOf(err)) + " " + err.Error()
		}
		fmt.Fprintf(&out, "asker %d, %s: %s\n", who, form, strings.ReplaceAll(text, string(id), "ID"))
	}
	for i, who := range askers() {
		for _, q := range []*admin.FetchRequest{
			{},
			{Part: 1},
			{Part: 2},
			{Pages: "1"},
			{Pages: "1-"},
			{Pages: "2-3"},
			{Pages: "x"},
			{Part: 2, Pages: "1"},
			{Offset: 1},
			{Offset: 1 << 40},
			{Length: 2},
			{Offset: -1},
			{Manifest: make([]byte, 32)},
			{Manifest: []byte{1}},
		} {
			q.Document, q.Asker = string(id), who
			err := n.Fetch(ctx, q, func(r *admin.FetchReply) error {
				fmt.Fprintf(&out, "something was sent: %v\n", r)
				return nil
			})
			say(i, fmt.Sprint("fetch ", q.GetPart(), q.GetPages(), q.GetOffset(), q.GetLength(), len(q.GetManifest())), err)
		}
		if who.GetRole() == "records-staff" {
			continue // may know by which rules something is decided
		}
		_, err := n.Why(ctx, &admin.WhyRequest{Document: string(id), Asker: who, By: &admin.Asker{User: "rn1", Role: who.GetRole()}})
		say(i, "why", err)
		_, err = n.Who(ctx, &admin.WhoRequest{Document: string(id), By: &admin.Asker{User: "rn1", Role: who.GetRole()}})
		say(i, "who", err)
	}
	return out.String()
}

// TestADocumentDoesNotTellOfAHiddenOneThatReplacedIt, nor of one that it has replaced.
func TestADocumentDoesNotTellOfAHiddenOneThatReplacedIt(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	take := func(title, confidentiality string, old federation.DocumentID) federation.DocumentID {
		item := textItem(title, title)
		item.Confidentiality, item.Supersedes = confidentiality, old
		receipt, err := n.Take(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
		return receipt.Document
	}
	all := func() string { return everyAnswer(t.Context(), n.Locate, 4) }
	// described is a document as the portal asks for it by itself; it must be what the list says of it.
	described := func(id federation.DocumentID) *admin.Located {
		d, err := n.Describe(t.Context(), patientA, string(id), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	listed := func(id federation.DocumentID) *admin.Located {
		reply, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA})
		if err != nil {
			t.Fatal(err)
		}
		alone := described(id)
		for _, d := range reply.GetDocuments() {
			if d.GetDocument() == string(id) {
				if x, y := rowText(t, alone), rowText(t, d); x != y {
					t.Errorf("by itself: %s, in the list: %s", x, y)
				}
				return d
			}
		}
		if alone != nil {
			t.Errorf("it is in no list, and described as %v", alone)
		}
		return nil
	}
	first := take("first", "N", "")
	before := all()
	hidden := take("second", "V", first)
	sameAnswers(t, before, all())
	if d := listed(first); d.GetStatus() != "current" {
		t.Errorf("it tells of what has replaced it: %v", d)
	}
	third := take("third", "N", hidden)
	if d := listed(third); d.GetSupersedes() != "" || d.GetStatus() != "current" {
		t.Errorf("it tells of what it has replaced: %v", d)
	}
	// What everybody may know of is told.
	fourth := take("fourth", "N", third)
	if old, d := listed(third), listed(fourth); old.GetStatus() != "superseded" || d.GetSupersedes() != string(third) {
		t.Errorf("got %v, %v", old, d)
	}
	// Once the older is hidden, the newer does not name it.
	if err := n.records.Relabel(t.Context(), third, record.Marks{Confidentiality: federation.VeryRestricted}); err != nil {
		t.Fatal(err)
	}
	if d := listed(fourth); d.GetSupersedes() != "" || listed(third) != nil {
		t.Errorf("it names one that is hidden here, though not in the region yet: %v, %v", d, listed(third))
	}
}

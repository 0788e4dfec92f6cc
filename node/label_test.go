package node

import (
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

func takeLabelled(t *testing.T, n *Node, title string, change func(*ingest.Item)) federation.DocumentID {
	t.Helper()
	item := textItem(title, title)
	change(&item)
	receipt, err := n.Take(t.Context(), item)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	return receipt.Document
}

func indexed(t *testing.T, n *Node, id federation.DocumentID) (p federation.Pointer, found bool) {
	t.Helper()
	err := n.replica.View(t.Context(), consensus.Local(), func(r consensus.Reader) (err error) {
		var gone bool
		p, gone, found, err = index.Pointer(r, id)
		found = found && !gone
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, found
}

func TestWhatTheIndexIsToldOfLabelledDocuments(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) {
		o.Settings.SealedTypes, o.Settings.SealedSpecialties = []string{"local:sealed"}, []string{"360"}
	})
	for name, change := range map[string]func(*ingest.Item){
		"a label":         func(i *ingest.Item) { i.Sensitivity = []string{"HIV"} },
		"restricted":      func(i *ingest.Item) { i.Confidentiality = "R" },
		"a sealed type":   func(i *ingest.Item) { i.Type = "local:sealed" },
		"a sealed clinic": func(i *ingest.Item) { i.Specialty = "360" },
	} {
		id := takeLabelled(t, n, name, change)
		p, found := indexed(t, n, id)
		if !found || p.Title != "" || p.Type != "" || p.Specialty != "" || p.Author != "" || !p.Date.IsZero() || p.Bytes != 0 || p.ContentType != "" {
			t.Errorf("%s: the index has %v, %+v", name, found, p)
		}
	}
	if p, found := indexed(t, n, takeLabelled(t, n, "plain", func(*ingest.Item) {})); !found || p.Title != "plain" {
		t.Errorf("a plain document: %v, %+v", found, p)
	}
}

func TestTheCustodianDecidesOnLabels(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := takeLabelled(t, n, "hiv", func(i *ingest.Item) { i.Sensitivity = []string{"HIV"} })
	d, err := held{n}.Document(t.Context(), id)
	if err != nil || len(d.Sensitivity) != 1 || d.Sensitivity[0] != "HIV" || d.Confidentiality != federation.Normal {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestLegallyRestrictedDocumentsAreNeverPublishedNorShown(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for name, id := range map[string]federation.DocumentID{
		"taken in so": takeLabelled(t, n, "adoption", func(i *ingest.Item) { i.Legal = "ADOPTION" }),
		"made so": func() federation.DocumentID {
			id := takeLabelled(t, n, "later", func(*ingest.Item) {})
			if err := n.records.Relabel(t.Context(), id, record.Marks{Confidentiality: federation.Normal, Legal: "HFEA"}); err != nil {
				t.Fatal(err)
			}
			signal(n.speaker.wake)
			eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
			return id
		}(),
	} {
		if _, found := indexed(t, n, id); found {
			t.Errorf("%s: it stands in the index", name)
		}
		if got := listAll(t, n, 10); got[id] > 0 {
			t.Errorf("%s: it is listed", name)
		}
		if _, _, err := collect(t, n, &admin.FetchRequest{Document: string(id)}); admin.CodeOf(err) != admin.CodeNotFound {
			t.Errorf("%s: got %v, want NOT_FOUND", name, err)
		}
		if d, err := (held{n}).Document(t.Context(), id); err != nil || !d.Restricted() {
			t.Errorf("%s: the custodian decides on %+v, %v", name, d, err)
		}
	}
	if _, found, err := (agreed{n}).Pointer(t.Context(), takeLabelled(t, n, "again", func(i *ingest.Item) { i.Legal = policy.LegalClasses()[0].Code })); found || err != nil {
		t.Errorf("a pointer is given out: %v", err)
	}
}

package record

import (
	"errors"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestWithheldIsWhatIsReadOfEachDocument(t *testing.T) {
	opt := testOptions(t.TempDir())
	opt.LegalTypes = map[string]string{"barred": "HFEA"}
	s := open(t, opt)
	kinds := map[string]func(d *Document){"barred by class": func(d *Document) { d.Legal = "GRA" }, "barred by type": func(d *Document) { d.Type = "barred" }}
	ids := make(map[string]federation.DocumentID)
	for n, name := range []string{"plain", "withdrawn", "barred by class", "barred by type", "barred later", "damaged", "lost its state", "erased"} {
		d := letter(n + 1)
		if change := kinds[name]; change != nil {
			change(&d)
		}
		ids[name] = add(t, s, patient, d)
	}
	for name, err := range map[string]error{
		"withdrawn": s.Withdraw(ctx, ids["withdrawn"], ""), "erased": errors.Join(s.Withdraw(ctx, ids["erased"], ""), s.Erase(ctx, ids["erased"])),
		"barred later": s.Relabel(ctx, ids["barred later"], Marks{Confidentiality: federation.Normal, Legal: "GRA"}),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	remove(t, s, documentKey(rowDocument, ids["damaged"].Key()))
	remove(t, s, documentKey(rowState, ids["lost its state"].Key()))
	ids["never here"] = federation.NewDocumentID(s.Trust(), federation.DocumentKey{9})
	ids["another trust's"] = federation.NewDocumentID("RZZ", ids["withdrawn"].Key())
	all := make([]federation.DocumentID, 0, len(ids))
	for _, id := range ids {
		all = append(all, id)
	}
	got, err := s.Withheld(ctx, all)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for name, id := range ids {
		doc, err := s.Document(ctx, id)
		want := errors.Is(err, ErrErased) || err == nil && (doc.State.Phase == Withdrawn || doc.Legal != "")
		if want {
			count++
		}
		if got[id] != want {
			t.Errorf("%s: %t, want %t (%v)", name, got[id], want, err)
		}
	}
	if count != 5 || len(got) != 5 {
		t.Errorf("%d are withheld and %d read as such, want 5", len(got), count)
	}
	if got, err := s.Withheld(ctx, []federation.DocumentID{ids["plain"]}); len(got) > 0 || err != nil {
		t.Errorf("of one that is shared: %v, %v", got, err)
	}
	closeStore(t, s)
	if _, err := s.Withheld(ctx, all); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("of a closed store: %v", err)
	}
}

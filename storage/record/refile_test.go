package record

import (
	"errors"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// TestRefileSharesOneAndWithdrawsTheOther and can be taken back by filing it again as it was.
func TestRefileSharesOneAndWithdrawsTheOther(t *testing.T) {
	s := fresh(t)
	right, err := ParseNHSNumber("9990000026")
	if err != nil {
		t.Fatal(err)
	}
	old := add(t, s, patient, letter(1))
	settle(t, s, 2, federation.KindPublish)
	moved, err := s.Refile(ctx, old, "filed elsewhere", Item{Patient: right, Document: letter(1)})
	if err != nil || moved.Held || moved.ID == old {
		t.Fatalf("moved: %+v, %v", moved, err)
	}
	wantKinds(t, s, federation.KindWithdraw, federation.KindPublish) // what must not be seen goes first
	wantPhase(t, s, old, Withdrawn, true)
	wantPhase(t, s, moved.ID, Queued, true)
	if got := document(t, s, moved.ID).Subject; got != s.Subject(right) {
		t.Errorf("it is of %v", got)
	}
	back, err := s.Refile(ctx, moved.ID, "it was right", Item{Patient: patient, Document: letter(1)})
	if err != nil || !back.Held || back.ID != old {
		t.Fatalf("moved back: %+v, %v", back, err)
	}
	wantPhase(t, s, old, Queued, true)
	wantPhase(t, s, moved.ID, Withdrawn, false)
	clean(t, s)
}

func TestRefileChangesNothingWhenItFails(t *testing.T) {
	s := fresh(t)
	old := add(t, s, patient, letter(1))
	stranger := federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	for name, c := range map[string]struct {
		old  federation.DocumentID
		item Item
		want error
	}{
		"into itself":         {old, Item{Patient: patient, Document: letter(1)}, ErrDocument},
		"of another trust":    {federation.NewDocumentID("RAS", federation.DocumentKey{1}), Item{Patient: patient, Document: letter(2)}, ErrDocument},
		"what is not here":    {stranger, Item{Patient: patient, Document: letter(2)}, storage.ErrNotFound},
		"badly described":     {old, Item{Patient: patient}, ErrDocument},
		"for no patient":      {old, Item{Document: letter(2)}, ErrDocument},
		"what is not a trust": {"", Item{Patient: patient, Document: letter(2)}, ErrDocument},
	} {
		if _, err := s.Refile(ctx, c.old, "", c.item); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	stats, err := s.Stats(ctx)
	if err != nil || stats.Documents != 1 {
		t.Errorf("%d documents are held, %v", stats.Documents, err)
	}
	wantPhase(t, s, old, Queued, true)
	clean(t, s)
}

func TestAmendKeepsTheDocument(t *testing.T) {
	s := fresh(t)
	id := add(t, s, patient, letter(1))
	settle(t, s, 2, federation.KindPublish)
	if err := s.Amend(ctx, id, Particulars{Author: "Dr Who", Specialty: "300"}); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, federation.KindPublish)
	if d := document(t, s, id); d.Author != "Dr Who" || d.Specialty != "300" || d.Category != "" || d.Title != letter(1).Title {
		t.Errorf("it is %+v", d)
	}
	if err := s.Amend(ctx, id, Particulars{Author: string(make([]byte, 500))}); !errors.Is(err, ErrDocument) {
		t.Errorf("an author without end: %v", err)
	}
	if err := s.Withdraw(ctx, id, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Amend(ctx, id, Particulars{}); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("a withdrawn one: %v", err)
	}
	clean(t, s)
}

// TestRefileBackKeepsTheMarksOfNow moves a document, has it marked there, and moves it back: the old row knows nothing of that.
func TestRefileBackKeepsTheMarksOfNow(t *testing.T) {
	right, err := ParseNHSNumber("9990000026")
	if err != nil {
		t.Fatal(err)
	}
	marked := func(label, legal string, c federation.Confidentiality) Document {
		d := letter(1)
		d.Confidentiality, d.Legal = c, legal
		if label != "" {
			d.Labels = []string{label}
		}
		return d
	}
	for name, want := range map[string]Document{
		"sealed": marked("HIV", "", federation.VeryRestricted), "barred by law": marked("", "GRA", federation.Normal),
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			old := add(t, s, patient, letter(1))
			moved, err := s.Refile(ctx, old, "filed elsewhere", Item{Patient: right, Document: letter(1)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Refile(ctx, moved.ID, "it was right", Item{Patient: patient, Document: want}); err != nil {
				t.Fatal(err)
			}
			got := document(t, s, old)
			if got.Confidentiality != want.Confidentiality || len(got.Labels) != len(want.Labels) || got.Legal != want.Legal {
				t.Errorf("shared with %v %v %q", got.Confidentiality, got.Labels, got.Legal)
			}
			pending, err := s.Pending(ctx, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range pending {
				if want.Legal != "" && e.Document == old && e.Kind == federation.KindPublish {
					t.Errorf("what the law keeps here is published: %+v", e)
				}
			}
			clean(t, s)
		})
	}
	t.Run("on one that is shared", func(t *testing.T) {
		s := fresh(t)
		strict := marked("HIV", "", federation.VeryRestricted)
		kept := add(t, s, right, strict)
		other := add(t, s, patient, letter(1))
		if _, err := s.Refile(ctx, other, "the same", Item{Patient: right, Document: letter(1)}); err != nil {
			t.Fatal(err)
		}
		if got := document(t, s, kept); got.Confidentiality != strict.Confidentiality || !slices.Contains(got.Labels, "HIV") {
			t.Errorf("shared with %v %v", got.Confidentiality, got.Labels)
		}
		clean(t, s)
	})
	t.Run("on one that was erased", func(t *testing.T) {
		s := fresh(t)
		old := add(t, s, patient, letter(1))
		settle(t, s, 2, federation.KindPublish)
		moved, err := s.Refile(ctx, old, "filed elsewhere", Item{Patient: right, Document: letter(1)})
		if err != nil {
			t.Fatal(err)
		}
		settle(t, s, 3, federation.KindWithdraw)
		if err := s.Erase(ctx, old); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refile(ctx, moved.ID, "it was right", Item{Patient: patient, Document: letter(1)}); !errors.Is(err, ErrErased) {
			t.Errorf("moved to where nothing can be: %v", err)
		}
		if d := document(t, s, moved.ID); d.State.Phase == Withdrawn {
			t.Error("the document is nowhere any more")
		}
	})
}

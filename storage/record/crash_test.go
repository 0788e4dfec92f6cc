package record

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A copy of the folder taken while documents are added is what a crash leaves, or less kind: the files are copied one after
// the other. Every document and objection that was acknowledged before the copy began must be in it.
func TestCopyOfTheFolderKeepsEverythingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	work, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1000; work.Err() == nil; n++ {
			if _, err := s.Add(work, Item{patient, letter(n)}); err != nil && work.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	var ids []federation.DocumentID
	for n := range 5 {
		ids = append(ids, add(t, s, patient, letter(n)))
		if err := s.AddRefusal(ctx, patient, objection(s.Subject(patient), byte(n+1)).Directive); err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		copyFile(t, filepath.Join(dir, "GUARD"), filepath.Join(copied, "GUARD")) // a crash never leaves the mark ahead of what it marks
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "GUARD" && !e.IsDir() {
				copyFile(t, filepath.Join(dir, e.Name()), filepath.Join(copied, e.Name()))
			}
		}
		after := open(t, testOptions(copied))
		for _, id := range ids {
			document(t, after, id)
		}
		if got, err := after.Refusals(ctx, after.Subject(patient)); err != nil || len(got) != n+1 {
			t.Errorf("%d objections in the copy, %d were acknowledged: %v", len(got), n+1, err)
		}
		clean(t, after)
		closeStore(t, after)
	}
	cancel()
	<-done
}

// The power may fail at any moment: what is to be told of a document is then there with what happened to it, or neither is.
func TestDocumentIsNeverThereWithoutItsOutboxEntry(t *testing.T) {
	dir := t.TempDir()
	var cuts []string
	watching := false
	opt := testOptions(dir)
	opt.Sync = func(f *os.File) error {
		if !watching || filepath.Base(f.Name()) != "GUARD" {
			return nil
		}
		cuts = append(cuts, filepath.Join(t.TempDir(), "cut"))
		return os.CopyFS(cuts[len(cuts)-1], os.DirFS(dir)) // the one writer waits for this
	}
	s := open(t, opt)
	shared := add(t, s, patient, letter(1))
	settle(t, s, 1, federation.KindPublish)
	watching = true
	fresh := add(t, s, patient, letter(2))
	if err := s.Withdraw(ctx, shared, "filed in error"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	added, withdrawn := 0, 0
	for _, cut := range cuts {
		after := open(t, testOptions(cut))
		pending, err := after.Pending(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		told := make(map[federation.DocumentID]federation.Kind)
		for _, e := range pending {
			told[e.Document] = e.Kind
		}
		if _, err := after.Document(ctx, fresh); err == nil {
			added++
			if told[fresh] != federation.KindPublish {
				t.Errorf("a document is there, and nothing that publishes it: %v", told)
			}
		} else if !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
		if document(t, after, shared).State.Phase == Withdrawn {
			withdrawn++
			if told[shared] != federation.KindWithdraw {
				t.Errorf("a document is withdrawn, and nothing tells the region: %v", told)
			}
		}
	}
	if added == 0 || withdrawn == 0 {
		t.Errorf("of %d moments %d had the document and %d the withdrawal", len(cuts), added, withdrawn)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAdd(b *testing.B) {
	opt := testOptions(b.TempDir())
	opt.Small = false
	s := open(b, opt)
	b.SetParallelism(32)
	next := make(chan int)
	go func() {
		defer close(next)
		for n := range b.N {
			next <- n
		}
	}()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Add(ctx, Item{patient, letter(<-next)}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "documents/s")
}

func BenchmarkRefusalsOfAPatientWithNone(b *testing.B) {
	s := fresh(b)
	add(b, s, patient, letter(1))
	for b.Loop() {
		if _, err := s.Refusals(ctx, federation.Subject{1}); err != nil {
			b.Fatal(err)
		}
	}
}

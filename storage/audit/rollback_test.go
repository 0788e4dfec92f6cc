package audit

import (
	"context"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// A copy of the whole folder, put back later, is without a fault in itself: the region's checkpoint tells.
func TestOldCopyOfTheFolderIsToldByTheRegion(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	l := open(t, testOptions(dir))
	fill(t, l, 10)
	before, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	copyFolder(t, dir, old, "")
	l = open(t, testOptions(dir))
	fill(t, l, 10)
	agreed, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	check := func(h Head, want bool, why string) {
		t.Helper()
		report, err := l.Verify(context.Background(), []federation.Checkpoint{{Size: h.Size, Root: h.Root}})
		if err != nil || report.OK() != want || report.Witnesses[0].Holds != want {
			t.Errorf("%s: %+v, %v", why, report, err)
		}
	}
	check(before, true, "the log itself")
	check(agreed, true, "the log itself")
	closeLog(t, l)

	l = open(t, testOptions(old)) // opens
	check(before, true, "agreed on before the copy")
	check(agreed, false, "shorter than agreed")
	fill(t, l, 15) // as long again, with other entries
	check(agreed, false, "another history")
	if p, err := l.Inclusion(agreed.Size-1, agreed.Size); err != nil || p.Check(agreed.Root) == nil {
		t.Errorf("proof of the last entry that was agreed on: %v", err)
	}
	closeLog(t, l)
}

package audit

import (
	"context"
	"errors"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/storage"
)

func TestRepairPutsBackOnlyWhatIsProvablyTheLog(t *testing.T) {
	for name, c := range map[string]struct {
		change func(txn *badger.Txn) error
		want   error
		lost   uint64
	}{
		"last entries gone":   {func(txn *badger.Txn) error { return errors.Join(txn.Delete(entryKey(19)), txn.Delete(hashesKey(19))) }, nil, 0},
		"entry and hash gone": {func(txn *badger.Txn) error { return errors.Join(txn.Delete(entryKey(12)), txn.Delete(hashesKey(12))) }, nil, 0},
		"entry altered":       {flip(entryKey(15), 333), nil, 0},
		"hash altered":        {flip(hashesKey(15), 3), nil, 0},
		"head gone":           {func(txn *badger.Txn) error { return txn.Delete([]byte{rowHead}) }, nil, 0},
		"patient's row gone":  {func(txn *badger.Txn) error { return txn.Delete(subjectKey(entry(3).Subject, 3)) }, nil, 0},
		"old entry gone":      {func(txn *badger.Txn) error { return txn.Delete(entryKey(3)) }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opt := singly(dir)
			l := open(t, opt)
			for i := range 20 {
				if _, err := l.Append(context.Background(), entry(i)); err != nil {
					t.Fatal(err)
				}
			}
			closeLog(t, l)
			raw(t, dir, c.change)
			if err := Repair(context.Background(), opt); !errors.Is(err, c.want) {
				t.Fatalf("got %v", err)
			}
			l = open(t, opt)
			if report, err := l.Verify(context.Background(), nil); err != nil || report.Faults != c.lost || report.Entries != 20 {
				t.Errorf("%+v, %v", report, err)
			}
			fill(t, l, 3)
			closeLog(t, l)
		})
	}
}

func TestRepairDoesNotMakeEvidenceUp(t *testing.T) {
	dir := t.TempDir()
	opt := singly(dir)
	l := open(t, opt)
	fill(t, l, 20)
	closeLog(t, l)
	damage(t, dir, func(b []byte) []byte { clear(b[pageSize : len(b)-pageSize]); return b }) // nothing is left there
	raw(t, dir, func(txn *badger.Txn) error { return errors.Join(txn.Delete(entryKey(7)), txn.Delete(hashesKey(7))) })
	if err := Repair(context.Background(), opt); !errors.Is(err, storage.ErrIntegrity) {
		t.Errorf("an entry is lost with its hash: %v", err)
	}
	if _, err := Open(context.Background(), opt); err == nil {
		t.Error("the log opens with an entry missing near its end")
	}
	raw(t, dir, func(txn *badger.Txn) error { return txn.Delete([]byte{rowHead}) })
	if err := Repair(context.Background(), opt); err == nil {
		t.Error("a shorter log was made of what is left")
	}
}

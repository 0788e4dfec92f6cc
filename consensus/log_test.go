package consensus

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// storeWith opens a log whose entries up to floor are committed, and up to saved in a state on disk.
func storeWith(t *testing.T, floor, saved *uint64) *logStore {
	t.Helper()
	c := Config{Sealer: xorSealer{}, Storage: SmallStorage(), Logger: newSilent()}
	f, err := openLog(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMark(filepath.Join(t.TempDir(), markFile), true, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.close(), f.Close()); err != nil {
			t.Error(err)
		}
	})
	return &logStore{
		file: f, seal: c.Sealer, mark: m, fail: func(err error) { t.Errorf("failed: %v", err) }, base: time.Now(),
		floor: func() position { return position{index: *floor, term: 1} }, saved: func() uint64 { return *saved },
		cache: logCache{limit: 1 << 20},
	}
}

func entries(from, to uint64) (logs []*raft.Log) {
	for i := from; i <= to; i++ {
		logs = append(logs, &raft.Log{Index: i, Term: 1, Type: raft.LogCommand, Data: []byte{entryCommand, byte(i)}})
	}
	return logs
}

func TestCommittedEntriesAreNeitherCutNorOverwritten(t *testing.T) {
	var floor, saved uint64
	s := storeWith(t, &floor, &saved)
	if err := s.StoreLogs(entries(1, 10)); err != nil {
		t.Fatal(err)
	}
	floor, saved = 6, 3
	for _, c := range []struct {
		name      string
		low, high uint64
		fails     bool
	}{
		{"tail from a committed entry", 6, 10, true},
		{"head beyond the state on disk", 1, 4, true},
		{"everything", 1, 10, true},
		{"head that the state has", 1, 3, false},
		{"tail that is not committed", 8, 10, false},
		{"what is not there", 20, 30, false},
	} {
		if err := s.DeleteRange(c.low, c.high); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if first, err := s.FirstIndex(); err != nil || first != 4 {
		t.Errorf("log begins at %d, %v; want 4", first, err)
	}
	var l raft.Log
	if err := s.GetLog(3, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("an entry that was cut: %v, want ErrLogNotFound", err)
	}
	if last, err := s.LastIndex(); err != nil || last != 7 {
		t.Errorf("log ends at %d, %v; want 7", last, err)
	}
	if m := s.mark.get(); m.index != 7 {
		t.Errorf("mark is at %d, want 7", m.index)
	}
	floor = 8
	if err := s.StoreLogs(entries(8, 8)); err == nil {
		t.Error("an entry at the commit index was stored")
	}
}

func TestMarkFollowsTheLog(t *testing.T) {
	var floor, saved uint64
	s := storeWith(t, &floor, &saved)
	if err := s.StoreLogs(entries(1, 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUint64(stableTerm, 7); err != nil {
		t.Fatal(err)
	}
	if err := s.SetUint64(stableVoteTerm, 6); err != nil {
		t.Fatal(err)
	}
	file, _ := s.mark.file.(*os.File)
	path := file.Name()
	again, err := openMark(path, false, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if m := again.get(); m.index != 5 || m.term != 7 || m.voteTerm != 6 || m.forgotten {
		t.Errorf("mark on disk is %+v", m)
	}
}

func TestEntryInAnotherPlaceIsRefused(t *testing.T) {
	seal := xorSealer{}
	sealed := sealEntries(seal, entries(1, 2))
	sealed[1].Data = sealed[0].Data
	store := raft.NewInmemStore()
	if err := store.StoreLogs(sealed); err != nil {
		t.Fatal(err)
	}
	var l raft.Log
	if err := readEntry(store, seal, 1, &l); err != nil || len(l.Data) != 2 {
		t.Fatalf("%v, %v", l.Data, err)
	}
	if err := readEntry(store, seal, 2, &l); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	if err := readEntry(store, seal, 3, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("got %v, want ErrLogNotFound", err)
	}
}

func TestLogCacheIsBounded(t *testing.T) {
	c := logCache{limit: 100}
	for i := uint64(1); i <= 1000; i++ {
		c.put([]*raft.Log{{Index: i, Data: make([]byte, 10)}})
	}
	var l raft.Log
	if c.bytes > 100 || len(c.logs) > 10 || !c.get(1000, &l) || c.get(900, &l) {
		t.Errorf("%d bytes in %d entries", c.bytes, len(c.logs))
	}
	c.put([]*raft.Log{{Index: 500}}) // a cut tail begins again
	if c.get(1000, &l) || !c.get(500, &l) {
		t.Error("entries of a cut tail are still there")
	}
}

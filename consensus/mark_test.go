package consensus

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// unsynced is a file that knows whether all that was written is on disk.
type unsynced struct {
	*os.File
	dirty bool
}

func (u *unsynced) WriteAt(b []byte, at int64) (int, error) {
	u.dirty = true
	return u.File.WriteAt(b, at)
}

func (u *unsynced) Sync() error {
	u.dirty = false
	return u.File.Sync()
}

func TestMarkIsOnDiskBeforeAPromise(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	h, err := openMark(path, true, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	onDisk, _ := h.file.(*os.File)
	file := &unsynced{File: onDisk}
	h.file = file
	for term := uint64(1); term <= 3; term++ {
		if err := h.set(func(m *mark) { m.term, m.voteTerm = term, term }); err != nil || file.dirty {
			t.Fatalf("term %d: %v, left to be synced: %v", term, err, file.dirty)
		}
	}
	if err := h.close(); err != nil || file.dirty {
		t.Fatalf("close: %v, left to be synced: %v", err, file.dirty)
	}
	again, err := openMark(path, false, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	if m := again.get(); m.term != 3 || m.voteTerm != 3 {
		t.Errorf("got %+v", m)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}

// Of what other leaders committed, some may not have been applied here when this one begins: its first barrier has to answer with
// its own place.
func TestFirstBarrierOfATermIsItsOwnPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		leader := g.leader(g.start(3)...)
		g.set(leader, "k", "1")
		leader.readyTerm.Store(0) // as if it had just been elected
		for _, first := range []bool{true, false} {
			before := leader.machine.applied.get().index
			got, err := leader.commitEmpty(g.context(5 * time.Second))
			if err != nil || (got > before) != first {
				t.Errorf("first %v: barrier at %d, applied before %d, %v", first, got, before, err)
			}
		}
	})
}

// A log that has everything but one thing that the mark says was promised is another log, or an older one.
func TestLogThatFallsShortOfTheMarkIsRefused(t *testing.T) {
	g := newRegion(t)
	r := g.start(1)[0]
	g.set(r, "k", "v")
	g.close(r)
	path := filepath.Join(g.dirs[testID(1)], markFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now, gen, _ := decodeMark(b[:markSlot])
	if m, other, ok := decodeMark(b[markSlot:]); ok && other > gen {
		now, gen = m, other
	}
	promises := []struct {
		what   string
		change func(*mark)
	}{
		{"one entry more", func(m *mark) { m.index++ }},
		{"the last entry of a later term", func(m *mark) { m.entryTerm++ }},
		{"a later term", func(m *mark) { m.term++ }},
		{"a vote in a later term", func(m *mark) { m.voteTerm++ }},
		{"no more than there is", func(*mark) {}}, // the last: this one goes on, and promises more
	}
	for _, p := range promises {
		promised := now
		p.change(&promised)
		if err := os.WriteFile(path, bytes.Repeat(promised.encode(gen), 2), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(g.config(testID(1)))
		if err == nil {
			err = again.Close(g.context(10 * time.Second))
		}
		if short := promised != now; errors.Is(err, ErrLogLost) != short || !short && err != nil {
			t.Errorf("%s was promised: %v", p.what, err)
		}
	}
}

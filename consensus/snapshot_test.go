package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// fill writes n keys through a replica and lets it cut its log.
func (g *region) fill(r *Replica, n int) {
	g.t.Helper()
	for i := range n {
		g.set(r, fmt.Sprintf("key-%03d", i), fmt.Sprint("value ", i))
	}
	if err := r.raft.Snapshot().Error(); err != nil {
		g.t.Fatal(err)
	}
}

func short(c *Config) { c.TrailingLogs = 8 }

func TestLateJoinerCatchesUpBySnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = short
		leader := g.start(1)[0]
		g.fill(leader, 100)
		if first, err := leader.log.FirstIndex(); err != nil || first < 50 {
			t.Fatalf("the log still begins at %d, %v", first, err)
		}
		late := g.open(2)
		if err := leader.AddVoter(g.context(10*time.Second), testID(2)); err != nil {
			t.Fatal(err)
		}
		g.set(late, "after", "1")
		g.want(late, Linearizable(), "key-042", "value 42")
		g.want(late, Linearizable(), "after", "1")
		if a, b := dump(t, leader), dump(t, late); a != b {
			t.Errorf("states differ:\n%s\n%s", a, b)
		}
		if got, want := g.machines[testID(2)].applied.Load(), late.Status().Applied; got != want {
			t.Errorf("the machine was told %d, applied is %d", got, want)
		}
		// What arrived by snapshot is there after a restart, and only one state folder.
		g.close(late)
		states, err := filepath.Glob(filepath.Join(g.dirs[testID(2)], "state-*"))
		if err != nil || len(states) != 1 || filepath.Base(states[0]) == "state-000001" {
			t.Errorf("state folders are %v, %v", states, err)
		}
		late = g.open(2)
		g.want(late, Local(), "key-099", "value 99")
		g.set(late, "again", "1")
	})
}

func TestRefusedSnapshotLeavesTheOldStateInService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = short
		all := g.start(3)
		leader := g.leader(all...)
		var lagging *Replica
		for _, r := range all {
			if r != leader {
				lagging = r
			}
		}
		id := lagging.config.ID
		result := g.set(leader, "k", "old")
		if err := lagging.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
			t.Fatal(err)
		}
		machine := g.machines[id]
		machine.refuse.Store(true)
		g.net.Isolate(id, true)
		synctestSleep(time.Minute) // what is under way is given up, rather than delivered late
		g.set(leader, "k", "new")
		g.fill(leader, 100)
		applied := lagging.Status().Applied
		g.net.Isolate(id, false)
		synctestSleep(3 * time.Second)
		g.want(lagging, Local(), "k", "old")
		if s := lagging.Status(); s.Applied != applied || s.State == Stopped {
			t.Fatalf("after a refused snapshot: %+v", s)
		}
		machine.refuse.Store(false)
		g.until("the next snapshot to be taken", func() bool { return lagging.Status().Applied > applied })
		g.want(lagging, Linearizable(), "k", "new")
	})
}

func TestViewsStayValidWhileASnapshotTakesTheStatesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = short
		all := g.start(3)
		lagging, leader := g.follower(all)
		id := lagging.config.ID
		result := g.set(leader, "k", "old")
		if err := lagging.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
			t.Fatal(err)
		}
		g.net.Isolate(id, true)
		g.set(leader, "k", "new")
		g.fill(leader, 100)
		err := lagging.View(g.context(time.Minute), Local(), func(r Reader) error {
			g.net.Isolate(id, false)
			if err := lagging.WaitApplied(g.context(20*time.Second), leader.Status().Applied); err != nil {
				return err
			}
			g.want(lagging, Local(), "k", "new")
			if v, _, err := r.Get([]byte("k")); err != nil || string(v) != "old" {
				return fmt.Errorf("the view that was open reads %q, %w", v, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		states, err := filepath.Glob(filepath.Join(g.dirs[id], "state-*"))
		if err != nil || len(states) != 1 {
			t.Errorf("state folders are %v, %v", states, err)
		}
	})
}

// machineWith makes a state machine over a fresh folder, without raft.
func machineWith(t *testing.T, m Machine) *stateMachine {
	t.Helper()
	return machineIn(t, t.TempDir(), Config{Machine: m, Sealer: xorSealer{}, Storage: SmallStorage(), Logger: newSilent()})
}

// machineIn makes a state machine of what lies in a folder, without raft.
func machineIn(t *testing.T, dir string, c Config) *stateMachine {
	t.Helper()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.disk = c.Sync
	sm := &stateMachine{config: c, folder: f, fail: func(err error) { t.Errorf("failed: %v", err) }, notify: func() {}}
	current, err := f.current()
	if err != nil {
		t.Fatal(err)
	}
	state, err := openState(current, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := sm.load(state); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(sm.close(), f.close()); err != nil {
			t.Error(err)
		}
	})
	return sm
}

func command(index uint64, text string) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: append([]byte{entryCommand}, text...)}
}

// sent is a snapshot as it goes over the wire, with the sink that would take it.
func sent(t *testing.T) (stream []byte, meta *raft.SnapshotMeta) {
	t.Helper()
	return sentBy(t, machineWith(t, &register{}), "set a 1", "set b 2")
}

// sentBy is sent, of a machine that applies two commands.
func sentBy(t *testing.T, sm *stateMachine, first, second string) (stream []byte, meta *raft.SnapshotMeta) {
	t.Helper()
	config := raft.EncodeConfiguration(servers([]ID{testID(1)}, nil))
	sm.ApplyBatch([]*raft.Log{{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: config}, command(2, first), command(3, second)})
	meta, src, err := (&snapshots{machine: sm, sends: &sends{}}).Open(liveID)
	if err != nil {
		t.Fatal(err)
	}
	stream, err = io.ReadAll(src)
	if err := errors.Join(err, src.Close()); err != nil {
		t.Fatal(err)
	}
	if int64(len(stream)) != meta.Size || meta.Index != 3 || meta.ConfigurationIndex != 1 {
		t.Fatalf("%d bytes for %+v", len(stream), meta)
	}
	return stream, meta
}

func receive(sm *stateMachine, meta *raft.SnapshotMeta, stream []byte) error {
	s := &snapshots{machine: sm, sends: &sends{}}
	sink, err := s.Create(1, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sink, bytes.NewReader(stream)); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	_, src, err := s.Open(sink.ID())
	if err != nil {
		return err
	}
	return sm.Restore(src)
}

func TestSnapshotArrivesWhole(t *testing.T) {
	stream, meta := sent(t)
	sm := machineWith(t, &register{})
	if err := receive(sm, meta, stream); err != nil {
		t.Fatal(err)
	}
	state, err := sm.current()
	if err != nil {
		t.Fatal(err)
	}
	defer state.release()
	rd := state.read()
	defer rd.discard()
	if got := scanAll(t, rd, "", ""); got != "a=1 b=2" {
		t.Errorf("state is %q", got)
	}
	if at := rd.applied(); at != (position{3, 1}) {
		t.Errorf("applied is %v", at)
	}
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	stream, meta := sent(t)
	flip := func(at int) []byte {
		b := bytes.Clone(stream)
		b[at] ^= 1
		return b
	}
	other := *meta
	other.Index++
	for _, c := range []struct {
		name   string
		meta   *raft.SnapshotMeta
		stream []byte
	}{
		{"empty", meta, nil},
		{"cut in the header", meta, stream[:10]},
		{"cut in the body", meta, stream[:snapshotHeader+5]},
		{"cut in the digest", meta, stream[:len(stream)-1]},
		{"longer", meta, append(bytes.Clone(stream), 0)},
		{"other index", &other, stream},
		{"flip in the magic", meta, flip(0)},
		{"flip in the size", meta, flip(24)},
		{"flip in the body", meta, flip(len(stream) - 33)},
		{"flip in the digest", meta, flip(len(stream) - 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			sm := machineWith(t, &register{})
			config := raft.EncodeConfiguration(servers([]ID{testID(1)}, nil))
			sm.ApplyBatch([]*raft.Log{{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: config}})
			if err := receive(sm, c.meta, c.stream); !errors.Is(err, ErrSnapshotRefused) && !strings.Contains(fmt.Sprint(err), "refused") {
				t.Fatalf("got %v, want a refusal", err)
			}
			if at := sm.applied.get(); at.index != 1 {
				t.Errorf("applied is %v", at)
			}
			states, err := filepath.Glob(filepath.Join(sm.folder.dir, "state-*"))
			if err != nil || len(states) != 1 {
				t.Errorf("state folders are %v, %v", states, err)
			}
		})
	}
}

// liarMachine says another size than it writes.
type liarMachine struct{ register }

func (m *liarMachine) SnapshotSize(Reader) (int64, error) { return 3, nil }

func TestWrongSnapshotSizeIsAnErrorOfTheSender(t *testing.T) {
	sm := machineWith(t, &liarMachine{})
	sm.ApplyBatch([]*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(servers([]ID{testID(1)}, nil))},
		command(2, "set a 1"),
	})
	_, src, err := (&snapshots{machine: sm, sends: &sends{}}).Open(liveID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(src); err == nil {
		t.Error("a snapshot of another size than announced was sent whole")
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// TestCrashWithinARestoreKeepsTheOldState: what a crash leaves, at each step, is the old state or the new one.
func TestCrashWithinARestoreKeepsTheOldState(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	first, err := f.current()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(first, 0o700); err != nil {
		t.Fatal(err)
	}
	next, err := f.next(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(next, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(next, "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.current(); err != nil || got != first {
		t.Fatalf("before the swap: %s, %v", got, err)
	}
	if _, err := os.Stat(next); !os.IsNotExist(err) {
		t.Errorf("the half-made state is still there: %v", err)
	}
	if err := os.MkdirAll(next, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.swap(filepath.Base(next)); err != nil {
		t.Fatal(err)
	}
	if got, err := f.current(); err != nil || got != next {
		t.Fatalf("after the swap: %s, %v", got, err)
	}
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("the old state is still there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, currentFile), []byte("../elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.current(); !errors.Is(err, ErrDamaged) {
		t.Errorf("a pointer to elsewhere: %v, want ErrDamaged", err)
	}
}

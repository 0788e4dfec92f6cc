package consensus

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// large is a value of which 1 MiB of the log holds 16.
var large = strings.Repeat("x", 64<<10)

// thrifty keeps 1 MiB of the log, whatever the number of its entries.
func thrifty(c *Config) { c.TrailingLogs, c.Storage.LogKeep = 1<<20, 1<<20 }

// load writes so many large values, and leaves time for the log to be cut.
func (g *region) load(r *Replica, n int) {
	g.t.Helper()
	for i := range n {
		g.set(r, fmt.Sprintf("large-%d", i%4), large)
	}
	time.Sleep(2 * trimPause) // virtual: of the watch, which is what the test is about
}

func (g *region) firstIndex(r *Replica) uint64 {
	g.t.Helper()
	first, err := r.store.FirstIndex()
	if err != nil {
		g.t.Fatal(err)
	}
	return first
}

// TestALogOfLargeEntriesIsCutByBytes: a follower that was away for longer than the log reaches gets a snapshot.
func TestALogOfLargeEntriesIsCutByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = thrifty
		all := g.start(3)
		lagging, leader := g.follower(all)
		g.set(leader, "k", "old")
		g.net.Isolate(lagging.config.ID, true)
		g.load(leader, 20)
		if first := g.firstIndex(leader); first != 1 {
			t.Errorf("a log that is within its size begins at %d", first)
		}
		g.load(leader, 60)
		first, kept := g.firstIndex(leader), leader.store.scale.bytes()
		if away := lagging.Status().LastLog; first <= away || kept > 3<<19 || kept < 1<<19 {
			t.Fatalf("the log begins at %d and has %d bytes; the follower's ends at %d", first, kept, away)
		}
		if set := leader.raft.ReloadableConfig(); set.TrailingLogs != 1<<20 {
			t.Errorf("raft keeps %d entries from now on", set.TrailingLogs)
		}
		g.net.Isolate(lagging.config.ID, false)
		at := g.set(leader, "k", "new")
		if err := lagging.WaitApplied(g.context(20*time.Second), at.Index); err != nil {
			t.Fatal(err)
		}
		if a, b := dump(t, leader), dump(t, lagging); a != b {
			t.Error("states differ")
		}
		// Opened again it goes on from a log that it does not measure entry by entry.
		id := leader.config.ID
		g.close(leader)
		again := g.open(int(id[0] - '0'))
		if again.store.scale.bytes() == 0 {
			t.Error("the log has no bytes")
		}
		g.set(again, "k", "newest")
	})
}

// TestTheLogStaysWhileASnapshotIsSent: what follows the snapshot is what its receiver needs next.
func TestTheLogStaysWhileASnapshotIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = thrifty
		leader := g.start(1)[0]
		g.set(leader, "k", "v")
		meta, stream, err := (&snapshots{machine: leader.machine, sends: leader.sends}).Open(liveID)
		if err != nil {
			t.Fatal(err)
		}
		g.load(leader, 60)
		if first := g.firstIndex(leader); first > meta.Index+1 {
			t.Errorf("the log begins at %d, a snapshot at %d is under way", first, meta.Index)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		g.load(leader, 1)
		if first := g.firstIndex(leader); first > meta.Index+1 {
			t.Errorf("the log begins at %d, a snapshot at %d has just arrived", first, meta.Index)
		}
		time.Sleep(2 * afterSend)
		g.load(leader, 1)
		if first := g.firstIndex(leader); first <= meta.Index+1 {
			t.Errorf("the log still begins at %d", first)
		}
	})
}

func TestScaleOfTheLogFollowsIt(t *testing.T) {
	var l logScale
	l.begin(101, 200, 10<<20) // 100 entries of a tenth of a MiB
	for i := uint64(201); i <= 1200; i++ {
		l.add(i, 1<<10-entryOverhead)
	}
	near := func(what string, got, want int64) {
		t.Helper()
		if got < want*99/100 || got > want*101/100 {
			t.Errorf("%s: %d, want about %d", what, got, want)
		}
	}
	near("all", l.bytes(), 10<<20+1000<<10)
	near("small ones", int64(l.newest(512<<10)), 512)
	near("small and large ones", int64(l.newest(1000<<10+5<<20)), 1050)
	near("more than there are", int64(l.newest(1<<40)), 1100)
	if l.newest(1) != 1 {
		t.Error("not even one stays")
	}
	l.cut(101, 150)
	near("without the first", l.bytes(), 5<<20+1000<<10)
	l.cut(1101, 1200)
	near("without the last", l.bytes(), 5<<20+900<<10)
	l.add(1101, 1<<10-entryOverhead)
	near("written anew", l.bytes(), 5<<20+901<<10)
	l.add(5000, 1<<10-entryOverhead) // after a snapshot
	if l.bytes() != 1<<10 || l.newest(1<<40) != 1 {
		t.Errorf("%d bytes in %d entries", l.bytes(), l.newest(1<<40))
	}
	l.cut(5000, 5000)
	if l.bytes() != 0 {
		t.Errorf("an empty log has %d bytes", l.bytes())
	}
}

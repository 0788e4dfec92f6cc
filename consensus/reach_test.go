package consensus

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPeerThatComesUpIsToldAtOnce, whether it is a newcomer or was away, however long nobody answered.
func TestPeerThatComesUpIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		leader := g.leader(g.start(1)...)
		g.members.Store(testID(2), true)
		soon := func(r *Replica, why string) {
			t.Helper()
			result := g.set(leader, "k", why)
			from := time.Now()
			if err := r.WaitApplied(g.context(20*time.Second), result.Index); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(from); took > time.Second {
				t.Errorf("%s: told after %v, want within a second", why, took)
			}
		}
		if err := leader.AddObserver(g.context(10*time.Second), testID(2)); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Minute) // virtual: by then raft waits ten seconds between its tries
		observer := g.open(2)
		soon(observer, "a newcomer")

		g.close(observer)
		g.net.mu.Lock()
		delete(g.net.nodes, testID(2))
		g.net.mu.Unlock()
		g.set(leader, "k", "while it is away")
		<-time.After(3 * time.Minute)
		soon(g.open(2), "one that was away")
	})
}

// TestWaitingForAPeerEndsWithItsMembership, and with the leadership: nothing goes on dialing a replica that was removed.
func TestWaitingForAPeerEndsWithItsMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		leader := g.leader(g.start(1)...)
		g.members.Store(testID(2), true)
		if err := leader.AddObserver(g.context(10*time.Second), testID(2)); err != nil {
			t.Fatal(err)
		}
		g.set(leader, "k", "1")
		if err := leader.Remove(g.context(10*time.Second), testID(2)); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Second)
		if leader.transport.leads(testID(2), leader.raft.CurrentTerm()) || leader.transport.leads(leader.config.ID, leader.raft.CurrentTerm()+1) {
			t.Error("a removed replica, or a term to come, is waited for")
		}
		before := g.net.dials.Load()
		<-time.After(30 * time.Second)
		if n := g.net.dials.Load() - before; n > 0 {
			t.Errorf("a replica that was removed was dialed %d times", n)
		}
	})
}

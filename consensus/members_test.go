package consensus

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestObserverHasAFullCopyAndNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(2)
		leader := g.leader(all...)
		g.set(leader, "before", "1")
		observer := g.open(3)
		if err := leader.AddObserver(g.context(10*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		result := g.set(observer, "after", "2")
		if err := observer.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
			t.Fatal(err)
		}
		g.want(observer, Local(), "before", "1")
		g.want(observer, Local(), "after", "2")
		if s := observer.Status(); s.State != Observer || len(s.Voters) != 2 || len(s.Observers) != 1 {
			t.Fatalf("observer says %+v", s)
		}
		// One voter and the observer are no majority.
		other, _ := g.follower(all)
		g.net.Isolate(leader.config.ID, true)
		g.until("the leader to be missed", func() bool { return other.Status().Leader == "" && observer.Status().Leader == "" })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := other.Submit(ctx, []byte("set k 1"), Bulk); !errors.Is(err, ErrNoQuorum) {
			t.Fatalf("got %v, want ErrNoQuorum", err)
		}
		if s := observer.Status(); s.State != Observer {
			t.Fatalf("observer became %s", s.State)
		}
	})
}

func TestMembershipChangesAreForTheLeaderAndMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(2)
		follower, leader := g.follower(all)
		ctx := g.context(5 * time.Second)
		for name, change := range map[string]func() error{
			"add voter":    func() error { return follower.AddVoter(ctx, leader.config.ID) },
			"add observer": func() error { return follower.AddObserver(ctx, leader.config.ID) },
			"remove":       func() error { return follower.Remove(ctx, leader.config.ID) },
			"demote":       func() error { return follower.Demote(ctx, leader.config.ID) },
			"transfer":     func() error { return follower.Transfer(ctx) },
		} {
			if err := change(); !errors.Is(err, ErrNotLeader) {
				t.Errorf("%s on a follower: %v, want ErrNotLeader", name, err)
			}
		}
		if err := leader.AddObserver(ctx, testID(9)); !errors.Is(err, ErrNotMember) {
			t.Errorf("a stranger: %v, want ErrNotMember", err)
		}
		if err := leader.AddVoter(ctx, "nonsense"); !errors.Is(err, ErrNotMember) {
			t.Errorf("nonsense: %v, want ErrNotMember", err)
		}
	})
}

func TestDemotedVoterBecomesObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		leader := g.leader(all...)
		if err := leader.Demote(g.context(5*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		g.until("the demotion to arrive", func() bool { return all[2].Status().State == Observer })
		g.set(all[2], "k", "1")
		if err := leader.AddVoter(g.context(5*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		g.until("the promotion to arrive", func() bool { return all[2].Status().State == Follower })
	})
}

func TestRemovedReplicaNoticesAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		leader := g.leader(all...)
		g.set(leader, "k", "1")
		if err := leader.Remove(g.context(5*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		g.until("the removed replica to stop", func() bool { return all[2].Status().State == Removed })
		if _, err := all[2].Submit(g.context(time.Second), []byte("set k 2"), Bulk); !errors.Is(err, ErrRemoved) {
			t.Errorf("got %v, want ErrRemoved", err)
		}
		g.want(all[2], Local(), "k", "1")
		// It may come back.
		g.close(all[2])
		again := g.open(3)
		if err := leader.AddVoter(g.context(10*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		g.set(again, "k", "3")
		g.want(again, Linearizable(), "k", "3")
	})
}

func TestLeaderThatRemovesItselfStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		leader := g.leader(all...)
		if err := leader.Remove(g.context(5*time.Second), leader.config.ID); err != nil {
			t.Fatal(err)
		}
		var rest []*Replica
		for _, r := range all {
			if r != leader {
				rest = append(rest, r)
			}
		}
		g.set(g.leader(rest...), "k", "1")
		g.until("it to stop", func() bool { return leader.Status().State == Removed })
	})
}

func TestPlannedCloseHandsLeadershipOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = func(c *Config) { c.Heartbeat, c.Election = 4*time.Second, 4*time.Second }
		all := g.start(2)
		third := g.open(3)
		leader := g.leader(all...)
		if err := leader.AddVoter(g.context(10*time.Second), testID(3)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		g.close(leader)
		rest := []*Replica{all[1], third}
		if leader == all[1] {
			rest[0] = all[0]
		}
		g.set(rest[0], "k", "1")
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the next write took %s, an election would have taken 4 s", took)
		}
	})
}

func TestNotifyTellsOfANewLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		r := g.open(1)
		changed := r.Notify()
		if err := r.Bootstrap(g.context(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
	})
}

func TestUrgentCommandsReachFollowersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = func(c *Config) { c.Heartbeat, c.Election = 2*time.Second, 2*time.Second }
		all := g.start(3)
		leader := g.leader(all...)
		var worst, sum time.Duration
		const rounds = 30
		for range rounds {
			begin := time.Now()
			result, err := leader.Submit(g.context(5*time.Second), []byte("set k v"), Urgent)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				if err := r.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
					t.Fatal(err)
				}
			}
			took := time.Since(begin)
			worst, sum = max(worst, took), sum+took
		}
		t.Logf("submitted to applied on all three: mean %s, worst %s", sum/rounds, worst)
		if sum/rounds > 40*time.Millisecond {
			t.Errorf("mean is %s; without the empty entry it is above 50 ms", sum/rounds)
		}
	})
}

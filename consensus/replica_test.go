package consensus

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestReplicasElectReplicateAndForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		for i, r := range all {
			key := string(rune('a' + i))
			result := g.set(r, key, "1")
			if result.Index == 0 {
				t.Fatal("no index")
			}
			if err := r.WaitApplied(g.context(5*time.Second), result.Index); err != nil {
				t.Fatal(err)
			}
			g.want(r, Local(), key, "1")
		}
		for _, r := range all {
			g.want(r, Linearizable(), "a", "1")
			g.want(r, Linearizable(), "c", "1")
		}
		if a, b := dump(t, all[0]), dump(t, all[1]); a != b {
			t.Fatalf("states differ:\n%s\n%s", a, b)
		}
	})
}

func TestNextLeaderTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		g.set(all[0], "k", "1")
		g.net.Isolate(all[0].config.ID, true)
		leader := g.leader(all[1:]...)
		g.set(leader, "k", "2")
		g.net.Isolate(all[0].config.ID, false)
		g.want(all[0], Linearizable(), "k", "2")
	})
}

package testnet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

const snapshotVerified = "snapshot verified"

// shortLogs makes replicas keep next to nothing of their logs, so that whoever comes late needs a snapshot.
func shortLogs(_ federation.TrustID, c *consensus.Config) {
	c.TrailingLogs, c.SnapshotThreshold, c.SnapshotInterval = 8, 8, time.Second
}

// TestLateJoinerCatchesUpBySnapshot has a node that was down, and one that is new, arrive when the log that they would need
// is gone.
func TestLateJoinerCatchesUpBySnapshot(t *testing.T) {
	o := RegionOptions{Members: members(4), Voters: 3, Tune: shortLogs}
	play(t, seeds(1, 1), o, func(s *stage) {
		s.must(s.r.Stop(rqm))
		for i := range 40 {
			s.published(s.others(rqm)[i%3], s.patients[i%len(s.patients)], 2000)
		}
		s.pass(10 * time.Second) // logs are cut
		before := s.log.said(rqm, snapshotVerified)
		s.must(s.r.Restart(s.ctx, rqm))
		s.join(ras, Member{rj1, "Guy's"})
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		s.must(s.soon(10*time.Second, "equal roots", s.r.Converged))
		for _, late := range []federation.TrustID{rqm, rj1} {
			if got := s.log.said(late, snapshotVerified); got == 0 || late == rqm && got == before {
				s.Errorf("%s came late and took no snapshot", late)
			}
		}
		for i := range 8 {
			s.published(rj1, s.patients[i], 500)
		}
	})
}

// TestLargeRegionLosesTwoVoters loses two of the five voters of a region of thirty nodes; of ten, under -short.
func TestLargeRegionLosesTwoVoters(t *testing.T) {
	size := 30
	if testing.Short() {
		size = 10
	}
	var cast []Member
	for i := range size {
		cast = append(cast, Member{federation.TrustID(fmt.Sprintf("T%02d", i)), fmt.Sprintf("Trust %d", i)})
	}
	play(t, seeds(1, 1), RegionOptions{Members: cast}, func(s *stage) {
		patient := s.patients[0]
		everywhere := func(docs []federation.DocumentID) {
			s.Helper()
			for _, at := range s.r.Up() {
				s.until(10*time.Second, "all to be located", func() error { return s.sees(at, patient, docs...) })
			}
		}
		var docs []federation.DocumentID
		for _, t := range s.r.Trusts() {
			docs = append(docs, s.take(t, patient, 2000))
		}
		s.must(s.soon(time.Minute, "publish", func(ctx context.Context) error { return s.r.Published(ctx) }))
		everywhere(docs)
		st := s.r.Node(cast[0].Trust).Consensus()
		if len(st.Voters) != 5 || len(st.Observers) != size-5 {
			s.Fatalf("%d voters and %d observers", len(st.Voters), len(st.Observers))
		}
		first := s.leader()
		s.must(s.r.Kill(first))
		second := s.leader()
		s.must(s.r.Kill(second))
		third := s.leader()
		docs = nil
		for _, t := range s.r.Up()[:5] {
			docs = append(docs, s.published(t, patient, 2000))
		}
		everywhere(docs)
		s.Logf("led by %s, %s and %s", first, second, third)
		s.must(s.r.Restart(s.ctx, first))
		s.must(s.r.Restart(s.ctx, second))
	})
}

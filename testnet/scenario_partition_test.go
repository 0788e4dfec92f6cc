package testnet

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestMinorityGoesOnAndSaysWhatItCannotDo walks through what two of five trusts can and cannot do alone.
func TestMinorityGoesOnAndSaysWhatItCannotDo(t *testing.T) {
	play(t, seeds(1, 2), RegionOptions{Members: members(5)}, func(s *stage) {
		us, them := []federation.TrustID{ryj, ras}, []federation.TrustID{r1k, rqm, rj1}
		if s.seed%2 == 0 { // the leader is on the other side, or on this one
			us, them = []federation.TrustID{rqm, rj1}, []federation.TrustID{r1k, ryj, ras}
		}
		shared, objector, wanting := s.patients[0], s.patients[1], s.patients[2]
		ours := s.published(us[0], shared, 3000)
		far := s.published(them[0], shared, 3000)
		objected := s.published(us[0], objector, 3000)
		withdrawn := s.published(us[0], wanting, 3000)
		reply, err := s.r.Object(s.ctx, us[1], &admin.ObjectRequest{Patient: wanting.NHSNumber})
		s.must(err)
		s.must(want(reply.GetCommitted(), "the region is whole and did not agree on an objection"))
		s.must(s.r.Converged(s.ctx))
		s.fetch(us[1], ours, "")
		s.fetch(us[1], objected, "")
		s.fetch(us[1], withdrawn, admin.CodeDenied)

		s.must(s.r.Partition(us, them))
		cut := time.Now()
		// What is known here still counts for as long as the lease: a refusal at once, and no grant.
		s.refusalInForce(us, objector.NHSNumber, objected)
		s.grantNotInForce(us, wanting.NHSNumber, withdrawn)

		// Taking in, locating, and reading what lies here go on.
		fresh := s.take(us[0], shared, 3000)
		s.must(s.sees(us[0], shared, fresh))
		s.must(s.sees(us[0], shared, far))
		s.must(s.sees(us[1], shared, ours))
		s.fetch(us[0], fresh, "")
		s.fetch(us[0], ours, "")

		s.saysNoQuorum(us[0], them[0])
		s.until(time.Minute, "the lost trusts to be shown as such", func() error { return s.showsLost(us[0], them) })
		s.fetch(us[0], far, admin.CodeUnavailable)

		s.pass(time.Until(cut.Add(11 * time.Second))) // the lease has lapsed
		s.fetch(us[1], ours, admin.CodeStale)
		s.fetch(us[0], ours, "") // own staff
		s.fetch(them[1], far, "")

		s.must(s.r.Heal())
		s.must(s.soon(time.Minute, "the outboxes to be told", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.must(s.soon(10*time.Second, "equal roots after the heal", s.r.Converged))
		s.must(s.sees(them[0], shared, fresh))
		s.fetch(them[0], fresh, "")
		s.fetch(them[0], objected, admin.CodeDenied)
		s.fetch(them[0], withdrawn, "")
		s.must(want(s.directives(them[0], objected) == 1, "the objection that was recorded in the minority is not agreed on"))
		s.must(want(s.directives(them[0], withdrawn) == 0, "the objection that was withdrawn in the minority still stands"))
	})
}

// refusalInForce has a patient object at a custodian that is cut off, which must count there at once.
func (s *stage) refusalInForce(us []federation.TrustID, patient string, id federation.DocumentID) {
	s.Helper()
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		reply, err := s.r.Object(s.ctx, us[0], &admin.ObjectRequest{Patient: patient})
		done <- errors.Join(err, want(!reply.GetCommitted() && reply.GetState() == "objected", "a minority says %v of an objection", reply))
	}()
	s.pass(100 * time.Millisecond)
	s.fetch(us[1], id, admin.CodeDenied)
	s.must(<-done)
	s.must(want(time.Since(began) <= noQuorumWithin, "it took %s to say that the region cannot agree", time.Since(began)))
}

// grantNotInForce has a patient withdraw an objection in a minority, which must not count.
func (s *stage) grantNotInForce(us []federation.TrustID, patient string, id federation.DocumentID) {
	s.Helper()
	began := time.Now()
	done := make(chan error, 1)
	go func() {
		reply, err := s.r.Object(s.ctx, us[0], &admin.ObjectRequest{Patient: patient, Withdraw: true})
		done <- errors.Join(err, want(!reply.GetCommitted() && reply.GetState() == "objected", "a minority says %v of a withdrawal", reply))
	}()
	s.pass(100 * time.Millisecond)
	if _, err := s.r.Fetch(s.ctx, us[1], &admin.FetchRequest{Document: string(id)}, nil); err == nil {
		s.Error("a withdrawal that the region has not agreed on opened the record")
	}
	s.must(<-done)
	s.must(want(time.Since(began) <= noQuorumWithin, "it took %s to say that the region cannot agree", time.Since(began)))
}

// noQuorumWithin is how long somebody may be kept waiting for a region that cannot agree.
const noQuorumWithin = 5*time.Second + 10*time.Millisecond

// saysNoQuorum wants governance to be refused with the reason.
func (s *stage) saysNoQuorum(at, victim federation.TrustID) {
	s.Helper()
	began := time.Now()
	_, err := s.r.Node(at).Suspend(s.ctx, &admin.SuspendRequest{Trust: string(victim), Lift: true, Reason: "drill"})
	if took := time.Since(began); codeOf(err) != admin.CodeNoQuorum || took > noQuorumWithin {
		s.Errorf("%s, in a minority, says %v after %s", at, err, took)
	}
	began = time.Now()
	err = s.r.Node(at).Agreed(s.ctx, consensus.Linearizable(), func(consensus.Reader) error { return nil })
	if took := time.Since(began); !errors.Is(err, consensus.ErrNoQuorum) || took > noQuorumWithin {
		s.Errorf("a consistent read in a minority: %v after %s", err, took)
	}
}

// showsLost wants a locate to say which trusts cannot be reached.
func (s *stage) showsLost(at federation.TrustID, lost []federation.TrustID) error {
	found, err := s.r.Locate(s.ctx, at, s.patients[0].NHSNumber)
	if err != nil {
		return err
	}
	for _, site := range found.GetSites() {
		if gone := slices.Contains(lost, federation.TrustID(site.GetTrust())); gone == site.GetReachable() {
			return want(false, "%s says of %s: reachable %v", at, site.GetTrust(), site.GetReachable())
		}
	}
	return nil
}

// directives counts the objections in force for a document's patient, in a trust's copy.
func (s *stage) directives(at federation.TrustID, id federation.DocumentID) (n int) {
	s.Helper()
	s.must(s.r.Node(at).Agreed(s.ctx, consensus.Local(), func(r consensus.Reader) error {
		p, _, _, err := index.Pointer(r, id)
		if err != nil {
			return err
		}
		active, err := index.Directives(r, p.Subject)
		n = len(active)
		return err
	}))
	return n
}

// TestHealedEvenSplitMerges splits four trusts two and two, for long, so that each half has given the other up.
func TestHealedEvenSplitMerges(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(4)}, func(s *stage) {
		all := s.r.Trusts()
		s.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		a := s.published(all[0], s.patients[0], 1000)
		s.must(s.r.Partition(all[:2], all[2:]))
		s.pass(s.between(time.Minute, 3*time.Minute))
		s.must(s.showsLost(all[0], all[2:]))
		s.must(s.showsLost(all[3], all[:2]))
		b := s.take(all[3], s.patients[0], 1000)
		s.must(s.r.Heal())
		healed := time.Now()
		s.must(s.soon(time.Minute, "the halves to merge", s.r.Ready))
		s.Logf("merged after %s", time.Since(healed).Round(time.Millisecond))
		s.must(s.soon(10*time.Second, "what waited to be told", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.must(s.soon(10*time.Second, "equal roots", s.r.Converged))
		s.must(s.sees(all[0], s.patients[0], b))
		s.fetch(all[0], b, "")
		s.fetch(all[3], a, "")
	})
}

// TestNodeThatWasAwayFindsANewLeader brings a node back after trusts have joined that it never heard of, one of which leads.
func TestNodeThatWasAwayFindsANewLeader(t *testing.T) {
	o := RegionOptions{Members: members(4), Tune: shortLogs}
	play(t, seeds(1, 1), o, func(s *stage) {
		before := s.published(rqm, s.patients[0], 1000)
		s.must(s.r.Stop(rqm))
		newcomers := []Member{{"RX1", "Newcomer 1"}, {"RX2", "Newcomer 2"}}
		for _, m := range newcomers {
			s.join(ryj, m)
		}
		var fresh federation.TrustID // the newcomer that gets the fifth vote
		s.until(time.Minute, "a newcomer to vote", func() error {
			for _, m := range newcomers {
				if st := s.r.Node(m.Trust).Consensus(); len(st.Voters) == 5 && st.State == consensus.Follower {
					fresh = m.Trust
					return nil
				}
			}
			return errNotYet
		})
		for range 12 {
			s.published(fresh, s.patients[1], 300)
		}
		s.pass(s.between(time.Minute, 2*time.Minute)) // the log that the one that is away knows is cut
		for range 200 {
			leader := s.leader()
			if leader == fresh {
				break
			}
			s.must(s.r.Isolate(leader))
			s.majorityLeader(leader)
			s.must(s.r.Heal())
			s.pass(5 * time.Second) // the one that was cut off follows again
		}
		s.must(want(s.leader() == fresh, "the newcomer never came to lead"))
		s.must(s.r.Restart(s.ctx, rqm))
		back := time.Now()
		// For a minute it holds out for those that it knows: a stranger that claims to lead must wait that long.
		s.must(s.soon(2*time.Minute, "the one that was away to catch up", s.r.Converged))
		s.Logf("caught up after %s", time.Since(back).Round(time.Millisecond))
		id := s.published(fresh, s.patients[0], 1000)
		s.until(10*time.Second, "locate", func() error { return s.sees(rqm, s.patients[0], id) })
		s.fetch(rqm, id, "")
		s.fetch("RX2", before, "")
		s.published(rqm, s.patients[0], 1000)
	})
}

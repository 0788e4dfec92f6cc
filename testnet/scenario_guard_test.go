package testnet

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// poison is one request of a rogue on the raft lane.
type poison struct {
	name  string
	frame byte
	body  []byte
	more  []byte // bytes that follow the frame
	why   string // the reason that must be counted
}

// TestPoisonedRaftPeerIsStopped has the keys of a member used by a program that speaks raft and means harm: first of one that
// has no vote, then of one that has.
func TestPoisonedRaftPeerIsStopped(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(5), Voters: 3}, func(s *stage) {
		for i, at := range s.r.Trusts() {
			s.published(at, s.patients[i], 1000)
		}
		s.must(s.r.Converged(s.ctx))
		voters, observers := s.suffrage()
		leader := s.leader()
		follower := slices.DeleteFunc(slices.Clone(voters), func(t federation.TrustID) bool { return t == leader })

		g := s.impostor(observers[0])
		for _, to := range []federation.TrustID{leader, follower[0], observers[1]} {
			g.poisons(to, func(st consensus.Status) []poison { return g.withoutAVote(st) })
		}
		g.close()
		s.must(s.r.Restart(s.ctx, observers[0]))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))

		g = s.impostor(follower[1])
		for _, to := range []federation.TrustID{leader, follower[0], observers[1]} {
			g.poisons(to, func(st consensus.Status) []poison { return g.withAVote(st, g.nodes[leader]) })
		}
		g.close()
		if now := s.leader(); now != leader {
			s.Errorf("%s leads, and before the attack it was %s", now, leader)
		}
		s.must(s.r.Restart(s.ctx, follower[1]))
		s.published(follower[1], s.patients[0], 1000)
	})
}

// suffrage returns the voters and the observers.
func (s *stage) suffrage() (voters, observers []federation.TrustID) {
	s.Helper()
	st := s.r.Node(ryj).Consensus()
	for _, t := range s.r.Trusts() {
		if slices.Contains(st.Voters, s.r.Node(t).Consensus().ID) {
			voters = append(voters, t)
		} else {
			observers = append(observers, t)
		}
	}
	s.must(want(len(voters) == 3 && len(observers) == 2, "%d voters, %d observers", len(voters), len(observers)))
	return voters, observers
}

// poisons sends each request to a node and wants it to be refused, counted, and without any effect.
func (g *rogue) poisons(to federation.TrustID, list func(consensus.Status) []poison) {
	g.s.Helper()
	before := g.s.r.Node(to).Consensus()
	for _, p := range list(before) {
		was := g.s.r.Node(to).Consensus()
		kind, answer, err := g.exchange(to, raftRequests, p.frame, p.body, p.more)
		now := g.s.r.Node(to).Consensus()
		if counted := now.Refused[p.why] - was.Refused[p.why]; counted == 0 {
			g.s.Errorf("%s to %s: not counted as %s, but %v; before %v", p.name, to, p.why, now.Refused, was.Refused)
		}
		if err == nil && kind != frameFailed && !(kind == frameAnswer && p.why == "configuration") {
			g.s.Errorf("%s to %s: answered with %d % x", p.name, to, kind, answer)
		}
		if now.Term != was.Term || now.Leader != was.Leader || now.State != was.State || now.Commit < was.Commit || now.Applied < was.Applied || now.LastLog < was.LastLog {
			g.s.Errorf("%s to %s: was %s, is %s", p.name, to, standing(was), standing(now))
		}
	}
	after := g.s.r.Node(to).Consensus()
	if !slices.Equal(before.Voters, after.Voters) || !slices.Equal(before.Observers, after.Observers) {
		g.s.Errorf("the attack changed the group that %s knows", to)
	}
	g.s.Logf("%s refused %v", to, maps.Collect(maps.All(after.Refused)))
}

func standing(st consensus.Status) string {
	return fmt.Sprintf("%s of term %d, leader %.8s, log %d, committed %d, applied %d", st.State, st.Term, st.Leader, st.LastLog, st.Commit, st.Applied)
}

const monstrous = ^uint64(0)

// everywhere are requests that nobody may make, whoever they are.
func (g *rogue) everywhere(st consensus.Status) []poison {
	other := *g
	other.id[0] ^= 1
	return []poison{
		{"a header with another's name", frameAppend, other.appendEntries(st.Term, 0, 0, 0), nil, "identity"},
		{"a request that does not decode", frameVote, garbage(g.s.dice, 40), nil, "malformed"},
		{"a frame of no kind", 99, garbage(g.s.dice, 40), nil, "malformed"},
		{"a frame that claims 4 GiB", frameVote, nil, nil, "malformed"},
		{"a transfer of leadership", frameTimeout, g.header(), nil, "not_leader"},
	}
}

// withoutAVote are the requests of a member that is no voter.
func (g *rogue) withoutAVote(st consensus.Status) []poison {
	forged := command(garbage(g.s.dice, 200))
	forged.index, forged.term = st.LastLog+1, st.Term+1
	return append(g.everywhere(st),
		poison{"a leader's heartbeat", frameAppend, g.appendEntries(st.Term, 0, 0, 0), nil, "not_voter"},
		poison{"a leader's heartbeat of the next term", frameAppend, g.appendEntries(st.Term+1, 0, 0, 0), nil, "not_voter"},
		poison{"the largest term", frameAppend, g.appendEntries(monstrous, 0, 0, 0), nil, "not_voter"},
		poison{"a forged entry", frameAppend, g.appendEntries(st.Term+1, st.LastLog, st.Term, st.LastLog+1, forged), nil, "not_voter"},
		poison{"a vote of the next term", frameVote, g.vote(st.Term+1, st.LastLog+100, st.Term+1), nil, "not_voter"},
		poison{"a vote of the largest term", frameVote, g.vote(monstrous, monstrous, monstrous), nil, "not_voter"},
		poison{"a pre-vote of the largest term", framePreVote, g.vote(monstrous, monstrous, monstrous)[:len(g.vote(monstrous, monstrous, monstrous))-1], nil, "not_voter"},
		poison{"a snapshot", frameSnapshot, g.install(st.Term+1, st.LastLog+1000, st.Term+1, nil, 100), garbage(g.s.dice, 100), "not_voter"},
	)
}

// withAVote are the requests of a voter that does not lead. leads is the node that does.
func (g *rogue) withAVote(st consensus.Status, leads federation.NodeID) []poison {
	old := command(garbage(g.s.dice, 200))
	old.index, old.term = st.Commit, st.Term+1
	gap := command(garbage(g.s.dice, 200))
	gap.index, gap.term = st.LastLog+7, st.Term
	none := entry{index: st.LastLog + 1, term: st.Term + 1, kind: entryCommand}
	large := command(make([]byte, consensus.MaxCommand+1))
	large.index, large.term = st.LastLog+1, st.Term+1
	unknown := entry{index: st.LastLog + 1, term: st.Term + 1, kind: 200, data: []byte{1, 2, 3}}
	broken := entry{index: st.LastLog + 1, term: st.Term + 1, kind: entryConfiguration, data: []byte{0xff, 0xff, 0xff}}
	next := st.Term + 1
	out := append(g.everywhere(st),
		poison{"the largest term", frameAppend, g.appendEntries(monstrous, 0, 0, 0), nil, "term"},
		poison{"a term beyond the bound", frameAppend, g.appendEntries(st.Term+1001, 0, 0, 0), nil, "term"},
		poison{"a vote of the largest term", frameVote, g.vote(monstrous, monstrous, monstrous), nil, "term"},
		poison{"a snapshot of the largest term", frameSnapshot, g.install(monstrous, st.LastLog+1000, st.Term, nil, 100), garbage(g.s.dice, 100), "term"},
		poison{"an entry that contradicts a committed one", frameAppend, g.appendEntries(next, st.Commit-1, st.Term, st.Commit, old), nil, "conflict"},
		poison{"entries with a gap", frameAppend, g.appendEntries(next, st.LastLog, st.Term, st.Commit, gap), nil, "entry"},
		poison{"an entry without data", frameAppend, g.appendEntries(next, st.LastLog, st.Term, st.Commit, none), nil, "entry"},
		poison{"an entry that is too large", frameAppend, g.appendEntries(next, st.LastLog, st.Term, st.Commit, large), nil, "entry"},
		poison{"an entry of no type", frameAppend, g.appendEntries(next, st.LastLog, st.Term, st.Commit, unknown), nil, "entry"},
		poison{"a configuration that does not decode", frameAppend, g.appendEntries(next, st.LastLog, st.Term, st.Commit, broken), nil, "configuration"},
		poison{"a snapshot of the past", frameSnapshot, g.install(next, st.Commit, st.Term, nil, 100), garbage(g.s.dice, 100), "snapshot"},
		poison{"a snapshot of no configuration", frameSnapshot, g.install(next, st.LastLog+1000, st.Term, []byte{0xff}, 100), garbage(g.s.dice, 100), "configuration"},
		poison{"a snapshot larger than any", frameSnapshot, g.install(next, st.LastLog+1000, st.Term, nil, 1<<62), nil, "snapshot"},
	)
	if st.Leader != "" && st.State != consensus.Leader && string(st.Leader) == leads.String() {
		forged := command(garbage(g.s.dice, 200))
		forged.index, forged.term = st.LastLog+1, st.Term
		out = append(out,
			poison{"a second leader's heartbeat", frameAppend, g.appendEntries(st.Term, 0, 0, 0), nil, "second_leader"},
			poison{"a second leader's entry", frameAppend, g.appendEntries(st.Term, st.LastLog, st.Term, st.LastLog+1, forged), nil, "second_leader"})
	}
	return out
}

package consensus

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// refusal is why the guard dropped something. Do not reorder: the texts are metric labels.
type refusal int

const (
	refusedStranger      refusal = iota // not a Member
	refusedIdentity                     // the header names another id than TLS proved
	refusedProtocol                     // a protocol version this build does not speak
	refusedMalformed                    // the frame does not decode, or is too large
	refusedNotConfigured                // a leader's RPC from outside of the configuration
	refusedNotVoter                     // a candidate or leader that has no vote
	refusedNotLeader                    // a transfer from one that does not lead
	refusedSecondLeader                 // two leaders in one term
	refusedTerm                         // a term far ahead
	refusedEntry                        // an entry that cannot be digested
	refusedConflict                     // an entry that contradicts a committed one
	refusedConfiguration                // a configuration that does not decode or adds a non-member
	refusedSnapshot                     // a snapshot that goes back, or is too large
	refusedForgotten                    // this replica gave up its vote
	refusedStreams                      // too many streams of one peer
	refusedUnfit                        // a command that the Machine does not want in the log
	refusals                            // how many there are
)

func (r refusal) String() string {
	switch r {
	case refusedStranger:
		return "stranger"
	case refusedIdentity:
		return "identity"
	case refusedProtocol:
		return "protocol"
	case refusedMalformed:
		return "malformed"
	case refusedNotConfigured:
		return "not_configured"
	case refusedNotVoter:
		return "not_voter"
	case refusedNotLeader:
		return "not_leader"
	case refusedSecondLeader:
		return "second_leader"
	case refusedTerm:
		return "term"
	case refusedEntry:
		return "entry"
	case refusedConflict:
		return "conflict"
	case refusedConfiguration:
		return "configuration"
	case refusedSnapshot:
		return "snapshot"
	case refusedForgotten:
		return "forgotten"
	case refusedStreams:
		return "streams"
	case refusedUnfit:
		return "unfit"
	case refusals:
	}
	return "unknown"
}

// refusedError carries a refusal.
type refusedError struct {
	why  refusal
	text string
}

func (e *refusedError) Error() string { return "refused: " + e.why.String() + ": " + e.text }

func refuse(why refusal, format string, args ...any) *refusedError {
	return &refusedError{why: why, text: fmt.Sprintf(format, args...)}
}

const (
	// maxTermJump is how far a term may be ahead of ours. Pre-vote keeps honest terms together.
	maxTermJump = 1000
	// maxFirstTerm bounds the term that a replica without any configuration takes from a Member.
	maxFirstTerm = 1 << 40
	// orphaned is how long a replica hears of no leader before it lets any Member lead it: while it was away, all
	// the servers that it knows may have been replaced.
	orphaned = time.Minute
)

// raftView is what the guard has to know of raft.
type raftView interface {
	CurrentTerm() uint64
	LeaderWithID() (raft.ServerAddress, raft.ServerID)
	State() raft.RaftState
	LastContact() time.Time
}

// guard stands between the network and raft, which believes whoever reaches it. Every request passes check; what it refuses has
// no effect on term, vote, log or state, and is counted.
type guard struct {
	id        ID
	member    func(ID) bool
	raft      raftView
	latest    func() raft.Configuration // the newest configuration in the log
	floor     func() position           // committed or applied
	entry     func(index uint64, l *raft.Log) error
	forgotten func() bool
	started   time.Time
	snapshot  int64 // largest snapshot
	// patience is how long this replica hears of no leader before it lets an observer, promoted meanwhile, lead it.
	patience time.Duration
	adopted  atomic.Value // ID of the last leader that was let in after a silence

	counts  [refusals]atomic.Uint64
	counted func(refusal) // metrics; may be nil
}

// drop counts a refusal and returns it.
func (g *guard) drop(err *refusedError) error {
	g.counts[err.why].Add(1)
	if g.counted != nil {
		g.counted(err.why)
	}
	return err
}

// counters returns the refusals so far, those that happened only.
func (g *guard) counters() map[string]uint64 {
	m := make(map[string]uint64)
	for i := range refusals {
		if n := g.counts[i].Load(); n > 0 {
			m[i.String()] = n
		}
	}
	return m
}

// check passes judgement on one request. When short is set, the request was shortened to what may be taken, and the answer
// must not be a success.
func (g *guard) check(peer ID, request any) (short bool, err error) {
	short, bad := g.judge(peer, request)
	if bad != nil {
		return short, g.drop(bad)
	}
	return short, nil
}

func (g *guard) judge(peer ID, request any) (short bool, bad *refusedError) {
	if !g.member(peer) {
		return false, refuse(refusedStranger, "%s", peer)
	}
	h, ok := request.(raft.WithRPCHeader)
	if !ok {
		return false, refuse(refusedMalformed, "%T", request)
	}
	header := h.GetRPCHeader()
	if string(header.ID) != string(peer) || string(header.Addr) != string(peer) {
		return false, refuse(refusedIdentity, "%s speaks as %.64q", peer, header.ID)
	}
	if header.ProtocolVersion != raft.ProtocolVersionMax {
		return false, refuse(refusedProtocol, "version %d", header.ProtocolVersion)
	}
	switch r := request.(type) {
	case *raft.AppendEntriesRequest:
		if bad := g.leader(peer, r.Term); bad != nil {
			return false, bad
		}
		return g.entries(r)
	case *raft.InstallSnapshotRequest:
		if bad := g.leader(peer, r.Term); bad != nil {
			return false, bad
		}
		return false, g.install(r)
	case *raft.RequestVoteRequest:
		return false, g.candidate(peer, r.Term)
	case *raft.RequestPreVoteRequest:
		return false, g.candidate(peer, r.Term)
	case *raft.TimeoutNowRequest:
		if _, leader := g.raft.LeaderWithID(); leader != raft.ServerID(peer) || g.raft.State() == raft.Leader {
			return false, refuse(refusedNotLeader, "%s", peer)
		}
		if g.forgotten() {
			return false, refuse(refusedForgotten, "")
		}
		return false, nil
	}
	return false, refuse(refusedMalformed, "%T", request)
}

func (g *guard) term(term uint64, known bool) *refusedError {
	now := g.raft.CurrentTerm()
	limit := now + maxTermJump
	if !known && now < maxFirstTerm {
		limit = maxFirstTerm
	}
	if term > limit {
		return refuse(refusedTerm, "%d, ours is %d", term, now)
	}
	return nil
}

// leader judges who claims to lead. Without a configuration this replica is joining, and any Member may be the first.
func (g *guard) leader(peer ID, term uint64) *refusedError {
	c := g.latest()
	known := len(c.Servers) > 0
	if known && !isVoter(c, peer) {
		if bad := g.usurper(c, peer); bad != nil {
			return bad
		}
	}
	if bad := g.term(term, known); bad != nil {
		return bad
	}
	// The leader is cleared before the term changes, so what is read between two equal terms is the leader of that term.
	before := g.raft.CurrentTerm()
	_, leader := g.raft.LeaderWithID()
	if before == term && g.raft.CurrentTerm() == term && leader != "" && leader != raft.ServerID(peer) {
		return refuse(refusedSecondLeader, "%s in term %d of %s", peer, term, leader)
	}
	return nil
}

// usurper judges a leader that the configuration here gives no vote. It may be the configuration that is old: voters were
// added while this replica lagged or was away. Whoever hears of a leader is not in that position. One that was let in goes on
// to lead for as long as raft follows it: bringing this replica up to date takes more than one request.
func (g *guard) usurper(c raft.Configuration, peer ID) *refusedError {
	if _, leader := g.raft.LeaderWithID(); leader == raft.ServerID(peer) && g.adopted.Load() == peer {
		return nil
	}
	last := g.raft.LastContact()
	if last.Before(g.started) {
		last = g.started
	}
	silence := time.Since(last)
	if g.raft.State() == raft.Leader {
		silence = 0
	}
	if _, in := suffrage(c, peer); in {
		if silence < g.patience {
			return refuse(refusedNotVoter, "%s leads", peer)
		}
	} else if silence < orphaned {
		return refuse(refusedNotConfigured, "%s leads", peer)
	}
	g.adopted.Store(peer)
	return nil
}

// candidate judges who asks for a vote.
func (g *guard) candidate(peer ID, term uint64) *refusedError {
	if g.forgotten() {
		return refuse(refusedForgotten, "")
	}
	c := g.latest()
	if !isVoter(c, peer) {
		return refuse(refusedNotVoter, "%s", peer)
	}
	return g.term(term, true)
}

// entries judges what a leader wants appended.
func (g *guard) entries(a *raft.AppendEntriesRequest) (short bool, bad *refusedError) {
	floor := g.floor()
	term := a.PrevLogTerm
	for i, l := range a.Entries {
		if l.Index != a.PrevLogEntry+1+uint64(i) || l.Index == 0 {
			return false, refuse(refusedEntry, "entry %d follows %d", l.Index, a.PrevLogEntry+uint64(i))
		}
		if l.Term < term || l.Term > a.Term || l.Term == 0 {
			return false, refuse(refusedEntry, "entry %d of term %d after term %d", l.Index, l.Term, term)
		}
		term = l.Term
		if err := checkEntry(l); err != nil {
			if l.Type == raft.LogConfiguration {
				return false, refuse(refusedConfiguration, "%v", err)
			}
			return false, refuse(refusedEntry, "%v", err)
		}
		if l.Index <= floor.index {
			var ours raft.Log
			if err := g.entry(l.Index, &ours); err == nil && ours.Term != l.Term {
				return false, refuse(refusedConflict, "entry %d, committed up to %d", l.Index, floor.index)
			}
		}
		if l.Type == raft.LogConfiguration && l.Index > a.LeaderCommitIndex && !g.addsMembersOnly(l) {
			// The roster that names the new server may be on its way, before this entry. Take what comes before.
			g.count(refusedConfiguration)
			a.Entries = a.Entries[:i]
			return true, nil
		}
	}
	return false, nil
}

func (g *guard) count(why refusal) {
	g.counts[why].Add(1)
	if g.counted != nil {
		g.counted(why)
	}
}

// addsMembersOnly reports whether each server of a new configuration is a Member or in the latest configuration already: one
// that was suspended stays until it is removed. Committed configurations are history and may name who has left since.
func (g *guard) addsMembersOnly(l *raft.Log) bool {
	c, err := decodeConfiguration(l.Data)
	if err != nil {
		return false
	}
	latest := g.latest()
	for _, s := range c.Servers {
		if _, in := suffrage(latest, ID(s.ID)); !in && ID(s.ID) != g.id && !g.member(ID(s.ID)) {
			return false
		}
	}
	return true
}

// install judges a snapshot by its announcement.
func (g *guard) install(s *raft.InstallSnapshotRequest) *refusedError {
	floor := g.floor()
	switch {
	case s.SnapshotVersion != raft.SnapshotVersionMax:
		return refuse(refusedSnapshot, "version %d", s.SnapshotVersion)
	case s.Size < snapshotOverhead || s.Size > g.snapshot:
		return refuse(refusedSnapshot, "%d bytes", s.Size)
	case s.LastLogIndex <= floor.index:
		return refuse(refusedSnapshot, "index %d, committed up to %d", s.LastLogIndex, floor.index)
	case s.LastLogTerm > s.Term || s.LastLogTerm < floor.term:
		return refuse(refusedSnapshot, "term %d", s.LastLogTerm)
	case s.ConfigurationIndex > s.LastLogIndex:
		return refuse(refusedSnapshot, "configuration of index %d", s.ConfigurationIndex)
	}
	if _, err := decodeConfiguration(s.Configuration); err != nil {
		return refuse(refusedConfiguration, "%v", err)
	}
	return nil
}

// answered judges a response: a term far ahead would make raft follow it.
func (g *guard) answered(a answer) error {
	if bad := g.term(a.term, true); bad != nil {
		return g.drop(bad)
	}
	return nil
}

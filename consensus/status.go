package consensus

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// State is what a replica is doing. The zero value is invalid.
type State uint8

// The states of a replica.
const (
	// Joining replicas have no configuration yet.
	Joining State = iota + 1
	// Follower replicas vote and follow a leader, or wait for one.
	Follower
	// Candidate replicas stand for election.
	Candidate
	// Leader replicas order the commands.
	Leader
	// Observer replicas have a full copy and no vote.
	Observer
	// Removed replicas were taken out of the configuration and have stopped. Their state can be read with Local.
	Removed
	// Stopped replicas met an error after which going on could make replicas differ; see Status.Cause.
	Stopped
	// Closed replicas were closed.
	Closed
)

// String returns the state's name in lower case.
func (s State) String() string {
	switch s {
	case Joining:
		return "joining"
	case Follower:
		return "follower"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	case Observer:
		return "observer"
	case Removed:
		return "removed"
	case Stopped:
		return "stopped"
	case Closed:
		return "closed"
	}
	return "invalid"
}

// Status is what a replica knows of itself and its region. It proves nothing: another leader may exist already.
type Status struct {
	ID    ID
	State State
	// Cause says why the replica is Stopped, Removed or Closed.
	Cause error
	// Leader is the leader that this replica follows; empty when it knows none.
	Leader ID
	Term   uint64
	// LastLog, Commit and Applied are indexes: of the last entry in the log, the last one known to be committed and the last
	// one whose effects are in the state. Entries that raft adds for itself are not applied, so Applied may stay below Commit.
	LastLog, Commit, Applied uint64
	// Voters and Observers are the newest configuration in the log.
	Voters, Observers []ID
	// LastContact is when the leader was last heard of; zero on the leader.
	LastContact time.Time
	// Merging says that tables of the state are being merged, or will be once no rows have come for a while. Reading may take longer
	// until that has ended.
	Merging bool
	// Forgotten says that the replica gave up its vote, see Forget.
	Forgotten bool
	// Refused counts what the guard dropped, by reason.
	Refused map[string]uint64
}

// Status returns the present status. It is safe to call at any time, after Close as well.
func (r *Replica) Status() Status {
	s := Status{ID: r.config.ID, Cause: r.stoppedErr(), Applied: r.machine.applied.get().index}
	node := r.running.Load()
	if node == nil {
		s.State = Joining
		return s
	}
	if state, err := r.machine.current(); err == nil {
		s.Merging = state.merging.Load()
		state.release()
	}
	s.Forgotten = r.mark.get().forgotten
	s.Refused = r.guard.counters()
	s.Term, s.LastLog, s.Commit = node.CurrentTerm(), node.LastIndex(), max(node.CommitIndex(), s.Applied)
	s.Leader = r.leader()
	c := r.latest()
	for _, server := range c.Servers {
		if server.Suffrage == raft.Voter {
			s.Voters = append(s.Voters, ID(server.ID))
		} else {
			s.Observers = append(s.Observers, ID(server.ID))
		}
	}
	s.State = r.state(node.State(), c, s.Cause)
	if s.State != Leader {
		s.LastContact = node.LastContact()
	}
	return s
}

func (r *Replica) state(now raft.RaftState, c raft.Configuration, cause error) State {
	switch {
	case errors.Is(cause, ErrClosed):
		return Closed
	case errors.Is(cause, ErrRemoved):
		return Removed
	case cause != nil:
		return Stopped
	case now == raft.Leader:
		return Leader
	case now == raft.Candidate:
		return Candidate
	case len(c.Servers) == 0:
		return Joining
	case isVoter(c, r.config.ID):
		return Follower
	}
	return Observer
}

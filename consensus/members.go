package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/hashicorp/raft"
)

// AddVoter makes a replica a voter, on the leader only. One that is not in the configuration becomes an observer first, and a
// voter once it has caught up: a voter that is empty could block elections. It returns once the change is committed;
// catching up takes as long as ctx allows, every other step Config.CommandTimeout at most. When it returns, the voters
// that can be reached know of the vote: until one does, it refuses to elect the new voter.
func (r *Replica) AddVoter(ctx context.Context, id ID) error {
	if err := r.mayAdd(id); err != nil {
		return err
	}
	c := r.latest()
	if isVoter(c, id) {
		return nil
	}
	if _, in := suffrage(c, id); !in {
		if err := r.AddObserver(ctx, id); err != nil {
			return err
		}
	}
	if err := r.catchUp(ctx, id); err != nil {
		return fmt.Errorf("add voter %s: %w", id, err)
	}
	err := r.reconfigure(ctx, "add voter", id, func() raft.IndexFuture {
		return r.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(id), 0, r.config.CommandTimeout)
	})
	if err == nil {
		r.spread(ctx)
	}
	return err
}

// spread waits, two elections at most, until the other voters have applied what this leader has. It is no error when they
// have not: they may be away.
func (r *Replica) spread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*r.config.Election)
	defer cancel()
	c, index := r.latest(), r.machine.applied.get().index
	if m := r.machine.members.Load(); m != nil {
		index = max(index, m.index)
	}
	var waiting sync.WaitGroup
	for _, s := range c.Servers {
		if s.Suffrage != raft.Voter || ID(s.ID) == r.config.ID {
			continue
		}
		waiting.Go(func() {
			if _, _, err := r.caller.do(ctx, ID(s.ID), call{kind: frameWaitApplied, index: index}, nil); err != nil {
				r.config.Logger.Debug("voter has not heard of a promotion", slog.String("voter", string(s.ID)), slog.String("error", err.Error()))
			}
		})
	}
	waiting.Wait()
}

// AddObserver makes a replica hold a full copy without a vote, on the leader only. A voter stays a voter.
func (r *Replica) AddObserver(ctx context.Context, id ID) error {
	if err := r.mayAdd(id); err != nil {
		return err
	}
	if _, in := suffrage(r.latest(), id); in {
		return nil
	}
	return r.reconfigure(ctx, "add observer", id, func() raft.IndexFuture {
		return r.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(id), 0, r.config.CommandTimeout)
	})
}

// Demote makes a voter an observer, on the leader only. The last voter cannot be demoted.
func (r *Replica) Demote(ctx context.Context, id ID) error {
	if !isVoter(r.latest(), id) {
		return r.leads()
	}
	return r.reconfigure(ctx, "demote", id, func() raft.IndexFuture {
		return r.raft.DemoteVoter(raft.ServerID(id), 0, r.config.CommandTimeout)
	})
}

// Remove takes a replica out of the configuration, on the leader only. The replica notices and stops; a leader that
// removes itself stops once the removal is committed.
func (r *Replica) Remove(ctx context.Context, id ID) error {
	if _, in := suffrage(r.latest(), id); !in {
		return r.leads()
	}
	return r.reconfigure(ctx, "remove", id, func() raft.IndexFuture {
		return r.raft.RemoveServer(raft.ServerID(id), 0, r.config.CommandTimeout)
	})
}

// Transfer hands leadership to the voter that is furthest, on the leader only.
func (r *Replica) Transfer(ctx context.Context) error {
	if err := r.leads(); err != nil {
		return err
	}
	return r.await(ctx, "transfer leadership", func() raft.Future { return r.raft.LeadershipTransfer() })
}

// mayAdd checks what raft would take on trust.
func (r *Replica) mayAdd(id ID) error {
	if err := r.leads(); err != nil {
		return err
	}
	if !id.Valid() || !r.config.Member(id) {
		return fmt.Errorf("%.80q: %w", string(id), ErrNotMember)
	}
	return nil
}

func (r *Replica) leads() error {
	if err := r.stoppedErr(); err != nil {
		return err
	}
	if r.raft.State() != raft.Leader {
		return ErrNotLeader
	}
	return nil
}

func (r *Replica) reconfigure(ctx context.Context, what string, id ID, change func() raft.IndexFuture) error {
	if err := r.leads(); err != nil {
		return err
	}
	return r.await(ctx, what+" "+string(id), func() raft.Future { return change() })
}

// await runs a change that raft answers in its own time.
func (r *Replica) await(ctx context.Context, what string, change func() raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- outcome(change(), r.dead) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w: %w", what, ErrOutcomeUnknown, ctx.Err())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("%s: %w", what, ErrNotLeader)
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown):
		return fmt.Errorf("%s: %w: %w", what, ErrOutcomeUnknown, err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%s: %w: %w", what, ErrNoQuorum, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// catchUp waits until a replica has applied what this leader has applied so far.
func (r *Replica) catchUp(ctx context.Context, id ID) error {
	index := r.machine.applied.get().index
	for {
		step, cancel := r.limited(ctx)
		answer, _, err := r.caller.do(step, id, call{kind: frameWaitApplied, index: index}, nil)
		if err == nil && answer.code == replyDone {
			cancel()
			return nil
		}
		<-step.Done() // not there yet, or not reachable: again after a while
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("%w: it has not caught up with entry %d: %w", ErrNoQuorum, index, ctx.Err())
		}
		if err := r.leads(); err != nil {
			return err
		}
	}
}

func voters(c raft.Configuration) int {
	n := 0
	for _, s := range c.Servers {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}

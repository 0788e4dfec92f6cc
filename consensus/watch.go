package consensus

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// watch looks after what raft does not: a log that hangs or grows too large, a removal, a vote that was given up.
func (r *Replica) watch() {
	defer r.watching.Done()
	ticker := time.NewTicker(min(max(r.config.Heartbeat/2, 50*time.Millisecond), 500*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-r.stopped:
			if err := r.shutdown().Error(); err != nil {
				r.config.Logger.Error("raft did not end", slog.String("error", err.Error()))
			}
			close(r.dead)
			return
		case <-ticker.C:
		}
		r.checkLog()
		r.checkSize()
		r.checkStanding()
	}
}

// checkLog hands leadership on after a log write that took too long. While it is still under way raft's main loop hangs with it and
// heartbeats alone would keep the others from an election: the transport mutes them, see transport.muted.
func (r *Replica) checkLog() {
	took := r.store.takeSlow()
	if took < r.config.SlowLogWrite || r.raft.State() != raft.Leader || voters(r.latest()) < 2 {
		return
	}
	r.config.Logger.Warn("log write was slow, handing leadership on", slog.Duration("took", took))
	r.watching.Add(1)
	go func() {
		defer r.watching.Done()
		ctx, cancel := r.limited(lifetime(r.stopped))
		defer cancel()
		if err := r.Transfer(ctx); err != nil {
			r.config.Logger.Warn("leadership was not handed on", slog.String("error", err.Error()))
		}
	}()
}

// checkStanding finds out whether this replica was removed, or lost the vote that it gave up. Both are settled in a
// goroutine of their own, one at a time.
func (r *Replica) checkStanding() {
	c := r.latest()
	if len(c.Servers) == 0 || r.raft.State() == raft.Leader {
		return
	}
	_, in := suffrage(c, r.config.ID)
	silent := time.Since(r.raft.LastContact()) > max(3*time.Second, 6*r.config.Election)
	removed := !in && silent
	lostVote := r.mark.get().forgotten && !isVoter(c, r.config.ID)
	if !removed && !lostVote || !r.asking.CompareAndSwap(false, true) {
		return
	}
	r.watching.Add(1)
	go func() {
		defer r.watching.Done()
		defer r.asking.Store(false)
		ctx, cancel := r.limited(lifetime(r.stopped))
		defer cancel()
		if removed {
			r.checkRemoved(ctx, c)
		} else {
			r.checkVote(ctx)
		}
	}()
}

// checkRemoved stops the replica if its removal is committed. The leader stops talking to a replica with the entry that
// removes it, often before that is committed, so the voters are asked. One that joined again and is replaying old removals
// hears of a leader, and does not come here.
func (r *Replica) checkRemoved(ctx context.Context, c raft.Configuration) {
	applied := r.machine.members.Load()
	if applied != nil && applied.data != nil {
		if committed, err := decodeConfiguration(applied.data); err == nil {
			if _, in := suffrage(committed, r.config.ID); !in {
				r.removed()
				return
			}
		}
	}
	for _, s := range c.Servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		step, cancel := context.WithTimeout(ctx, r.transport.short)
		answer, _, err := r.caller.do(step, ID(s.ID), call{kind: frameMember, index: r.machine.applied.get().index}, nil)
		cancel()
		if err == nil && answer.code == replyGone {
			r.removed()
			return
		}
	}
}

func (r *Replica) removed() {
	r.config.Logger.Warn("this replica was removed from the configuration", slog.String("id", string(r.config.ID)))
	r.halt(ErrRemoved)
}

// answerMember tells a peer whether the committed configuration has it.
func (r *Replica) answerMember(peer ID, since uint64) reply {
	m := r.machine.members.Load()
	if m == nil || m.data == nil || r.machine.applied.get().index < since {
		return reply{code: replyStopped}
	}
	c, err := decodeConfiguration(m.data)
	if err != nil {
		return reply{code: replyStopped}
	}
	if _, in := suffrage(c, peer); !in {
		return reply{code: replyGone, index: m.index}
	}
	return reply{code: replyDone, index: m.index}
}

// checkVote ends the time without a vote once the current configuration, as of now, gives this replica none. The log may still be
// replaying configurations of long ago, so the leader is asked first.
func (r *Replica) checkVote(ctx context.Context) {
	index, err := r.ReadIndex(ctx)
	if err != nil || r.WaitApplied(ctx, index) != nil {
		return // again at the next tick
	}
	m := r.machine.members.Load()
	if m == nil || m.data == nil {
		return
	}
	c, err := decodeConfiguration(m.data)
	if err != nil || isVoter(c, r.config.ID) || isVoter(r.latest(), r.config.ID) {
		return
	}
	if err := r.recall(); err != nil {
		r.halt(err)
	}
}

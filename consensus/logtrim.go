package consensus

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// trimPause is how long after one attempt the next one is made: what stands in its way takes as long.
const trimPause = 5 * time.Second

// checkSize cuts the log when it has half as much again as it is to keep. Raft does so by the number of entries, see
// Config.TrailingLogs; a log of large entries would take more room than the state by then.
func (r *Replica) checkSize() {
	keep := r.config.Storage.LogKeep
	if r.store.scale.bytes() <= keep+keep/2 || time.Since(r.trimmed) < trimPause {
		return
	}
	trailing := r.store.scale.newest(keep)
	if held, any := r.sends.oldest(time.Now()); any {
		if last := r.raft.LastIndex(); last >= held {
			trailing = max(trailing, last-held+1)
		}
	}
	first, err := r.store.FirstIndex()
	if err != nil || trailing >= r.config.TrailingLogs || r.raft.LastIndex() < first+trailing {
		return // raft does it, or all of it is held
	}
	if !r.trimming.CompareAndSwap(false, true) {
		return
	}
	r.trimmed = time.Now()
	r.watching.Add(1)
	go func() {
		defer r.watching.Done()
		defer r.trimming.Store(false)
		if err := r.trim(trailing); err != nil && r.stoppedErr() == nil {
			r.config.Logger.Warn("log was not cut", slog.String("error", err.Error()))
		}
	}()
}

// trim has raft cut the log to a number of entries. Raft does that itself, so that it knows of it.
func (r *Replica) trim(trailing uint64) error {
	set := r.raft.ReloadableConfig()
	set.TrailingLogs = trailing
	if err := r.raft.ReloadConfig(set); err != nil {
		return err
	}
	err := outcome(r.raft.Snapshot(), r.dead)
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		err = nil
	}
	set.TrailingLogs = r.config.TrailingLogs
	return errors.Join(err, r.raft.ReloadConfig(set))
}

// sends are the snapshots that were sent of late. What comes after one has to stay in the log until the follower has it: cut
// before, it would be sent the next snapshot, and again the next.
type sends struct {
	mu  sync.Mutex
	all []*send
}

type send struct {
	index uint64 // of the snapshot
	began time.Time
	until time.Time // zero while it is being sent
}

// afterSend is how long at least the log is kept for a follower that has got its snapshot. A follower that takes in what was
// written meanwhile at least twice as fast as it is written is done in the time that the snapshot took; it has twice that.
const afterSend = time.Minute

func (s *sends) begin(index uint64, now time.Time) *send {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &send{index: index, began: now}
	s.all = append(s.all, one)
	return one
}

func (s *sends) end(one *send, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.until.IsZero() {
		one.until = now.Add(max(afterSend, 2*now.Sub(one.began)))
	}
}

// oldest returns the lowest index that is held.
func (s *sends) oldest(now time.Time) (index uint64, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(one *send) bool { return !one.until.IsZero() && now.After(one.until) })
	for _, one := range s.all {
		if !any || one.index < index {
			index, any = one.index, true
		}
	}
	return index, any
}

package consensus

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// applyResult is what raft carries from the state machine to the submitter on the leader.
type applyResult struct {
	response []byte
	err      error
}

// stateMachine applies committed entries to the state in service and puts received states in its place. raft calls it from one
// goroutine; readers come from anywhere.
type stateMachine struct {
	config Config
	folder *folder
	fail   func(error)
	notify func() // the configuration changed
	// committed is told of entries that are about to be applied; may be nil.
	committed func([]*raft.Log)

	broken error // set by raft's goroutine only

	mu      sync.RWMutex
	state   *stateDB
	pending *receivedState

	applied applyClock
	members atomic.Pointer[membership] // the configuration applied last
	saved   atomic.Uint64              // applied index that is on disk
}

// current returns the state in service, held.
func (m *stateMachine) current() (*stateDB, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.state == nil || !m.state.acquire() {
		return nil, ErrClosed
	}
	return m.state, nil
}

// load takes in the position of the state that was opened.
func (m *stateMachine) load(state *stateDB) error {
	r := state.read()
	defer r.discard()
	at, members := r.applied(), r.members()
	if members.data != nil {
		if _, err := decodeConfiguration(members.data); err != nil {
			return fmt.Errorf("state: %w: %w", ErrDamaged, err)
		}
	}
	m.mu.Lock()
	m.state = state
	m.mu.Unlock()
	m.members.Store(&members)
	m.saved.Store(at.index)
	m.applied.advance(at)
	return nil
}

// Apply is not used by raft for a BatchingFSM.
func (m *stateMachine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries and makes their effects visible in as few commits as is sensible.
func (m *stateMachine) ApplyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	for i := range results {
		results[i] = applyResult{err: m.broken}
	}
	if m.broken != nil {
		return results
	}
	if m.committed != nil {
		m.committed(logs)
	}
	b := &batch{machine: m, state: m.state, at: m.applied.get()}
	b.begin()
	for i, l := range logs {
		if l.Index <= b.at.index {
			continue
		}
		response, err := b.apply(l)
		if err != nil {
			m.broken = fmt.Errorf("apply entry %d: %w", l.Index, err)
			results[i] = applyResult{err: m.broken}
			for j := i + 1; j < len(logs); j++ {
				results[j] = applyResult{err: m.broken}
			}
			break
		}
		results[i] = applyResult{response: response}
	}
	if err := b.commit(); err != nil {
		m.broken = err
		for i := range results {
			results[i] = applyResult{err: err}
		}
	}
	if m.broken != nil {
		m.fail(m.broken)
	}
	return results
}

// batch gathers the effects of entries in one Tx.
type batch struct {
	machine *stateMachine
	state   *stateDB
	reader  *stateReader
	tx      *Tx
	at      position
	dirty   bool
	members *membership
}

func (b *batch) begin() {
	b.reader = b.state.read()
	b.tx = b.state.tx(b.reader)
	b.dirty, b.members = false, nil
}

// apply adds one entry. After an error the batch is as it was before the entry.
func (b *batch) apply(l *raft.Log) ([]byte, error) {
	b.tx.mark()
	response, members, err := b.effects(l)
	if err == nil {
		err = b.tx.check()
	}
	if err != nil {
		b.tx.rollback()
		return nil, err
	}
	b.at, b.dirty = position{index: l.Index, term: l.Term}, true
	if members != nil {
		b.members = members
	}
	if b.tx.bytes > commitBytes {
		if err := b.commit(); err != nil {
			return nil, err
		}
		b.begin()
	}
	return response, nil
}

func (b *batch) effects(l *raft.Log) ([]byte, *membership, error) {
	if err := checkEntry(l); err != nil {
		return nil, nil, err
	}
	if l.Type == raft.LogConfiguration {
		return nil, &membership{index: l.Index, data: l.Data}, nil
	}
	if l.Type != raft.LogCommand || l.Data[0] != entryCommand {
		return nil, nil, nil
	}
	response, err := guarded(func() ([]byte, error) {
		return b.machine.config.Machine.Apply(b.tx, l.Index, l.Data[1:])
	})
	return response, nil, err
}

// commit writes what was gathered, then tells everybody.
func (b *batch) commit() error {
	b.reader.discard()
	if !b.dirty {
		return nil
	}
	b.dirty = false
	if err := b.state.commit(b.tx, b.at, b.members); err != nil {
		return err
	}
	if b.members != nil {
		b.machine.members.Store(b.members)
		b.machine.notify()
	}
	return b.machine.announce(b.at)
}

// announce tells the Machine and those who wait that the state is at a position.
func (m *stateMachine) announce(at position) error {
	_, err := guarded(func() (struct{}, error) {
		m.config.Machine.Applied(at.index)
		return struct{}{}, nil
	})
	m.applied.advance(at)
	return err
}

// guarded turns a panic of the Machine into an error. The stack goes into the error's text, which stays in this process.
func guarded[T any](fn func() (T, error)) (result T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("machine panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return fn()
}

// Snapshot captures nothing: the state itself is the snapshot, and Persist only makes sure that it is on disk.
func (m *stateMachine) Snapshot() (raft.FSMSnapshot, error) {
	state, err := m.current()
	if err != nil {
		return nil, err
	}
	return &liveSnapshot{machine: m, state: state, index: m.applied.get().index}, nil
}

// liveSnapshot is raft's leave to cut the log.
type liveSnapshot struct {
	machine *stateMachine
	state   *stateDB
	index   uint64
}

func (s *liveSnapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.state.sync(); err != nil {
		s.machine.fail(err)
		return errors.Join(err, sink.Cancel())
	}
	for {
		old := s.machine.saved.Load()
		if old >= s.index || s.machine.saved.CompareAndSwap(old, s.index) {
			return nil
		}
	}
}

func (s *liveSnapshot) Release() { s.state.release() }

// Restore puts the state that was received, verified and synced into service. The stream is empty: it was consumed before.
func (m *stateMachine) Restore(source io.ReadCloser) error {
	if err := source.Close(); err != nil {
		return err
	}
	m.mu.Lock()
	received := m.pending
	m.pending = nil
	m.mu.Unlock()
	if received == nil {
		return fmt.Errorf("nothing was received: %w", ErrSnapshotRefused)
	}
	if m.broken != nil {
		received.discard()
		return m.broken
	}
	if err := m.folder.swap(received.name()); err != nil {
		// Which state is named on disk is not known.
		received.state.release()
		m.broken = err
		m.fail(err)
		return err
	}
	m.mu.Lock()
	old := m.state
	m.state = received.state
	m.mu.Unlock()
	m.members.Store(&received.members)
	m.saved.Store(received.at.index)
	old.retire()
	old.release()
	m.notify()
	if err := m.announce(received.at); err != nil {
		m.broken = err
		m.fail(err)
	}
	return m.broken
}

// close gives up the state and waits until nobody reads it.
func (m *stateMachine) close() error {
	m.mu.Lock()
	state, pending := m.state, m.pending
	m.state, m.pending = nil, nil
	m.mu.Unlock()
	if pending != nil {
		pending.discard()
	}
	if state == nil {
		return nil
	}
	state.release()
	return state.wait()
}

package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// Replica is one member of a replicated state machine. Its methods may be called from any goroutine.
type Replica struct {
	config    Config
	folder    *folder
	log       *wal.WAL
	store     *logStore
	mark      *markKeeper
	machine   *stateMachine
	guard     *guard
	transport *transport
	raft      *raft.Raft
	running   atomic.Pointer[raft.Raft] // raft once it was made; for those who may ask before
	queue     *queue
	caller    *caller
	metrics   *metrics
	vet       func(cmd []byte) error // nil: nothing to ask
	observer  *raft.Observer

	asks      sharer        // read indexes that this replica asks for
	barriers  sharer        // barriers that it commits as leader
	readyTerm atomic.Uint64 // term in which an entry of this leader was applied here
	asking    atomic.Bool   // a check with the leader is under way
	sends     *sends        // snapshots on their way to others
	trimming  atomic.Bool   // the log is being cut
	trimmed   time.Time     // when that was tried last; of watch only

	stopped  chan struct{} // closed by halt
	dead     chan struct{} // closed once raft has ended after that
	ending   sync.Once
	ended    raft.Future
	watching sync.WaitGroup

	mu      sync.Mutex
	cause   error // why stopped is closed
	changed chan struct{}
	closing bool
	closed  chan struct{}
	result  error // of Close
}

// Open opens or makes the replica in Config.Dir and takes part at once. A new replica waits until a leader adds it, or for
// Bootstrap. It returns:
//
//  1. ErrConfig: the Config cannot work.
//  2. ErrInUse: the folder is open elsewhere.
//  3. ErrLogLost: entries, a term or a vote that this replica promised are gone. It must not vote: see Forget.
//  4. ErrDamaged: what lies on disk fails its checks. Nothing was changed. Forget helps here, too.
func Open(c Config) (*Replica, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Replica{
		config: c, sends: &sends{}, stopped: make(chan struct{}), dead: make(chan struct{}), changed: make(chan struct{}), closed: make(chan struct{}),
	}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.release())
	}
	if err := r.start(); err != nil {
		return nil, errors.Join(err, r.release())
	}
	return r, nil
}

// open opens what lies on disk and checks that its parts agree.
func (r *Replica) open() (err error) {
	if r.folder, err = openFolder(r.config.Dir); err != nil {
		return err
	}
	r.folder.disk = r.config.Sync
	if r.log, err = openLog(r.folder.log(), r.config); err != nil {
		return err
	}
	r.machine = &stateMachine{config: r.config, folder: r.folder, fail: r.halt, notify: r.notify}
	dir, err := r.folder.current()
	if err != nil {
		return err
	}
	state, err := openState(dir, r.config)
	if err != nil {
		return err
	}
	if err := r.machine.load(state); err != nil {
		return errors.Join(err, (&receivedState{state: state}).close())
	}
	return r.checkDisk()
}

// start brings raft to life and lets the network in.
func (r *Replica) start() (err error) {
	c := r.config
	r.guard = &guard{
		id: c.ID, member: c.Member, latest: r.latest, floor: r.floor, entry: r.store.GetLog, started: time.Now(),
		snapshot: c.MaxSnapshot, patience: 10 * c.Election, forgotten: func() bool { return r.mark.get().forgotten },
	}
	if r.metrics, err = newMetrics(c.Metrics, r.Status); err != nil {
		return err
	}
	r.guard.counted = r.metrics.drop
	if v, ok := c.Machine.(Vetter); ok {
		r.vet = v.Vet
	}
	if p, ok := c.Machine.(Preparer); ok {
		r.store.prepare = p.Prepare
	}
	r.transport = newTransport(c, r.guard)
	r.transport.muted = func() bool { return r.store.stalled() > c.SlowLogWrite }
	r.transport.calls = r.serveCalls
	r.caller = &caller{t: r.transport}
	if err := r.machine.announce(r.machine.applied.get()); err != nil {
		return err
	}
	r.queue = newQueue(func(data []byte) raft.ApplyFuture {
		return r.raft.ApplyLog(raft.Log{Data: data}, c.CommandTimeout)
	}, r.dead)
	r.machine.committed = r.queue.committed
	if err := r.newRaft(); err != nil {
		return err
	}
	r.guard.raft = r.raft
	r.transport.raft.Store(r.raft)
	r.observer = raft.NewObserver(nil, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.RaftState, raft.PeerObservation:
			r.notify()
		}
		return false
	})
	r.raft.RegisterObserver(r.observer)
	r.transport.serving.Add(1)
	go r.transport.serve()
	r.watching.Add(1)
	go r.watch()
	return nil
}

// newRaft makes raft in a goroutine of its own: what it cannot read ends the goroutine, see logStore.failed.
func (r *Replica) newRaft() error {
	c := r.config
	conf := &raft.Config{
		ProtocolVersion:          raft.ProtocolVersionMax,
		HeartbeatTimeout:         c.Heartbeat,
		ElectionTimeout:          c.Election,
		CommitTimeout:            min(50*time.Millisecond, c.Heartbeat/10),
		LeaderLeaseTimeout:       c.Heartbeat / 2,
		MaxAppendEntries:         appendEntries,
		BatchApplyCh:             true,
		ShutdownOnRemove:         false, // see Replica.checkRemoved: raft would stop before the removal is applied
		TrailingLogs:             c.TrailingLogs,
		SnapshotInterval:         c.SnapshotInterval,
		SnapshotThreshold:        c.SnapshotThreshold,
		LocalID:                  raft.ServerID(c.ID),
		Logger:                   newRaftLog(c.Logger),
		NoSnapshotRestoreOnStart: true, // the state is its own snapshot
		NoLegacyTelemetry:        true,
	}
	r.store.live.Store(true)
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err = guarded(func() (struct{}, error) {
			node, err := raft.NewRaft(conf, r.machine, r.store, r.store, &snapshots{machine: r.machine, sends: r.sends}, r.transport)
			r.raft = node
			return struct{}{}, err
		})
	}()
	<-done
	if err == nil && r.raft == nil {
		err = r.stoppedErr()
	}
	if err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	r.running.Store(r.raft)
	return nil
}

// floor returns the position below which nothing may change any more.
func (r *Replica) floor() position {
	at := r.machine.applied.get()
	if node := r.running.Load(); node != nil {
		at.index = max(at.index, node.CommitIndex())
	}
	return at
}

// latest returns the newest configuration in the log, committed or not.
func (r *Replica) latest() raft.Configuration {
	return r.raft.GetConfiguration().Configuration()
}

func (r *Replica) leader() ID {
	_, id := r.raft.LeaderWithID()
	return ID(id)
}

// Bootstrap founds a region with this replica as its only voter, and returns once it leads. It is called once in the life of a
// region. It returns ErrNotEmpty if this replica has a log or a state, or has ever had one.
func (r *Replica) Bootstrap(ctx context.Context) error {
	if err := r.stoppedErr(); err != nil {
		return err
	}
	if m := r.mark.get(); m.forgotten || m.index > 0 {
		return ErrNotEmpty
	}
	self := raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(r.config.ID), Address: raft.ServerAddress(r.config.ID)}
	err := outcome(r.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{self}}), r.dead)
	if errors.Is(err, raft.ErrCantBootstrap) {
		return ErrNotEmpty
	}
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	index, err := r.ReadIndex(ctx)
	for errors.Is(err, ErrNoQuorum) && ctx.Err() == nil {
		index, err = r.ReadIndex(ctx) // it stands for election when it has missed a leader for long enough
	}
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	return r.WaitApplied(ctx, index)
}

// Notify returns a channel that is closed at the next change of leader, of this replica's state or of the configuration. Call it
// before looking, so that no change is missed.
func (r *Replica) Notify() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (r *Replica) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
}

// halt stops the replica for good: nothing is applied, sent or answered any more. The state can still be read with Local if
// the cause is that the replica was removed.
func (r *Replica) halt(cause error) {
	r.mu.Lock()
	if r.cause != nil {
		r.mu.Unlock()
		return
	}
	if !errors.Is(cause, ErrRemoved) && !errors.Is(cause, ErrClosed) {
		cause = fmt.Errorf("%w: %w", ErrStopped, cause)
		r.config.Logger.Error("replica stopped", slog.String("cause", cause.Error()))
	}
	r.cause = cause
	r.mu.Unlock()
	close(r.stopped)
	r.notify()
	if r.running.Load() != nil {
		r.shutdown()
		r.transport.cut()
	}
}

// shutdown ends raft. Only raft's first future waits for its goroutines, so there is one call.
func (r *Replica) shutdown() raft.Future {
	r.ending.Do(func() { r.ended = r.raft.Shutdown() })
	return r.ended
}

func (r *Replica) stoppedErr() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// readable reports why nothing may be read, if so.
func (r *Replica) readable() error {
	if err := r.stoppedErr(); err != nil && !errors.Is(err, ErrRemoved) {
		return err
	}
	return nil
}

// Close leaves in order: a leader hands leadership on, within ctx and at most two elections; then everything ends and is on
// disk. It returns the first error. Views under way delay it.
func (r *Replica) Close(ctx context.Context) error {
	r.mu.Lock()
	first := !r.closing
	r.closing = true
	r.mu.Unlock()
	if !first {
		<-r.closed
		return r.result
	}
	r.handOver(ctx)
	r.halt(ErrClosed)
	r.result = r.release()
	close(r.closed)
	return r.result
}

func (r *Replica) handOver(ctx context.Context) {
	if ctx.Err() != nil || r.stoppedErr() != nil || r.raft.State() != raft.Leader || voters(r.latest()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*r.config.Election)
	defer cancel()
	if err := r.Transfer(ctx); err != nil {
		r.config.Logger.Warn("leadership was not handed on", slog.String("error", err.Error()))
	}
}

// release ends and closes whatever was opened.
func (r *Replica) release() error {
	var errs []error
	if r.transport != nil {
		errs = append(errs, r.transport.close())
	}
	if r.raft != nil {
		errs = append(errs, r.shutdown().Error())
	}
	r.watching.Wait()
	if r.queue != nil {
		r.queue.close()
	}
	if r.machine != nil {
		errs = append(errs, r.machine.close())
	}
	if r.mark != nil {
		errs = append(errs, r.mark.close())
	}
	if r.log != nil {
		errs = append(errs, r.log.Close())
	}
	if r.metrics != nil {
		r.metrics.close()
	}
	if r.folder != nil {
		errs = append(errs, r.folder.close())
	}
	return errors.Join(errs...)
}

package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// The age that a lease may have.
const (
	DefaultLease = 10 * time.Second
	MinLease     = 2 * time.Second
	MaxLease     = policy.MaxLease
)

// Freshness proves that this node's copy of the agreed state is recent. consensus.Replica is one.
type Freshness interface {
	// ReadIndex asks the region for an index that covers everything acknowledged before the call.
	ReadIndex(ctx context.Context) (uint64, error)
	// WaitApplied returns when this node's copy has that index.
	WaitApplied(ctx context.Context, index uint64) error
}

// Hold is one proof of freshness: whatever was acknowledged in the region before it was asked for is in this node's copy.
// What is decided from facts read after the proof was complete is as fresh as the proof. The zero value proves nothing.
type Hold struct {
	asked Instant
	index uint64
	valid bool
}

// Proven reports whether h proves anything. As long as nothing does, what this node's copy lacks may only not have come yet.
func (h Hold) Proven() bool { return h.valid }

// Index returns the index that this node's copy was proven to have.
func (h Hold) Index() uint64 { return h.index }

// LeaseConfig says what a Lease is made of. Source and Logger are required.
type LeaseConfig struct {
	Source Freshness
	Limit  time.Duration // how old a proof may be: DefaultLease if zero, else from MinLease to MaxLease
	Clock  Clock         // SystemClock if nil
	Logger *slog.Logger
}

// Lease keeps the custodian's proof of freshness. It is safe for concurrent use. At most one renewal is under way; whoever
// needs one waits for it.
type Lease struct {
	source Freshness
	limit  time.Duration
	clock  Clock
	log    *slog.Logger
	active atomic.Int64
	wake   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	hold    Hold
	renewal *renewal
	closed  bool
}

// renewal is one that is under way; the fields are set before done is closed.
type renewal struct {
	done   chan struct{}
	cancel context.CancelFunc
	hold   Hold
	err    error
}

// NewLease returns a lease that proves nothing yet.
func NewLease(cfg LeaseConfig) (*Lease, error) {
	if cfg.Limit == 0 {
		cfg.Limit = DefaultLease
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock()
	}
	if cfg.Source == nil || cfg.Logger == nil || cfg.Limit < MinLease || cfg.Limit > MaxLease {
		return nil, fmt.Errorf("lease config: source and logger must be set, and the limit from %s to %s, not %s", MinLease, MaxLease, cfg.Limit)
	}
	return &Lease{source: cfg.Source, limit: cfg.Limit, clock: cfg.Clock, log: cfg.Logger, wake: make(chan struct{}, 1)}, nil
}

// Limit returns how old a proof may be.
func (l *Lease) Limit() time.Duration { return l.limit }

// Current returns the newest proof.
func (l *Lease) Current() Hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hold
}

// Age returns how old the proof is by the clock that says most. A proof of nothing, and one from a time that a clock has
// gone back behind, is as old as can be.
func (l *Lease) Age(h Hold) time.Duration {
	if !h.valid {
		return math.MaxInt64
	}
	age, ok := l.clock.Now().since(h.asked)
	if !ok {
		return math.MaxInt64
	}
	return age
}

// Fresh returns a proof that has at least a quarter of its time left, renewing it if need be. When that fails it returns
// the newest one there is, which the caller must judge by Age.
func (l *Lease) Fresh(ctx context.Context) Hold {
	h := l.Current()
	if l.Age(h) <= l.limit*3/4 {
		return h
	}
	if renewed, err := l.Renew(ctx); err == nil {
		return renewed
	}
	return l.Current()
}

// Renew gets a new proof, or waits for the one under way. It fails as Source does, and with ErrClosed.
func (l *Lease) Renew(ctx context.Context) (Hold, error) {
	r, err := l.begin(ctx)
	if err != nil {
		return Hold{}, err
	}
	select {
	case <-r.done:
		return r.hold, r.err
	case <-ctx.Done():
		return Hold{}, ctx.Err()
	}
}

func (l *Lease) begin(ctx context.Context) (*renewal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.renewal != nil {
		return l.renewal, nil
	}
	// It outlives the caller that happened to start it, because others wait for it too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(l.limit, 5*time.Second))
	r := &renewal{done: make(chan struct{}), cancel: cancel}
	l.renewal = r
	l.wg.Go(func() { l.run(ctx, r) })
	return r, nil
}

func (l *Lease) run(ctx context.Context, r *renewal) {
	defer r.cancel()
	asked := l.clock.Now() // before asking: the proof covers what was acknowledged up to here
	index, err := l.source.ReadIndex(ctx)
	if err == nil {
		err = l.source.WaitApplied(ctx, index)
	}
	l.mu.Lock()
	if err == nil {
		r.hold = Hold{asked: asked, index: index, valid: true}
		l.hold = r.hold
	}
	r.err = err
	l.renewal = nil
	l.mu.Unlock()
	close(r.done)
}

// Run renews in the background until ctx ends: at half the limit when nothing is released, so that the first release
// finds a fresh proof, and at a quarter while something is.
func (l *Lease) Run(ctx context.Context) {
	lost := false
	for {
		_, err := l.Renew(ctx)
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return
		}
		wait := l.limit / 2
		if l.active.Load() > 0 {
			wait = l.limit / 4
		}
		if err != nil {
			wait = l.limit / 10
		}
		if (err != nil) != lost {
			lost = err != nil
			l.report(err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (l *Lease) report(err error) {
	if err != nil {
		l.log.Warn("freshness cannot be proven; releases stop when the last proof lapses", slog.Any("error", err), slog.Duration("limit", l.limit))
		return
	}
	l.log.Info("freshness is proven again")
}

// use says that a release is under way until the returned function is called.
func (l *Lease) use() func() {
	if l.active.Add(1) == 1 && l.Age(l.Current()) > l.limit/4 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return func() { l.active.Add(-1) }
}

// Close ends a renewal that is under way and waits for it. It is idempotent.
func (l *Lease) Close() error {
	l.mu.Lock()
	l.closed = true
	if l.renewal != nil {
		l.renewal.cancel()
	}
	l.mu.Unlock()
	l.wg.Wait()
	return nil
}

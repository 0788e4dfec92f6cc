package exchange

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Ledger is this node's copy of what the region has agreed on, with what is known here only.
type Ledger interface {
	// Roster returns the roster as of now; never nil.
	Roster() *federation.Roster
	// Pointer returns the agreed pointer of a document, and false when there is none or it was withdrawn. A withdrawal
	// that is recorded here and not agreed on yet counts.
	Pointer(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error)
	// Facts returns what the decision on the request depends on; the lease is filled in by the caller.
	Facts(ctx context.Context, r policy.Request) (policy.Facts, error)
}

// Records is what this node holds of its own documents. An error that is not ErrUnavailable or of a context counts as
// damage: what the region has a pointer to must be there.
type Records interface {
	// Document returns what the custodian knows of the document.
	Document(ctx context.Context, id federation.DocumentID) (policy.Document, error)
	// Manifest returns the encoded manifest as it was published.
	Manifest(ctx context.Context, id federation.DocumentID) ([]byte, error)
}

// Unpublished is what Records may offer beyond: documents that were taken in and that the region does not know of yet. Own
// staff read them; peers do not.
type Unpublished interface {
	// Unpublished returns the pointer that will be published, and false when there is none.
	Unpublished(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error)
}

// Evidenced is what Records may offer beyond: whether the custodian's own records know what a user names as evidence of their
// relationship with a patient.
type Evidenced interface {
	// Evidenced reports whether the evidence of q.Link is about q.Document.Subject and the user of q may know of it: what they may
	// not know of must not change what they are answered.
	Evidenced(ctx context.Context, q policy.Request) (bool, error)
}

// Chunks is the content.
type Chunks interface {
	// Chunk returns the bytes with this SHA-256, verified. The caller does not change them. An error counts as in Records.
	Chunk(ctx context.Context, digest federation.Digest) ([]byte, error)
}

// CustodianConfig says what a Custodian is made of. All fields without a default are required.
type CustodianConfig struct {
	Node    federation.NodeID  // this node
	Trust   federation.TrustID // that it belongs to
	Key     ed25519.PrivateKey // the trust's statement key
	Ledger  Ledger
	Records Records
	Chunks  Chunks
	Audit   Auditor
	Lease   *Lease
	Logger  *slog.Logger

	// Identify returns the proven peer of a stream and the binding of its connection. Default: by package endpoint.
	Identify func(net.Conn) (federation.NodeID, [BindingSize]byte, error)
	// Path returns what is known of the path that a stream is sent on. Default: by package endpoint.
	Path func(net.Conn) (Path, bool)
	// Emergency is asked before the glass is broken, when the ordinary rules refuse and the agreement permits it: whether the
	// reason suffices, the emergency is not over, and the user has not declared too many. It returns when it will be over:
	// from then on no byte leaves on it. It must have kept, durably, that somebody is to review it when it returns no error;
	// a *Refusal says to the user why not. It is asked for each stream; those of one fetch bear the same Transfer. When it
	// is not set the glass cannot be broken here.
	Emergency func(ctx context.Context, a Assertion) (until time.Time, err error)
	// Judged is asked each time that a release in an emergency is decided on anew, as after SubjectChanged: a *Refusal ends it in
	// the middle and says why. Default: an emergency is ended by its time only.
	Judged func(ctx context.Context, a Assertion) error
	// Admit is asked last, for each stream that the rules permit, before anything of it is written down or leaves: it can
	// refuse with a *Refusal what is too much. Default: nothing is.
	Admit   func(ctx context.Context, a Assertion, glass bool) error
	Clock   Clock                 // SystemClock
	Rand    io.Reader             // crypto/rand
	Metrics prometheus.Registerer // none
	Limits  CustodianLimits
}

// CustodianLimits bounds what requesters can make a custodian spend. A zero field takes the default named in its comment.
type CustodianLimits struct {
	Streams        int           // releases at once: 512
	PeerStreams    int           // releases at once to one node: 64
	RequestTimeout time.Duration // for a request to arrive: 5 s
	SliceTimeout   time.Duration // for a slice, 32 to 272 KiB, to be taken by the requester: 10 s
	IdleTimeout    time.Duration // for the requester to ask for more, or to send its receipt: 30 s
	RenewTimeout   time.Duration // that a request waits for a lease that has lapsed: 2 s
	RefusalRate    float64       // refusals a second to one node, above which it is turned away unheard: 10
	RefusalBurst   int           // how many it may have at once: 100
}

func (l CustodianLimits) withDefaults() CustodianLimits {
	defaultTo(&l.Streams, 512)
	defaultTo(&l.PeerStreams, 64)
	defaultTo(&l.RequestTimeout, 5*time.Second)
	defaultTo(&l.SliceTimeout, 10*time.Second)
	defaultTo(&l.IdleTimeout, 30*time.Second)
	defaultTo(&l.RenewTimeout, 2*time.Second)
	defaultTo(&l.RefusalRate, 10)
	defaultTo(&l.RefusalBurst, 100)
	return l
}

// Custodian releases this node's documents: to peers by Serve, to its own staff by Open. It is safe for concurrent use.
type Custodian struct {
	cfg     CustodianConfig
	limits  CustodianLimits
	gate    *gate
	replays *replays
	pulse   *pulse
	metrics *custodianMetrics
	chunks  sync.Pool // *[]byte, those of chunks on their way to peers

	buffered     atomic.Int64 // bytes of chunks that are read and not written yet
	mostBuffered atomic.Int64

	mu     sync.Mutex
	guards map[*guard]struct{}
	conns  map[net.Conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

// NewCustodian returns a custodian. It says all that is wrong with cfg in one error.
func NewCustodian(cfg CustodianConfig) (*Custodian, error) {
	if err := required("custodian",
		setting{"Node", !cfg.Node.IsZero()},
		setting{"Trust", cfg.Trust.Valid()},
		setting{"Key", len(cfg.Key) == ed25519.PrivateKeySize},
		setting{"Ledger", cfg.Ledger != nil},
		setting{"Records", cfg.Records != nil},
		setting{"Chunks", cfg.Chunks != nil},
		setting{"Audit", cfg.Audit != nil},
		setting{"Lease", cfg.Lease != nil},
		setting{"Logger", cfg.Logger != nil},
	); err != nil {
		return nil, err
	}
	if cfg.Identify == nil {
		cfg.Identify = identify
	}
	if cfg.Path == nil {
		cfg.Path = pathOf
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock()
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	limits := cfg.Limits.withDefaults()
	c := &Custodian{
		cfg: cfg, limits: limits, gate: newGate(limits, cfg.Clock), replays: newReplays(), pulse: &pulse{clock: cfg.Clock},
		guards: map[*guard]struct{}{}, conns: map[net.Conn]struct{}{},
	}
	var err error
	if c.metrics, err = newCustodianMetrics(cfg.Metrics, c); err != nil {
		return nil, fmt.Errorf("custodian metrics: %w", err)
	}
	return c, nil
}

// Serve accepts streams from l and serves each, until l fails or Close is called. It returns nil after Close.
func (c *Custodian) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		// Its error is of no use: the listener goes either way, and Accept says so.
		_ = l.Close()
	})
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.closed || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept document streams: %w", err)
		}
		if !c.track(conn) {
			abort(conn, resetCode(policy.Unavailable))
			return nil
		}
		go func() {
			defer c.untrack(conn)
			c.handle(ctx, conn)
		}()
	}
}

// Handle serves one stream and closes it.
func (c *Custodian) Handle(ctx context.Context, conn net.Conn) {
	if !c.track(conn) {
		abort(conn, resetCode(policy.Unavailable))
		return
	}
	defer c.untrack(conn)
	c.handle(ctx, conn)
}

func (c *Custodian) track(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.conns[conn] = struct{}{}
	c.wg.Add(1)
	return true
}

func (c *Custodian) untrack(conn net.Conn) {
	c.mu.Lock()
	delete(c.conns, conn)
	c.mu.Unlock()
	c.wg.Done()
}

// SubjectChanged makes every release of the subject's documents decide anew before its next byte. It is to be called when
// a directive, a link, or a refusal recorded at this node has taken effect.
func (c *Custodian) SubjectChanged(s federation.Subject) {
	c.recheck(func(r *release) bool { return r.assertion.Subject == s })
}

// DocumentChanged is SubjectChanged for one document: it was withdrawn, replaced or classified anew.
func (c *Custodian) DocumentChanged(id federation.DocumentID) {
	c.recheck(func(r *release) bool { return r.assertion.Document == id })
}

// RulesChanged is SubjectChanged for every release: the roster or the agreement has changed.
func (c *Custodian) RulesChanged() { c.recheck(func(*release) bool { return true }) }

func (c *Custodian) recheck(matches func(*release) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for g := range c.guards {
		if matches(g.release) {
			g.poke()
		}
	}
}

// Active returns how many releases are under way.
func (c *Custodian) Active() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.guards)
}

// Close ends every release and waits for their audit entries. The lease stays open: it is the caller's.
func (c *Custodian) Close() error {
	c.mu.Lock()
	c.closed = true
	conns := make([]net.Conn, 0, len(c.conns))
	for conn := range c.conns {
		conns = append(conns, conn)
	}
	c.mu.Unlock()
	for _, conn := range conns {
		abort(conn, resetCode(policy.Unavailable))
	}
	c.wg.Wait()
	c.metrics.close()
	return nil
}

func (c *Custodian) now() time.Time { return c.cfg.Clock.Now().Wall.Round(0).UTC() }

func (c *Custodian) hold(n int) {
	total := c.buffered.Add(int64(n))
	for most := c.mostBuffered.Load(); total > most && !c.mostBuffered.CompareAndSwap(most, total); {
		most = c.mostBuffered.Load()
	}
}

// identify takes peer and binding from a stream of package endpoint.
func identify(conn net.Conn) (federation.NodeID, [BindingSize]byte, error) {
	var binding [BindingSize]byte
	peer, ok := endpoint.Peer(conn)
	if !ok {
		return federation.NodeID{}, binding, fmt.Errorf("stream of an unproven peer: %w", ErrProtocol)
	}
	b, err := endpoint.Binding(conn)
	if err != nil {
		return federation.NodeID{}, binding, fmt.Errorf("binding of a stream: %w", err)
	}
	if len(b) != len(binding) {
		return federation.NodeID{}, binding, fmt.Errorf("binding of %d bytes: %w", len(b), ErrProtocol)
	}
	copy(binding[:], b)
	return federation.NodeID(peer), binding, nil
}

func pathOf(conn net.Conn) (Path, bool) {
	s, ok := endpoint.StatsOf(conn)
	return Path{Sent: s.PacketsSent, Lost: s.PacketsLost, RTT: s.MinRTT}, ok
}

// abort ends a stream in both directions with a code where the stream can carry one.
func abort(conn net.Conn, code endpoint.ResetCode) {
	if s, ok := conn.(interface{ Reset(endpoint.ResetCode) }); ok {
		s.Reset(code)
		return
	}
	_ = conn.Close() // there is nobody left to tell
}

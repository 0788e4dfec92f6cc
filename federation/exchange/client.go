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

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Dialer opens streams to custodians.
type Dialer interface {
	// Dial opens a stream on the stripe-th document connection with the node, which it makes if there is none.
	Dial(ctx context.Context, node federation.NodeID, stripe int) (net.Conn, error)
}

// DialerFunc is a function that is a Dialer.
type DialerFunc func(ctx context.Context, node federation.NodeID, stripe int) (net.Conn, error)

// Dial calls f.
func (f DialerFunc) Dial(ctx context.Context, node federation.NodeID, stripe int) (net.Conn, error) {
	return f(ctx, node, stripe)
}

// Directory is the requester's own copy of what the region has agreed on.
type Directory interface {
	// Roster returns the roster as of now; never nil.
	Roster() *federation.Roster
	// Pointer returns the agreed pointer of a document, and false when there is none or it was withdrawn.
	Pointer(ctx context.Context, id federation.DocumentID) (federation.Pointer, bool, error)
}

// ClientConfig says what a Client is made of. All fields without a default are required.
type ClientConfig struct {
	Node      federation.NodeID  // this node
	Trust     federation.TrustID // that it belongs to
	Key       ed25519.PrivateKey // the trust's statement key
	Directory Directory
	Dialer    Dialer
	Audit     Auditor
	Logger    *slog.Logger

	// Identify returns the proven peer of a stream and the binding of its connection. Default: by package endpoint.
	Identify func(net.Conn) (federation.NodeID, [BindingSize]byte, error)
	Clock    Clock     // SystemClock
	Rand     io.Reader // crypto/rand
	Limits   ClientLimits
}

// ClientLimits bounds what a fetch may take. A zero field takes the default named in its comment.
type ClientLimits struct {
	Attempts     int           // streams that may fail one after another without one new chunk: 6
	Backoff      time.Duration // before the second attempt; doubled for each further one, up to 5 s: 50 ms
	AnswerWithin time.Duration // for the custodian to answer a request: 15 s
	Silence      time.Duration // for the next bytes to come: 20 s
	Stripes      int           // connections that one bulk fetch, or small ones in turns, may use where packets are lost: 16
	BulkFrom     int64         // bytes from which a bulk fetch may be striped: 8 MiB
	Window       int           // chunks of one bulk fetch that may be under way at once, at most 1,000: 128, 32 MiB
	Budget       int           // chunks of all bulk fetches that may be under way at once: 512, 128 MiB; each has 2 at any rate
	BulkStreams  int           // streams of bulk fetches at once to one node, which take turns beyond: 48
	Rate         float64       // bytes a second that a fetch tries to reach by striping: 64 MiB
}

func (l ClientLimits) withDefaults() ClientLimits {
	defaultTo(&l.Attempts, 6)
	defaultTo(&l.Backoff, 50*time.Millisecond)
	defaultTo(&l.AnswerWithin, 15*time.Second)
	defaultTo(&l.Silence, 20*time.Second)
	defaultTo(&l.Stripes, 16)
	defaultTo(&l.BulkFrom, 8<<20)
	defaultTo(&l.Window, 128)
	l.Window = min(l.Window, maxAsks-mostWant)
	defaultTo(&l.Budget, 512)
	defaultTo(&l.BulkStreams, 48)
	defaultTo(&l.Rate, 64<<20)
	return l
}

// Client fetches documents from their custodians. It is safe for concurrent use.
type Client struct {
	cfg    ClientConfig
	limits ClientLimits
	paths  *paths
	places *places
	chunks sync.Pool // *[]byte of ChunkSize and more

	bulk         atomic.Int64 // bulk fetches under way
	buffered     atomic.Int64 // bytes of chunks that are received, or being received, and not delivered yet
	mostBuffered atomic.Int64
}

// NewClient returns a client. It says all that is wrong with cfg in one error.
func NewClient(cfg ClientConfig) (*Client, error) {
	if err := required("exchange client",
		setting{"Node", !cfg.Node.IsZero()},
		setting{"Trust", cfg.Trust.Valid()},
		setting{"Key", len(cfg.Key) == ed25519.PrivateKeySize},
		setting{"Directory", cfg.Directory != nil},
		setting{"Dialer", cfg.Dialer != nil},
		setting{"Audit", cfg.Audit != nil},
		setting{"Logger", cfg.Logger != nil},
	); err != nil {
		return nil, err
	}
	if cfg.Identify == nil {
		cfg.Identify = identify
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock()
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	limits := cfg.Limits.withDefaults()
	c := &Client{cfg: cfg, limits: limits, paths: newPaths(cfg.Clock), places: newPlaces(limits)}
	c.chunks.New = func() any {
		b := make([]byte, federation.ChunkSize)
		return &b
	}
	return c, nil
}

// Fetch gets what q selects from its custodian, verifies every chunk against the manifest that the region has agreed on,
// and gives it to the sink in order. A stream that is lost is taken up again at the last verified chunk. It fails with
//
//  1. a *Refusal, which is ErrDenied, ErrStalePolicy, ErrUnavailable, ErrIntegrity or ErrNotFound;
//  2. ErrChanged, when what q resumes has been replaced; ErrSelection, when q selects what no document can have;
//     ErrOwnDocument, when this trust is the custodian; ErrAudit, when the access could not be written down;
//  3. what the sink returned, or the error of ctx.
//
// The result is valid after an error too: Result.Resume says where a later fetch can go on. What is turned down before
// anything was asked of the custodian (no such pointer, another patient, no active node) is not audited.
func (c *Client) Fetch(ctx context.Context, q Request, sink Sink) (Result, error) {
	f, err := c.begin(ctx, q, sink)
	if err != nil {
		return Result{}, err
	}
	err = f.run(ctx)
	return f.finish(ctx, err)
}

// begin finds the document and its custodian.
func (c *Client) begin(ctx context.Context, q Request, sink Sink) (*fetch, error) {
	if err := q.Selection.check(); err != nil {
		return nil, err
	}
	pointer, found, err := c.cfg.Directory.Pointer(ctx, q.Document)
	switch {
	case err != nil:
		return nil, fmt.Errorf("pointer of %s: %w", q.Document, err)
	case !found, !q.Subject.IsZero() && q.Subject != pointer.Subject:
		return nil, refuse(policy.NotFound, nil)
	case pointer.Custodian() == c.cfg.Trust:
		return nil, fmt.Errorf("fetch %s: %w", q.Document, ErrOwnDocument)
	case q.Resume != (Resume{}) && q.Resume.Manifest != pointer.Manifest:
		return nil, fmt.Errorf("resume %s: %w", q.Document, ErrChanged)
	}
	f := &fetch{client: c, request: q, sink: sink, pointer: pointer, start: c.cfg.Clock.Now().Monotonic, next: q.Resume.Chunks, suspect: map[int]bool{}}
	if trust, ok := c.cfg.Directory.Roster().Trust(pointer.Custodian()); ok && trust.Standing == federation.Active {
		for _, n := range trust.Nodes {
			if n.Standing == federation.Active {
				f.nodes = append(f.nodes, n.ID)
			}
		}
	}
	if len(f.nodes) == 0 {
		return nil, refuse(policy.Unavailable, fmt.Errorf("%s has no active node", pointer.Custodian()))
	}
	if _, err := io.ReadFull(c.cfg.Rand, f.result.Transfer[:]); err != nil {
		return nil, fmt.Errorf("random transfer id: %w", err)
	}
	f.result.Glass = q.Emergency != ""
	f.result.Resume = Resume{Manifest: pointer.Manifest, Chunks: q.Resume.Chunks}
	return f, nil
}

func (c *Client) now() time.Time { return c.cfg.Clock.Now().Wall.Round(0).UTC() }

// take returns a buffer for a chunk; give takes it back.
func (c *Client) take() *[]byte {
	total := c.buffered.Add(federation.ChunkSize)
	for most := c.mostBuffered.Load(); total > most && !c.mostBuffered.CompareAndSwap(most, total); {
		most = c.mostBuffered.Load()
	}
	return c.chunks.Get().(*[]byte)
}

func (c *Client) give(b *[]byte) {
	c.buffered.Add(-federation.ChunkSize)
	c.chunks.Put(b)
}

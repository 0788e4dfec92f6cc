package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/gossip"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Options say how to run a node.
type Options struct {
	Data     string
	Settings Settings
	Logger   *slog.Logger // nil: silent
	Version  string
	Metrics  *prometheus.Registry // nil: one of its own

	Socket  func(listen string) (net.PacketConn, error)           // nil: a UDP socket
	Portal  func(listen string) (net.Listener, error)             // nil: a TCP socket
	Statfs  func(dir string) (total, available uint64, err error) // nil: the operating system
	Small   bool                                                  // little memory: many nodes in one process
	NoAdmin bool                                                  // without the admin socket
	Tune    func(*consensus.Config)                               // changes consensus settings, for tests; may be nil
	Clock   exchange.Clock                                        // of leases; nil: the machine's. Virtual time needs its own

	Notifier Notifier // one more way to tell privacy officers of reviews; may be nil
}

// Node is a running node of a trust.
type Node struct {
	options    Options
	logger     *slog.Logger
	version    string
	started    time.Time
	keys       keys
	membership membership

	folder    *storage.Folder
	space     *storage.Space
	audit     *audit.Log
	blobs     *blob.Store
	records   *record.Store
	door      *endpoint.Endpoint
	admission *admission
	ledger    *index.Ledger
	replica   *consensus.Replica
	gossip    *gossip.Gossip
	lease     *exchange.Lease
	custodian atomic.Pointer[exchange.Custodian] // nil until it is open: hooks of the ledger run earlier
	client    *exchange.Client
	rules     *ruleBook
	desk      *desk
	speaker   *speaker

	wholeness    wholeness
	applications *applications // when directives were applied here

	wishing     sync.RWMutex  // who looks at the wishes and then shares a document holds it, and a refusal is recorded beside none of them
	glassMu     sync.Mutex    // one emergency is declared at a time
	emergencies chan struct{} // capacity 1: the region has agreed on one
	reviews     *reviewDesk
	channels    []*channel
	misuse      *misuse
	takings     takings
	portal      *web.Portal // nil without one
	portalDesk  portalDesk

	unreadable atomic.Bool  // something that waits for the region cannot be read
	resealed   atomic.Int64 // documents that are published anew because settings have changed; negative: the search for them goes on

	doubtMu   sync.Mutex
	doubted   *doubt     // why releases are stopped
	keepDoubt sync.Mutex // held while that is kept; taken before doubtMu
	behind    bool       // that the region has heard more of this trust is in doubted
	checked   witness    // the last checkpoint that the audit log was compared with
	accepted  witness    // that the operator has given up

	suspended suspensions
	siteList  atomic.Pointer[siteList] // of searches
	rooms     sync.Pool                // of *pageRoom
	shutOuts  shutOuts                 // members of staff who are suspended
	badJoins  tally
	allowance *allowance
	cutting   *semaphore.Weighted // bytes of memory for cutting pages out

	rosterChanged chan struct{}      // capacity 1
	strangers     chan struct{}      // capacity 1: somebody may have become one
	applied       chan struct{}      // capacity 1
	witnessWanted chan chan struct{} // closed once the region was asked to witness the audit log

	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	fatal   chan error // capacity 1: why the node cannot go on
	closing sync.Once
	closed  error
	undo    []func(context.Context) error // in the order of opening
}

// Open opens a data folder and starts its node. It returns once the node can be asked, which may be before it has a leader.
// The errors are *admin.Error and say what to do.
func Open(ctx context.Context, o Options) (*Node, error) {
	if err := present(o.Data); err != nil {
		return nil, err
	}
	if err := o.Settings.Check(o.Data); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	n := &Node{
		options: o, logger: o.Logger, version: o.Version, started: time.Now(), rules: newRuleBook(), desk: newDesk(), cutting: semaphore.NewWeighted(assembleLimit), allowance: newAllowance(),
		rosterChanged: make(chan struct{}, 1), strangers: make(chan struct{}, 1), applied: make(chan struct{}, 1), witnessWanted: make(chan chan struct{}), fatal: make(chan error, 1),
		emergencies: make(chan struct{}, 1),
	}
	n.takings.node = n
	for _, step := range []func(context.Context) error{
		n.openFolder, n.openStores, n.openShutOuts, n.openReviews, n.openDoor, n.openConsensus, n.openExchange, n.openServices,
	} {
		if err := step(ctx); err != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			return nil, errors.Join(err, n.Close(stop))
		}
	}
	return n, nil
}

// ID returns the node's id.
func (n *Node) ID() federation.NodeID { return n.keys.nodeID() }

// Trust returns whose node this is.
func (n *Node) Trust() federation.TrustID { return n.membership.Trust }

// Addr returns the address of the UDP socket.
func (n *Node) Addr() net.Addr { return n.door.Addr() }

// Socket returns the path of the admin socket.
func (n *Node) Socket() string { return admin.SocketPath(n.options.Data) }

// Wait returns when ctx ends, with nil, or when the node cannot go on, with the reason.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.fatal:
		return err
	}
}

// Close stops the node in order: it hands leadership on, ends what runs, syncs and closes the stores. It is idempotent.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() {
		if n.cancel != nil {
			n.cancel()
		}
		for i := len(n.undo) - 1; i >= 0; i-- {
			if err := n.undo[i](ctx); err != nil && n.closed == nil {
				n.closed = err
			}
		}
	})
	return n.closed
}

// Kill stops the node as a power cut seen from the network would: nobody is told, nothing is handed on. What was acknowledged
// is on disk already.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.door.Close(); err != nil {
		n.logger.Warn("endpoint close", slog.Any("error", err))
	}
	return n.Close(ctx)
}

// onClose has fn run by Close, before what was opened earlier.
func (n *Node) onClose(fn func(context.Context) error) { n.undo = append(n.undo, fn) }

// fail reports that the node cannot go on.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

func (n *Node) openFolder(ctx context.Context) error {
	data := n.options.Data
	master, err := n.options.Settings.masterKey(ctx, data, false)
	if err != nil {
		return err
	}
	if n.folder, err = storage.OpenFolder(data, "", master); err != nil {
		return folderProblem(data, err)
	}
	n.onClose(func(context.Context) error { return n.folder.Close() })
	if err := restrict(data); err != nil {
		return err
	}
	if n.keys, err = loadKeys(n.folder); err != nil {
		return folderProblem(data, err)
	}
	if n.membership, err = loadMembership(n.folder); err != nil {
		return err
	}
	n.logger = n.logger.With(slog.String("trust", string(n.membership.Trust)))
	n.space, err = storage.NewSpace(storage.SpaceConfig{Dir: data, Logger: n.logger, Statfs: n.options.Statfs, Write: storage.RoomForWrites(n.options.Small)})
	if err != nil {
		return folderProblem(data, fmt.Errorf("measure free space: %w", err))
	}
	return nil
}

func (n *Node) openDoor(ctx context.Context) error {
	var err error
	if n.applications, err = loadApplications(ctx, n.records); err != nil {
		return n.storeOpenProblem("record store", err)
	}
	n.ledger, err = index.New(index.Config{
		Logger: n.logger, Region: federation.Digest(n.membership.RegionID), OnRoster: n.onRoster, OnDirective: n.onDirective, OnAgreement: n.onRules, OnBreakGlass: n.onBreakGlass, OnRestore: n.onRestore, OnRecorded: n.applications.applied,
	})
	if err != nil {
		return err
	}
	known, _, err := readRegion(ctx, n.records)
	if err != nil {
		return err
	}
	n.admission = newAdmission(n.ID(), n.ledger.Roster, append(slices.Clone(n.membership.Peers), known.Peers...))
	socket, err := openSocket(n.options.Socket, n.options.Settings.Listen)
	if err != nil {
		return err
	}
	n.door, err = endpoint.New(endpoint.Config{
		Conn: socket, Key: n.keys.node, Admit: n.admission.admit, Resolve: n.admission.resolve, Logger: n.logger, Metrics: n.options.Metrics,
		Hold: func() bool { c := n.custodian.Load(); return c != nil && c.Held() },
	})
	if err != nil {
		return errors.Join(fmt.Errorf("open the endpoint: %w", err), socket.Close())
	}
	n.onClose(func(context.Context) error { return n.door.Close() })
	return nil
}

// machine is the ledger, with a word to this node after each batch.
type machine struct {
	*index.Ledger
	applied chan struct{}
}

// Applied passes the word on.
func (m machine) Applied(at uint64) {
	m.Ledger.Applied(at)
	signal(m.applied)
}

// signal wakes whoever waits on a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *Node) openConsensus(ctx context.Context) error {
	lane, err := newRaftLane(n.door)
	if err != nil {
		return err
	}
	cfg := consensus.Config{
		ID: replicaID(n.ID()), Dir: n.folder.Path("region"), Network: lane, Machine: machine{n.ledger, n.applied}, Sealer: n.folder.Sealer("region state"),
		Member: func(id consensus.ID) bool {
			node, err := federation.ParseNodeID(string(id))
			return err == nil && (node == n.ID() || n.admission.member(node))
		},
		Election: time.Duration(n.options.Settings.Election), Heartbeat: time.Duration(n.options.Settings.Election),
		Logger: n.logger, Metrics: n.options.Metrics,
	}
	founded, err := n.founded(ctx)
	if err != nil {
		return err
	}
	if founded {
		// A replica that begins anew could vote twice: it must know that it has forgotten.
		if blank, err := consensus.Blank(cfg.Dir); err != nil || blank {
			return consensusProblem(n.options.Data, errors.Join(err, fmt.Errorf("%s is gone or was emptied, of its mark at least: %w", cfg.Dir, consensus.ErrDamaged)))
		}
	}
	if n.options.Small {
		cfg.Storage = consensus.SmallStorage()
	}
	if n.options.Tune != nil {
		n.options.Tune(&cfg)
	}
	if n.replica, err = consensus.Open(cfg); err != nil {
		return consensusProblem(n.options.Data, err)
	}
	n.onClose(n.replica.Close)
	if err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error { return n.ledger.Load(r) }); err != nil {
		return fmt.Errorf("load the agreed state: %w", err)
	}
	if err := n.loadWhole(ctx); err != nil {
		return err
	}
	if err := n.checkClock(ctx); err != nil {
		return err
	}
	// Once: a founder that has lost its copy of the state must not begin a second history beside the region's.
	if len(n.membership.Charter) > 0 && !founded {
		if err := n.replica.Bootstrap(ctx); err != nil && !errors.Is(err, consensus.ErrNotEmpty) {
			return fmt.Errorf("found the region: %w", err)
		}
	}
	return nil
}

func consensusProblem(data string, err error) error {
	switch {
	case errors.Is(err, consensus.ErrDamaged), errors.Is(err, consensus.ErrLogLost):
		return admin.Errorf(admin.CodeIntegrity, "%s: the copy of the region's state cannot be trusted: %v.\nNothing was changed, and the records held here are not touched by it. 'ridgeway recover --data %s' sets the copy aside; the node then gets another from the region", data, err, admin.Arg(data))
	case errors.Is(err, consensus.ErrInUse):
		return admin.Errorf(admin.CodeInUse, "%s is in use by another process: stop it first", data)
	case diskProblem(data, err) != nil:
		return diskProblem(data, err)
	default:
		return fmt.Errorf("open the region's state: %w", err)
	}
}

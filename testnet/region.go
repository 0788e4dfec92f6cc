package testnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	defaultRegion = "North West London"
	defaultVoters = 5
	// atOnce is how many nodes are started or stopped at a time. It is fsyncs that are waited for, so more than the cores.
	atOnce = 8
	// crowd is how many nodes one machine runs as if each had its own; crowdElection is what the time-out of elections grows
	// by for each node when there are more.
	crowd         = 8
	crowdElection = 60 * time.Millisecond
	// stopTimeout bounds the orderly stop of one node.
	stopTimeout = 15 * time.Second
)

// Member is a trust of a region.
type Member struct {
	Trust federation.TrustID
	Name  string
}

// RegionOptions say what region to run. Dir and Members must be set.
type RegionOptions struct {
	Dir     string   // holds the data folder of each trust, which is named after the trust's code
	Name    string   // of the region; empty: "North West London"
	Members []Member // the first founds the region and invites the others
	Seed    uint64   // chooses what CheckInvariants samples when there is more than it looks at

	Network *Network // nil: UDP on 127.0.0.1, each node at a free port
	Voters  int      // most voters: 3, 5 or 7; 0: 5
	// Approvals is how many governing trusts must agree to an enrolment or a suspension; 0 is 1. With more, only the founder
	// is active when NewRegion has enrolled the others, and it fails.
	Approvals int
	Lease     time.Duration                                         // 0: the node's default
	Election  time.Duration                                         // 0: the node's default; on UDP more for more than eight trusts
	Tune      func(trust federation.TrustID, c *consensus.Config)   // changes consensus settings; may be nil
	Open      func(trust federation.TrustID, o *node.Options)       // changes how a node is opened; may be nil
	Small     bool                                                  // little memory a node; set it for more than a few
	Admin     bool                                                  // each node serves its admin socket; not possible in virtual time
	Statfs    func(dir string) (total, available uint64, err error) // nil: RoomyStatfs
	Logger    *slog.Logger                                          // nil: silent
	Version   string                                                // what the nodes call themselves
}

// Region is a whole region in this process: complete nodes, each with its data folder and its socket. Its methods are safe
// for concurrent use. On a simulated network it runs in real and in virtual time; in virtual time it must be made and
// closed within the bubble.
//
// The nodes keep their master keys in their data folders and accept the NHS numbers of the test range.
type Region struct {
	opts   RegionOptions
	ledger *ledger
	ports  ports

	mu      sync.Mutex
	members map[federation.TrustID]*member
	order   []federation.TrustID // as in RegionOptions.Members
	closed  bool
}

// member is one trust's node, running or not.
type member struct {
	Member
	data     string
	settings node.Settings

	node   *node.Node // nil while it is down
	socket *socketRef // of node
}

// NewRegion founds a region in an empty folder and returns once every trust takes part: it is active in every node's
// roster, has a vote or observes, and its agreement is published. What was started is stopped when it fails.
func NewRegion(ctx context.Context, o RegionOptions) (*Region, error) {
	r, err := newRegion(o)
	if err != nil {
		return nil, err
	}
	defer r.ports.close()
	if err := r.found(ctx); err != nil {
		return nil, r.giveUp(ctx, fmt.Errorf("found the region: %w", err))
	}
	return r, nil
}

// OpenRegion starts a region that an earlier one left in its folder. Members must be the same trusts; their addresses are
// those of the first time.
func OpenRegion(ctx context.Context, o RegionOptions) (*Region, error) {
	r, err := newRegion(o)
	if err != nil {
		return nil, err
	}
	r.ports.close() // they have theirs
	for _, m := range r.members {
		kept, err := node.LoadSettings(m.data, filepath.Join(m.data, node.ConfigFile), func(string) string { return "" })
		if err != nil {
			return nil, fmt.Errorf("reopen %s: %w", m.Trust, err)
		}
		m.settings.Listen = kept.Listen
	}
	err = each(r.order, func(t federation.TrustID) error { return r.start(ctx, t) })
	if err == nil {
		err = r.Ready(ctx)
	}
	if err != nil {
		return nil, r.giveUp(ctx, fmt.Errorf("reopen the region: %w", err))
	}
	return r, nil
}

func newRegion(o RegionOptions) (*Region, error) {
	if o.Dir == "" || len(o.Members) == 0 {
		return nil, errors.New("region: a folder and at least one trust are needed")
	}
	if o.Network != nil && o.Admin {
		return nil, errors.New("region: admin sockets and a simulated network do not go together")
	}
	if o.Name == "" {
		o.Name = defaultRegion
	}
	if o.Voters == 0 {
		o.Voters = defaultVoters
	}
	if n := len(o.Members); o.Election == 0 && o.Network == nil && n > crowd {
		// One machine does the work of all: an election must not be lost to who happens to run.
		o.Election = time.Duration(n) * crowdElection
	}
	if o.Statfs == nil {
		o.Statfs = RoomyStatfs
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Region{opts: o, ledger: newLedger(), members: make(map[federation.TrustID]*member)}
	for _, m := range o.Members {
		if !m.Trust.Valid() || r.members[m.Trust] != nil {
			return nil, fmt.Errorf("region: trust %q is no ODS code, or comes twice", m.Trust)
		}
		listen, err := r.address(m.Trust)
		if err != nil {
			r.ports.close()
			return nil, err
		}
		r.members[m.Trust] = &member{Member: m, data: filepath.Join(o.Dir, string(m.Trust)), settings: node.Settings{
			Listen: listen, InsecureDevKeys: true, TestNumbers: true, Lease: node.Duration(o.Lease), Election: node.Duration(o.Election),
		}}
		r.order = append(r.order, m.Trust)
	}
	return r, os.MkdirAll(o.Dir, 0o700)
}

// found makes the first trust's node, has it invite the others, and waits until all take part.
func (r *Region) found(ctx context.Context) error {
	first := r.members[r.order[0]]
	if _, err := node.Init(ctx, node.InitOptions{
		Data: first.data, Settings: first.settings, Region: r.opts.Name, Trust: first.Trust, Name: first.Name,
		Voters: r.opts.Voters, Approvals: r.opts.Approvals, Now: time.Now(),
	}); err != nil {
		return err
	}
	if err := r.start(ctx, first.Trust); err != nil {
		return err
	}
	sponsor := r.Node(first.Trust)
	err := WaitFor(ctx, "the charter to be agreed on", func(ctx context.Context) error {
		if s, err := sponsor.Status(ctx, &admin.StatusRequest{}); err != nil || len(s.GetSites()) == 0 {
			return orNotYet(err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := each(r.order[1:], func(t federation.TrustID) error { return r.join(ctx, sponsor, t) }); err != nil {
		return err
	}
	return r.Ready(ctx)
}

// join enrols a trust with the sponsor and starts its node.
func (r *Region) join(ctx context.Context, sponsor *node.Node, t federation.TrustID) error {
	m := r.members[t]
	invited, err := sponsor.Invite(ctx, &admin.InviteRequest{Trust: string(t), Name: m.Name})
	if err != nil {
		return fmt.Errorf("invite %s: %w", t, err)
	}
	// On a busy machine the region may not agree in time on so many enrolments at once: a join that was cut off is repeated.
	var joined node.Joined
	var failed error
	err = WaitFor(ctx, string(t)+" to join", func(ctx context.Context) error {
		joined, failed = node.Join(ctx, node.JoinOptions{
			Data: m.data, Settings: m.settings, Invitation: invited.GetInvitation(), Trust: t, Now: time.Now(), Logger: r.opts.Logger,
			Socket: r.listener(m, new(socketRef)),
		})
		if admin.CodeOf(failed) == admin.CodeUnavailable {
			return failed
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return fmt.Errorf("%s joins: %w", t, failed)
	case joined.Pending:
		return fmt.Errorf("%s waits for approvals", t)
	}
	return r.start(ctx, t)
}

// start opens a trust's node.
func (r *Region) start(ctx context.Context, t federation.TrustID) error {
	m, err := r.member(t)
	if err != nil {
		return err
	}
	o := node.Options{
		Data: m.data, Settings: m.settings, Logger: r.opts.Logger, Version: r.opts.Version,
		Statfs: r.opts.Statfs, Small: r.opts.Small, NoAdmin: !r.opts.Admin,
	}
	socket := new(socketRef)
	o.Socket = r.listener(m, socket)
	if r.opts.Network != nil {
		o.Clock = exchange.ProcessClock() // time may be virtual
	}
	if r.opts.Tune != nil {
		o.Tune = func(c *consensus.Config) { r.opts.Tune(t, c) }
	}
	if r.opts.Open != nil {
		r.opts.Open(t, &o)
	}
	n, err := node.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("start %s: %w", t, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m.node, m.socket = n, socket
	return nil
}

// Close stops all nodes in order and returns the first error. It is idempotent.
func (r *Region) Close() error {
	r.mu.Lock()
	done := r.closed
	r.closed = true
	r.mu.Unlock()
	if done {
		return nil
	}
	// The leader goes last: if it went first, each stop would hand leadership on to a node that is stopped next.
	up := r.Up()
	slices.SortStableFunc(up, func(a, b federation.TrustID) int { return r.leads(a) - r.leads(b) })
	var errs []error
	if n := len(up); n > 0 {
		errs = append(errs, each(up[:n-1], r.Stop), r.Stop(up[n-1]))
	}
	return errors.Join(errs...)
}

func (r *Region) leads(t federation.TrustID) int {
	if n := r.Node(t); n != nil && n.Consensus().State == consensus.Leader {
		return 1
	}
	return 0
}

// giveUp stops what was started.
func (r *Region) giveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return errors.Join(err, r.Close())
}

// each runs fn for all trusts, a few at a time, and returns the errors of those that failed.
func each(trusts []federation.TrustID, fn func(federation.TrustID) error) error {
	errs := make([]error, len(trusts))
	places := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, t := range trusts {
		places <- struct{}{}
		wg.Go(func() {
			errs[i] = fn(t)
			<-places
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

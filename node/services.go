package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/gossip"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// foundPause is how often a node looks whether it can settle in its region.
const foundPause = 200 * time.Millisecond

func (n *Node) openStores(ctx context.Context) error {
	o := n.options
	var err error
	n.audit, err = audit.Open(ctx, audit.Options{
		Dir: n.folder.Path("audit"), Sealer: n.folder.Sealer("audit"), Key: n.keys.audit, Logger: n.logger, Metrics: o.Metrics, Space: n.space, Small: o.Small,
	})
	if err != nil {
		return n.storeOpenProblem(auditLog, err)
	}
	n.onClose(func(context.Context) error { return n.audit.Close() })
	n.blobs, err = blob.Open(blob.Options{Dir: n.folder.Path("chunks"), Sealer: n.folder.Sealer("chunks"), Logger: n.logger, Space: n.space, Small: o.Small})
	if err != nil {
		return n.storeOpenProblem("document store", err)
	}
	n.onClose(func(context.Context) error { return n.blobs.Close() })
	records := recordOptions(n.folder, n.membership, n.keys)
	records.Logger, records.Space, records.Small = n.logger, n.space, o.Small
	records.SealedTypes, records.SealedSpecialties, records.LegalTypes = o.Settings.SealedTypes, o.Settings.SealedSpecialties, o.Settings.LegalTypes
	n.records, err = record.Open(ctx, records)
	if err != nil {
		return n.storeOpenProblem("record store", err)
	}
	n.onClose(func(context.Context) error { return n.records.Close() })
	if err := n.checkHollow(ctx); err != nil {
		return err
	}
	return n.loadDoubt(ctx)
}

func (n *Node) storeOpenProblem(what string, err error) error {
	data := n.options.Data
	switch {
	case errors.Is(err, storage.ErrDiskFull):
		return folderProblem(data, err)
	case errors.Is(err, storage.ErrDamaged), errors.Is(err, storage.ErrIntegrity), errors.Is(err, audit.ErrRolledBack):
		if what == auditLog {
			return n.foreignLog(err)
		}
		return admin.Errorf(admin.CodeIntegrity, "the %s of %s is damaged: %v\nNothing was changed. 'ridgeway repair --data %s' says which documents it touches, and what can be saved", what, data, err, admin.Arg(data))
	case errors.Is(err, storage.ErrInUse):
		return folderProblem(data, err)
	default:
		if known := diskProblem(data, err); known != nil {
			return known
		}
		return fmt.Errorf("open the %s: %w", what, err)
	}
}

// auditLog is what the audit log is called among the stores.
const auditLog = "audit log"

// foreignLog says that the audit log cannot be opened as the one that this node has written.
func (n *Node) foreignLog(err error) error {
	return admin.Errorf(admin.CodeIntegrity, "the audit log of %s is damaged, or is not the one that this node wrote: %v\n"+
		"Nothing was changed. Keep the folder %s as it is and tell your information governance lead: it is evidence. If an older copy, or that of another node, was put there, put this node's own back. "+
		"Otherwise 'ridgeway repair --data %s' says what is wrong, and with --yes saves what is provably this node's own log",
		n.options.Data, err, n.folder.Path("audit"), admin.Arg(n.options.Data))
}

func (n *Node) openExchange(ctx context.Context) error {
	n.speaker = newSpeaker(n) // it knows how far this trust has spoken, which each release is checked against
	err := n.speaker.loadSpoken(ctx)
	if err != nil {
		return n.storeOpenProblem("record store", err)
	}
	n.lease, err = exchange.NewLease(exchange.LeaseConfig{Source: n.replica, Limit: n.leaseLimit(), Clock: n.options.Clock, Logger: n.logger})
	if err != nil {
		return err
	}
	n.onClose(func(context.Context) error { return n.lease.Close() })
	if err := n.misuse.recall(ctx); err != nil {
		return n.storeOpenProblem(auditLog, err)
	}
	custodian, err := exchange.NewCustodian(exchange.CustodianConfig{
		Node: n.ID(), Trust: n.Trust(), Key: n.keys.statement, Ledger: agreed{n}, Records: held{n}, Chunks: n.blobs, Audit: evidence{n.audit}, Lease: n.lease, Clock: n.options.Clock,
		Logger: n.logger, Metrics: n.options.Metrics, Emergency: n.onEmergency, Judged: n.onJudged, Admit: n.misuse.admit,
	})
	if err != nil {
		return err
	}
	n.custodian.Store(custodian)
	n.onClose(func(context.Context) error { return custodian.Close() })
	n.client, err = exchange.NewClient(exchange.ClientConfig{
		Node: n.ID(), Trust: n.Trust(), Key: n.keys.statement, Directory: agreed{n}, Audit: evidence{n.audit}, Clock: n.options.Clock, Logger: n.logger,
		Dialer: exchange.DialerFunc(func(ctx context.Context, to federation.NodeID, stripe int) (net.Conn, error) {
			return n.door.DialStriped(ctx, serviceRelease, endpoint.PeerID(to), stripe)
		}),
	})
	return err
}

// openServices starts what runs beside: everything that it uses is open.
func (n *Node) openServices(ctx context.Context) error {
	ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.onClose(func(context.Context) error { n.tasks.Wait(); return nil })
	lane, err := newGossipLane(ctx, n.door)
	if err != nil {
		return err
	}
	n.gossip, err = gossip.New(ctx, gossip.Config{Self: n.ID(), Network: lane, Roster: n.ledger.Roster, Version: n.version, Logger: n.logger, Metrics: n.options.Metrics})
	if err != nil {
		return fmt.Errorf("start gossip: %w", err)
	}
	n.onClose(func(context.Context) error { return n.gossip.Close() })
	if err := n.serveLanes(ctx); err != nil {
		return err
	}
	for _, task := range []func(context.Context){n.speaker.run, n.steward, n.greeter, n.doorkeeper, n.keepAddress, n.observe, n.checkpoints, n.lease.Run, n.space.Run, n.settle, n.watch, n.notify, n.watchReviews, n.watchEmergencies, n.memory, n.tidy, n.keepApplications, n.watchAgreement, n.reseal} {
		n.tasks.Go(func() { task(ctx) })
	}
	if err := n.openMonitor(ctx); err != nil {
		return err
	}
	if err := n.openPortal(ctx); err != nil {
		return err
	}
	if n.options.NoAdmin {
		return nil
	}
	l, err := admin.Listen(n.options.Data)
	if err != nil {
		return folderProblem(n.options.Data, err)
	}
	n.serve(admin.NewServer(adminServer{n: n}), l)
	return nil
}

// tidy clears the document store of what intakes that were cut short have left.
func (n *Node) tidy(ctx context.Context) {
	n.blobs.Tidy(ctx, blob.TidyOptions{Referenced: n.records.Holds, Before: n.records.Sweep})
}

// serveLanes serves the region on the control lane, newcomers on the join lane and releases on the document lane.
func (n *Node) serveLanes(ctx context.Context) error {
	control, err := n.door.Listen(endpoint.LaneControl, serviceRegion)
	if err != nil {
		return err
	}
	region := newRPCServer(n.permitMember)
	wire.RegisterRegionServer(region, regionServer{n: n})
	n.serve(region, control)
	joins, err := n.door.Listen(endpoint.LaneJoin, serviceJoin)
	if err != nil {
		return err
	}
	sponsor := newRPCServer(permitJoin)
	wire.RegisterJoinServer(sponsor, joinServer{n: n})
	n.serve(sponsor, joins)
	documents, err := n.door.Listen(endpoint.LaneDocument, serviceRelease)
	if err != nil {
		return err
	}
	n.tasks.Go(func() { n.custodian.Load().Beat(ctx) })
	n.tasks.Go(func() {
		if err := n.custodian.Load().Serve(ctx, documents); err != nil {
			n.logger.Warn("releases ended", slog.Any("error", err))
		}
	})
	return nil
}

// serve runs a gRPC server until Close.
func (n *Node) serve(s *grpc.Server, l net.Listener) {
	n.tasks.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) && !errors.Is(err, net.ErrClosed) {
			n.logger.Warn("a server ended", slog.Any("error", err))
		}
	})
	n.onClose(func(context.Context) error { s.Stop(); return nil })
}

// settle makes the founder's charter and the trust's first agreement known to the region.
func (n *Node) settle(ctx context.Context) {
	tick := time.NewTicker(foundPause)
	defer tick.Stop()
	for {
		done, err := n.settled(ctx)
		if err != nil && ctx.Err() == nil {
			n.logger.Debug("not settled in the region yet", slog.Any("error", err))
		}
		if done {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) settled(ctx context.Context) (bool, error) {
	if n.ledger.Roster().RegionID.IsZero() {
		if len(n.membership.Charter) == 0 {
			return false, nil // the state is on its way
		}
		if _, err := n.replica.Submit(ctx, n.membership.Charter, consensus.Urgent); err != nil {
			return false, fmt.Errorf("submit the charter: %w", err)
		}
	}
	if !n.ledger.Roster().Active(n.ID()) {
		return false, nil
	}
	const asked = "first agreement queued"
	if _, found, err := n.records.Setting(ctx, asked); err != nil || found {
		return found, err
	}
	// A run that was cut off may have queued it without noting that. This is looked at first: what leaves the outbox after that
	// has been agreed on when the region is asked.
	free, err := n.speaker.free(ctx, federation.KindAgreement)
	if err != nil {
		return false, err
	}
	var version uint64
	err = n.replica.View(ctx, consensus.Linearizable(), func(r consensus.Reader) (err error) {
		version, err = index.LastAgreementVersion(r, n.Trust())
		return err
	})
	if err != nil {
		return false, err
	}
	if version == 0 && free {
		a := federation.Agreement{Version: 1, Effective: time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond), Cedar: policy.DefaultAgreement(n.Trust())}
		if _, err := n.records.Enqueue(ctx, a); err != nil {
			return false, err
		}
		signal(n.speaker.wake)
	}
	return true, n.records.SetSetting(ctx, asked, []byte{1})
}

// observe tells gossip how far this node's copy has come, so that forks are seen.
func (n *Node) observe(ctx context.Context) {
	for {
		err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
			root, at, err := index.Root(r)
			if err == nil && at > 0 {
				n.gossip.Observe(at, root)
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			n.logger.Debug("state root", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-n.applied:
		}
	}
}

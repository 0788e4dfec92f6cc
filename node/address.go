package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	addressLook = time.Second
	// doubleTimeout is how long another process with this node's keys has to answer once it is asked, and doubleWithin how long it is
	// asked again and again: on a busy machine, or while its disk hangs, it can be slow.
	doubleTimeout = 3 * time.Second
	doubleWithin  = 10 * time.Second
)

// address returns where others reach this node. A port of 0 stands for the one that the system has chosen.
func (n *Node) address() string {
	addr := n.options.Settings.advertised()
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" {
		return addr
	}
	_, chosen, err := net.SplitHostPort(n.door.Addr().String())
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, chosen)
}

// keepAddress tells the region when this node has moved: it says a Rotate that replaces nothing but the address. Once the
// roster has the address of this process and then another, somebody else speaks with this node's keys: that is a second
// process on a copy of the data folder, and two of one identity must not vote. This one stops then.
func (n *Node) keepAddress(ctx context.Context) {
	tick := time.NewTicker(addressLook)
	defer tick.Stop()
	agreed, complained := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		own, _, known := n.ledger.Roster().Node(n.ID())
		switch {
		case !known:
		case own.Address == n.address():
			agreed = true
		case agreed:
			n.double(own.Address)
			return
		default:
			// Before anything is asked of the region: two of one identity cut each other off from it.
			if n.answers(ctx, own.Address) {
				n.double(own.Address)
				return
			}
			err := n.tellAddress(ctx)
			if err != nil && ctx.Err() == nil && !complained {
				complained = true
				n.logger.Warn("others may not reach this node: the region has its old address", slog.String("theirs", own.Address), slog.String("ours", n.address()), slog.Any("error", err))
			}
		}
	}
}

func (n *Node) double(there string) {
	n.fail(admin.Errorf(admin.CodeInUse, "another process runs on a copy of this data folder, at %s: a node's folder serves one process only. Decide which is to go on, and delete the other's folder", there))
}

// tellAddress has the region agree on this node's address. It waits as long as that takes.
func (n *Node) tellAddress(ctx context.Context) error {
	latest, err := index.New(index.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	// The copy of the roster may be old, and have an address from before the last move. Without the region there is no other,
	// and nothing to be agreed on.
	look, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	if err := n.replica.View(look, consensus.Linearizable(), func(r consensus.Reader) error { return latest.Load(r) }); err != nil {
		return fmt.Errorf("read the roster: %w", err)
	}
	own, _, known := latest.Roster().Node(n.ID())
	if !known || !latest.Roster().Active(n.ID()) || own.Address == n.address() {
		return nil
	}
	if free, err := n.speaker.free(ctx, federation.KindRotate); err != nil || !free {
		return err // an earlier run has queued one, of which the region will hear first
	}
	n.logger.Warn("this node has moved: telling the region", slog.String("from", own.Address), slog.String("to", n.address()))
	move := federation.Rotate{Role: federation.RoleNode, Old: own.Key, New: own.Key, Address: n.address()}
	copy(move.Proof[:], ed25519.Sign(n.keys.node, move.ProofBytes()))
	id, err := n.records.Enqueue(ctx, move)
	if err != nil {
		return fmt.Errorf("queue the address: %w", err)
	}
	o, err := n.speaker.waitLong(ctx, id)
	if err == nil && o.refused != "" {
		err = fmt.Errorf("the region refused: %s", o.refused)
	}
	return err
}

// answers reports whether another process with this node's keys answers at an address.
func (n *Node) answers(ctx context.Context, addr string) bool {
	return askedAgain(ctx, doubleWithin, func(ctx context.Context) (answered, certain bool) {
		ctx, cancel := context.WithTimeout(ctx, doubleTimeout)
		defer cancel()
		stream, err := n.door.DialJoin(ctx, addr, endpoint.PeerID(n.ID()))
		if err != nil {
			return false, errors.Is(err, endpoint.ErrWrongPeer) || errors.Is(err, endpoint.ErrClosed)
		}
		defer func() { _ = stream.Close() }()
		// By another name it may be this very process.
		for _, c := range n.door.Connections() {
			if c.Lane == endpoint.LaneJoin && !c.Outgoing && c.Peer == endpoint.PeerID(n.ID()) {
				return false, true
			}
		}
		return true, true
	})
}

// askedAgain asks until the answer is certain, or for as long as within, and returns the last answer.
func askedAgain(ctx context.Context, within time.Duration, ask func(context.Context) (answered, certain bool)) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(addressLook)
	defer tick.Stop()
	for {
		if answered, certain := ask(ctx); certain {
			return answered
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// errNoRequest is that a stream ended before its first byte.
var errNoRequest = errors.New("no request")

// readRequest reads the first frame, which has to be there in time.
func (c *Custodian) readRequest(conn net.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(c.limits.RequestTimeout)); err != nil {
		return nil, fmt.Errorf("deadline of a request: %w", err)
	}
	t, n, err := readHeader(conn)
	if errors.Is(err, io.EOF) {
		return nil, errNoRequest
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if t != frameRequest {
		return nil, fmt.Errorf("frame of type %d where a request belongs: %w", t, ErrProtocol)
	}
	signed, err := readPayload(conn, n)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("deadline of a request: %w", err)
	}
	return signed, nil
}

// turnDown refuses a request that did not get as far as a decision.
func (c *Custodian) turnDown(ctx context.Context, conn net.Conn, from caller, e Event, refusal *Refusal) {
	c.gate.refused(from.node)
	c.report(from.node, refusal)
	e.Kind, e.At, e.Peer, e.Outcome = Refused, c.now(), from.node, refusal.Outcome
	if _, trust, ok := c.cfg.Ledger.Roster().Node(from.node); ok {
		e.PeerTrust = trust.ID
	}
	if refusal.Cause != nil {
		e.Detail = refusal.Cause.Error()
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	if _, err := c.cfg.Audit.Append(ctx, e); err != nil {
		refusal = refuse(policy.Unavailable, fmt.Errorf("%w: %w", ErrAudit, err))
		c.report(from.node, refusal)
	}
	c.metrics.refused(refusal.Outcome)
	c.answer(conn, refusal, nil)
}

// answer sends a refusal in place of a document, after the ruling that it rests on where there is one to be told.
func (c *Custodian) answer(conn net.Conn, refusal *Refusal, ruling []byte) {
	// A peer that does not take its answer has had its chance: the stream is closed either way.
	if err := conn.SetWriteDeadline(time.Now().Add(c.limits.RequestTimeout)); err == nil {
		_, _ = conn.Write(appendRefusal(ruling, refusal.Outcome, refusal.Text))
	}
}

// report tells the operator of what is wrong with a node, not of what a rule refused.
func (c *Custodian) report(node federation.NodeID, refusal *Refusal) {
	if refusal.Cause == nil || refusal.Outcome == policy.NotFound {
		return
	}
	c.cfg.Logger.Warn("document request refused", slog.String("peer", node.Short()),
		slog.String("outcome", refusal.Outcome.String()), slog.Any("error", refusal.Cause))
}

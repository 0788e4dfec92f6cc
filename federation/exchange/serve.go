package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// handle serves one stream and closes it.
func (c *Custodian) handle(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }() // its error says only that it is closed
	start := c.cfg.Clock.Now().Monotonic
	node, binding, err := c.cfg.Identify(conn)
	if err != nil {
		c.cfg.Logger.Warn("document stream without an identity", slog.Any("error", err))
		abort(conn, resetCode(policy.Denied))
		return
	}
	from := caller{node: node, binding: binding}
	leave, err := c.gate.enter(node)
	if err != nil {
		// Not audited: writing a line for each would let a peer fill the disk.
		c.metrics.turnedAway.Inc()
		c.answer(conn, refuse(policy.Unavailable, err), nil)
		return
	}
	defer leave()
	signed, err := c.readRequest(conn)
	if err != nil {
		var reset *endpoint.ResetError
		if errors.Is(err, errNoRequest) || errors.As(err, &reset) && reset.Remote {
			return // the user went away before anything was asked
		}
		c.turnDown(ctx, conn, from, Event{}, refuse(policy.Denied, err))
		return
	}
	a, refusal := c.believe(from, signed)
	if refusal != nil {
		e := Event{Assertion: signed}
		e.describe(a)
		c.turnDown(ctx, conn, from, e, refusal)
		return
	}
	_, trust, _ := c.cfg.Ledger.Roster().Node(node) // believe has found it
	r := &release{
		custodian: c, assertion: a, signed: signed, key: trust.StatementKey,
		event: Event{Peer: node, PeerTrust: trust.ID},
	}
	done := c.cfg.Lease.use()
	defer done()
	defer r.end()
	if refusal = r.begin(ctx); refusal == nil {
		refusal = newStream(r, conn, start).serve(ctx)
	}
	if refusal != nil {
		c.gate.refused(node)
		c.report(node, refusal)
		c.answer(conn, refusal, r.rulingOn(refusal))
	}
}

// conclude ends the stream as err says and writes the last audit entry.
func (s *stream) conclude(ctx context.Context, err error) {
	entry := s.event
	entry.Kind, entry.Outcome, entry.Bytes, entry.Chunks = Released, policy.Permit, s.sent.Load(), s.chunks
	if refusal := s.guard.fail(nil); refusal != nil {
		err = refusal // it is the reason for whatever else went wrong
	}
	if err == nil {
		err = s.verify(&entry)
	}
	if err != nil {
		entry.Kind, entry.Outcome, entry.Detail = Interrupted, policy.Unavailable, err.Error()
		var refusal *Refusal
		if errors.As(err, &refusal) {
			entry.Outcome = refusal.Outcome
		}
		abort(s.conn, resetCode(entry.Outcome))
		s.custodian.cfg.Logger.Info("document stream ended early", slog.String("peer", s.event.Peer.Short()),
			slog.String("outcome", entry.Outcome.String()), slog.Int64("bytes", entry.Bytes), slog.Any("error", err))
	}
	s.custodian.metrics.released(entry.Outcome)
	if err := s.close(ctx, entry); err != nil {
		s.custodian.cfg.Logger.Error("what became of a release could not be written down", slog.Any("error", err))
	}
}

// verify takes the receipt into the entry if it is one for this release.
func (s *stream) verify(entry *Event) error {
	select {
	case signed := <-s.receipt:
		receipt, err := VerifyReceipt(signed, s.key)
		if err != nil {
			return err
		}
		if receipt.Assertion != federation.Sum(s.signed) || receipt.Intent != s.intent || receipt.Manifest != s.assertion.Manifest {
			return fmt.Errorf("receipt for another release: %w", ErrProtocol)
		}
		if receipt.Bytes != uint64(entry.Bytes) {
			entry.Detail = fmt.Sprintf("%d bytes were sent, the receipt is for %d", entry.Bytes, receipt.Bytes)
		}
		entry.Receipt = signed
		return nil
	default:
		return fmt.Errorf("the requester left without a receipt: %w", io.ErrUnexpectedEOF)
	}
}

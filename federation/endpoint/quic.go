package endpoint

import (
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// First receive windows, in bytes, before a connection has proved to be fast.
const (
	firstStreamWindow   = 256 << 10
	firstDocumentWindow = 1 << 20
	mostStreamWindow    = 6 << 20
)

// serverQUIC returns the configuration of incoming connections. The lane is not known when quic-go
// asks for it, so it is one for all lanes: the windows start small, and grow decides by lane.
func (e *Endpoint) serverQUIC() *quic.Config {
	l := e.limits
	return &quic.Config{
		Versions:                       []quic.Version{quic.Version1},
		HandshakeIdleTimeout:           l.HandshakeTimeout,
		MaxIdleTimeout:                 l.IdleTimeout,
		MaxIncomingStreams:             int64(l.Streams),
		MaxIncomingUniStreams:          -1,
		InitialStreamReceiveWindow:     uint64(l.RequestWindow / 2), // one stalled request leaves room for others
		MaxStreamReceiveWindow:         uint64(min(mostStreamWindow, l.LaneWindow)),
		InitialConnectionReceiveWindow: uint64(l.RequestWindow),
		MaxConnectionReceiveWindow:     uint64(max(l.LaneWindow, l.RequestWindow)),
		AllowConnectionWindowIncrease:  e.growIncoming,
		EnableDatagrams:                true, // of the control lane; nothing reads them on the others
		Allow0RTT:                      false,
	}
}

// clientQUIC returns the configuration of an outgoing connection. The other end opens no streams on
// it. InitialPacketSize stays at quic-go's cautious default: path MTU discovery finds 1,452 bytes
// within a few round trips, and a fixed larger start would fail every handshake behind a tunnel.
func (e *Endpoint) clientQUIC(at slot, grown *grant) *quic.Config {
	l := e.limits
	c := &quic.Config{
		Versions:                       []quic.Version{quic.Version1},
		HandshakeIdleTimeout:           l.HandshakeTimeout,
		MaxIdleTimeout:                 l.IdleTimeout,
		MaxIncomingStreams:             -1,
		MaxIncomingUniStreams:          -1,
		InitialStreamReceiveWindow:     firstStreamWindow,
		MaxStreamReceiveWindow:         uint64(min(mostStreamWindow, l.LaneWindow)),
		InitialConnectionReceiveWindow: firstStreamWindow,
		MaxConnectionReceiveWindow:     uint64(l.LaneWindow),
		AllowConnectionWindowIncrease:  func(_ *quic.Conn, delta uint64) bool { return grown.take(delta) },
		EnableDatagrams:                at.lane == LaneControl,
	}
	if at.lane == LaneDocument {
		c.InitialStreamReceiveWindow = firstDocumentWindow
		c.InitialConnectionReceiveWindow = 2 * firstDocumentWindow
		// A quarter each, so that one reader that stalls does not fill the connection's window.
		c.MaxStreamReceiveWindow = uint64(max(l.DocumentWindow/4, firstDocumentWindow))
		c.MaxConnectionReceiveWindow = uint64(l.DocumentWindow)
	}
	if at.stripe == 0 && at.lane != LaneJoin {
		c.KeepAlivePeriod = l.KeepAlive // further stripes may go when nobody uses them
	}
	return c
}

// growIncoming decides whether an incoming connection may have a larger receive window. quic-go
// calls it with its locks held: it must not call into the connection.
func (e *Endpoint) growIncoming(conn *quic.Conn, delta uint64) bool {
	v, ok := e.incoming.Load(conn)
	if !ok {
		return false // hello not done
	}
	s, ok := v.(*session)
	if !ok || s.at.lane == LaneDocument || s.at.lane == LaneJoin {
		return false // requests are small
	}
	return s.grown.take(delta)
}

// budget is what all connections together may still add to their receive windows, in bytes.
type budget struct{ left atomic.Int64 }

// grant is the part of the budget that one connection has taken.
type grant struct {
	from  *budget
	taken atomic.Int64
}

func (g *grant) take(delta uint64) bool {
	n := int64(min(delta, 1<<40))
	if g.from.left.Add(-n) < 0 {
		g.from.left.Add(n)
		return false
	}
	g.taken.Add(n)
	return true
}

// release gives everything back; the connection is gone.
func (g *grant) release() { g.from.left.Add(g.taken.Swap(0)) }

// soon returns the deadline of a step that may take d.
func soon(d time.Duration) time.Time { return time.Now().Add(d) }

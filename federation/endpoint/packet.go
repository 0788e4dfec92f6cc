package endpoint

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// MaxPacket is the most bytes that Send takes: what fits into one QUIC datagram (RFC 9221) in the
// smallest packet that every path carries.
const MaxPacket = 1150

const (
	// packetBacklog is how many received packets wait in Packets.
	packetBacklog = 256
	// sendBacklog is how many packets wait for one peer.
	sendBacklog = 64
	// packetRate and packetBurst bound what one peer can put into Packets.
	packetRate  = 2000
	packetBurst = 512
	// redialPause is how long packets to a peer that could not be dialled are dropped at once.
	redialPause = time.Second
)

// Packet is an unreliable message from an admitted peer.
type Packet struct {
	From PeerID
	Data []byte // the receiver's to keep
}

// mailbox holds the packets for one peer until its courier takes them.
type mailbox struct {
	queue   chan []byte
	courier bool // a courier is at work; Endpoint.mu guards it
}

// Send sends a packet to a peer over the control lane, on best effort: it may be lost, or arrive
// out of order, but not twice. It never waits for the network: if no connection is open it has one
// made in the background while the packet waits, and if the peer is slow or cannot be reached the
// packet is dropped. It returns ErrDropped when it knows that, ErrInvalid for more than MaxPacket
// bytes, ErrNotAdmitted, or ErrClosed. It does not keep data.
//
// Packets are datagrams rather than streams: gossip measures liveness by what gets lost, so
// retransmission would falsify it, and a stalled stream would take one of the peer's places.
func (e *Endpoint) Send(ctx context.Context, to PeerID, data []byte) error {
	if len(data) == 0 || len(data) > MaxPacket {
		return fmt.Errorf("send packet of %d bytes: %w", len(data), ErrInvalid)
	}
	if err := e.admit(to); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	p := e.peer(to)
	if p.box == nil {
		p.box = &mailbox{queue: make(chan []byte, sendBacklog)}
	}
	select {
	case p.box.queue <- append([]byte(nil), data...): // never blocks: a full queue is the next case
	default:
		e.metrics.drops.WithLabelValues("slow").Inc()
		return ErrDropped
	}
	if !p.box.courier {
		p.box.courier = true
		box := p.box
		// The connection outlives the packet that asked for it.
		detached := context.WithoutCancel(ctx)
		e.running.Go(func() { e.deliver(detached, to, box) })
	}
	return nil
}

// deliver is a mailbox's courier: it makes a connection, sends what is in the box, and goes when
// the connection is gone and the box empty.
func (e *Endpoint) deliver(ctx context.Context, to PeerID, box *mailbox) {
	for {
		s, err := e.acquire(ctx, slot{lane: LaneControl}, to)
		if err == nil {
			e.pump(s, box)
		} else {
			e.discard(box)
			e.pause(redialPause)
			e.discard(box)
		}
		if e.dismiss(to, box) {
			return
		}
	}
}

// pump sends packets until the session or the endpoint ends. SendDatagram waits while quic-go's
// queue of 32 is full; meanwhile the box fills up and Send drops.
func (e *Endpoint) pump(s *session, box *mailbox) {
	for {
		select {
		case data := <-box.queue:
			if err := s.conn.SendDatagram(data); err != nil {
				e.metrics.drops.WithLabelValues("failed").Inc()
			}
		case <-s.conn.Context().Done():
			return
		case <-e.done:
			return
		}
	}
}

func (e *Endpoint) discard(box *mailbox) {
	for {
		select {
		case <-box.queue:
			e.metrics.drops.WithLabelValues("unreachable").Inc()
		default:
			return
		}
	}
}

// pause waits for d, or until Close.
func (e *Endpoint) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.done:
	}
}

// dismiss lets the courier go if there is nothing left to do, or nobody to do it for.
func (e *Endpoint) dismiss(to PeerID, box *mailbox) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.peers[to]
	current := p != nil && p.box == box
	if !e.closed && current && len(box.queue) > 0 {
		return false
	}
	box.courier = false
	if current {
		p.box = nil
		e.tidy(to)
	}
	return true
}

// Packets returns the channel of received packets. Packets that find it full are dropped. It is
// never closed.
func (e *Endpoint) Packets() <-chan Packet { return e.packets }

// receivePackets moves the packets of a session to Packets.
func (e *Endpoint) receivePackets(s *session) {
	fair := rate.NewLimiter(packetRate, packetBurst)
	ctx := s.conn.Context()
	for {
		data, err := s.conn.ReceiveDatagram(ctx)
		if err != nil {
			return // the connection is closed: ReceiveDatagram has no other errors
		}
		if !fair.Allow() || e.admit(s.peer) != nil {
			e.metrics.drops.WithLabelValues("refused").Inc()
			continue
		}
		select {
		case e.packets <- Packet{From: s.peer, Data: data}:
		default:
			e.metrics.drops.WithLabelValues("unread").Inc()
		}
	}
}

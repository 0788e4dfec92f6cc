package gossip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// memberlist believes whoever reaches it: it expands compressed messages inside compressed messages, makes room for as
// many nodes as a header claims, answers to whatever name a ping gives, and counts an incarnation up to where it wraps.
// The guard stands before it and lets through only what an honest member sends.

// Message types of memberlist's protocol that members of a region use (memberlist/net.go).
const (
	msgPing         = 0
	msgIndirectPing = 1
	msgAck          = 2
	msgSuspect      = 3
	msgAlive        = 4
	msgDead         = 5
	msgPushPull     = 6
	msgCompound     = 7
	msgNack         = 11
	msgCRC          = 12
)

const (
	gossipPort     = 1       // the port in the addresses that stand for nodes
	maxIncarnation = 1 << 31 // far from where memberlist's 32 bits wrap
	maxSelfJump    = 1 << 16 // how far one message may raise our own incarnation
	selfInterval   = time.Second
	vsnLength      = 6
)

// The bodies of the messages, as memberlist encodes them.
type (
	pingBody struct {
		SeqNo      uint32
		Node       string
		SourceNode string
	}
	accusation struct { // suspect and dead
		Incarnation uint32
		Node        string
		From        string
	}
	aliveBody struct {
		Incarnation uint32
		Node        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Vsn         []uint8
	}
)

// guard decides which of a peer's messages memberlist gets to see.
type guard struct {
	self   federation.NodeID
	active func(federation.NodeID) bool
	handle codec.MsgpackHandle

	mu       sync.Mutex
	ownInc   uint32    // highest incarnation that anyone has spoken of for this node
	ownAfter time.Time // until then, what is said of this node is dropped
}

func newGuard(self federation.NodeID, active func(federation.NodeID) bool) *guard {
	return &guard{self: self, active: active}
}

// packet reports whether memberlist may have a packet. It fails with ErrRefused.
func (g *guard) packet(from federation.NodeID, b []byte, now time.Time) error {
	if len(b) > 5 && b[0] == msgCRC {
		if binary.BigEndian.Uint32(b[1:5]) != crc32.ChecksumIEEE(b[5:]) {
			return fmt.Errorf("checksum: %w", ErrRefused)
		}
		b = b[5:]
	}
	if len(b) < 2 || b[0] != msgCompound {
		return g.message(from, b, now)
	}
	n, rest := int(b[1]), b[2:]
	if len(rest) < 2*n {
		return fmt.Errorf("compound of %d messages in %d bytes: %w", n, len(b), ErrRefused)
	}
	sizes, parts := rest[:2*n], rest[2*n:]
	for ; len(sizes) > 0; sizes = sizes[2:] {
		size := int(binary.BigEndian.Uint16(sizes))
		if size > len(parts) {
			return fmt.Errorf("compound ends early: %w", ErrRefused)
		}
		if err := g.message(from, parts[:size], now); err != nil {
			return err
		}
		parts = parts[size:]
	}
	return nil
}

// message judges one message that holds no others.
func (g *guard) message(from federation.NodeID, b []byte, now time.Time) error {
	if len(b) < 2 {
		return fmt.Errorf("message of %d bytes: %w", len(b), ErrRefused)
	}
	kind, body := b[0], b[1:]
	switch kind {
	case msgPing, msgIndirectPing:
		var m pingBody
		if err := g.decode(body, &m); err != nil {
			return err
		}
		if m.SourceNode != from.String() {
			return fmt.Errorf("ping in the name of %.64q: %w", m.SourceNode, ErrRefused)
		}
		return g.known(m.Node)
	case msgAck, msgNack:
		var m pingBody
		return g.decode(body, &m)
	case msgSuspect, msgDead:
		var m accusation
		if err := g.decode(body, &m); err != nil {
			return err
		}
		if err := g.known(m.From); err != nil {
			return err
		}
		return g.about(m.Node, m.Incarnation, now)
	case msgAlive:
		var m aliveBody
		if err := g.decode(body, &m); err != nil {
			return err
		}
		return g.alive(m, now)
	default:
		return fmt.Errorf("message type %d: %w", kind, ErrRefused)
	}
}

// alive judges the claim that a node is alive.
func (g *guard) alive(m aliveBody, now time.Time) error {
	if err := g.shape(m.Node, m.Addr, m.Port, m.Meta); err != nil {
		return err
	}
	if err := versions(m.Vsn); err != nil {
		return err
	}
	return g.about(m.Node, m.Incarnation, now)
}

// shape refuses a node whose name is no active node's, or whose other fields are not those that the name gives.
func (g *guard) shape(name string, addr net.IP, port uint16, meta []byte) error {
	if err := g.known(name); err != nil {
		return err
	}
	id, err := federation.ParseNodeID(name)
	if err != nil {
		return err
	}
	if !addr.Equal(addressOf(id)) || port != gossipPort || len(meta) != 0 {
		return fmt.Errorf("node %s with another address, or with metadata: %w", id.Short(), ErrRefused)
	}
	return nil
}

// about refuses what is said of a node at an incarnation that cannot be. What is said of this node makes memberlist
// answer with a higher one, so that is let through once a second only.
func (g *guard) about(name string, incarnation uint32, now time.Time) error {
	if err := g.known(name); err != nil {
		return err
	}
	if incarnation > maxIncarnation {
		return fmt.Errorf("incarnation %d: %w", incarnation, ErrRefused)
	}
	if name != g.self.String() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if incarnation > g.ownInc+maxSelfJump {
		return fmt.Errorf("own incarnation %d: %w", incarnation, ErrRefused)
	}
	if now.Before(g.ownAfter) {
		return fmt.Errorf("said of this node too often: %w", ErrRefused)
	}
	g.ownInc, g.ownAfter = max(g.ownInc, incarnation), now.Add(selfInterval)
	return nil
}

// known refuses a name that is not exactly the id of an active node, or this one's.
func (g *guard) known(name string) error {
	if len(name) != 2*len(g.self) {
		return fmt.Errorf("name of %d characters: %w", len(name), ErrRefused)
	}
	id, err := federation.ParseNodeID(name)
	if err != nil || id.String() != name {
		return fmt.Errorf("name %q: %w", name, ErrRefused)
	}
	if id != g.self && !g.active(id) {
		return fmt.Errorf("node %s is not active: %w", id.Short(), ErrRefused)
	}
	return nil
}

func (g *guard) decode(b []byte, v any) error {
	if err := codec.NewDecoderBytes(b, &g.handle).Decode(v); err != nil {
		return fmt.Errorf("decode: %w", ErrRefused)
	}
	return nil
}

// versions refuses a node that cannot speak our version: memberlist would stop every exchange because of it.
func versions(vsn []uint8) error {
	if len(vsn) != vsnLength || vsn[0] > memberlist.ProtocolVersion2Compatible || vsn[0] < memberlist.ProtocolVersionMin ||
		vsn[1] < memberlist.ProtocolVersion2Compatible || vsn[2] != memberlist.ProtocolVersion2Compatible ||
		!bytes.Equal(vsn[3:], make([]byte, 3)) {
		return fmt.Errorf("versions %v: %w", vsn, ErrRefused)
	}
	return nil
}

// addressOf returns the address that stands for a node: a unique local IPv6 address (RFC 4193) from its id. It is never
// dialled. It stays when the trust moves its node, so memberlist never sees a conflict.
func addressOf(id federation.NodeID) net.IP {
	ip := make(net.IP, net.IPv6len)
	ip[0] = 0xfd
	copy(ip[1:], id[:])
	return ip
}

// joinTarget is how memberlist is told to call a node: name, slash, address and port.
func joinTarget(id federation.NodeID) string {
	ip, _ := netip.AddrFromSlice(addressOf(id))
	return id.String() + "/" + netip.AddrPortFrom(ip, gossipPort).String()
}

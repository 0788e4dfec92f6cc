package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

var goodVsn = []uint8{1, 5, 2, 0, 0, 0}

// message encodes one memberlist message.
func message(kind byte, body any) []byte {
	out := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(out, &codec.MsgpackHandle{}).Encode(body); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func compound(parts ...[]byte) []byte {
	out := []byte{msgCompound, byte(len(parts))}
	for _, p := range parts {
		out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
	}
	return append(out, bytes.Join(parts, nil)...)
}

func summed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{msgCRC}, crc32.ChecksumIEEE(b)), b...)
}

func aliveOf(n byte, incarnation uint32) aliveBody {
	id := nodeID(n)
	return aliveBody{Incarnation: incarnation, Node: id.String(), Addr: addressOf(id), Port: gossipPort, Vsn: goodVsn}
}

func name(n byte) string { return nodeID(n).String() }

// testGuard is that of node 1, in a region of 3; the messages come from node 2.
func testGuard() *guard {
	r := rosterOf(3, federation.Active)
	return newGuard(nodeID(1), r.Active)
}

func TestGuardLetsHonestMessagesThrough(t *testing.T) {
	cases := map[string][]byte{
		"ping":          message(msgPing, pingBody{SeqNo: 1, Node: name(1), SourceNode: name(2)}),
		"indirect ping": message(msgIndirectPing, pingBody{SeqNo: 1, Node: name(3), SourceNode: name(2)}),
		"ack":           message(msgAck, pingBody{SeqNo: 1}),
		"nack":          message(msgNack, pingBody{SeqNo: 1}),
		"suspect":       message(msgSuspect, accusation{Incarnation: 1, Node: name(3), From: name(2)}),
		"own death":     message(msgDead, accusation{Incarnation: 1, Node: name(1), From: name(3)}),
		"alive":         message(msgAlive, aliveOf(3, 7)),
		"compound":      compound(message(msgAlive, aliveOf(3, 7)), message(msgAck, pingBody{SeqNo: 1})),
		"checksum":      summed(message(msgAlive, aliveOf(3, 7))),
	}
	for what, b := range cases {
		if err := testGuard().packet(nodeID(2), b, time.Now()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestGuardRefuses(t *testing.T) {
	with := func(change func(*aliveBody)) []byte {
		a := aliveOf(3, 7)
		change(&a)
		return message(msgAlive, a)
	}
	bad := summed([]byte{msgAck, 0x80})
	bad[1] ^= 1
	cases := map[string][]byte{
		"nothing":                       {},
		"no body":                       {msgPing},
		"garbage":                       {msgPing, 0xff, 0xff},
		"ping in another's name":        message(msgPing, pingBody{Node: name(1), SourceNode: name(3)}),
		"ping without a name":           message(msgPing, pingBody{Node: name(1)}),
		"indirect ping of a stranger":   message(msgIndirectPing, pingBody{Node: name(9), SourceNode: name(2)}),
		"user message":                  message(8, pingBody{}),
		"compressed":                    message(9, pingBody{}),
		"encrypted":                     message(10, pingBody{}),
		"error":                         message(13, pingBody{}),
		"label":                         {244, 1, 'x', msgAck, 0x80},
		"compound in a compound":        compound(compound(message(msgAck, pingBody{}))),
		"short compound":                {msgCompound, 3, 0, 1},
		"compound that lies":            {msgCompound, 1, 0xff, 0xff, msgAck},
		"good then bad in a compound":   compound(message(msgAck, pingBody{}), message(9, pingBody{})),
		"wrong checksum":                bad,
		"stranger alive":                message(msgAlive, aliveOf(9, 1)),
		"alive in capitals":             with(func(a *aliveBody) { a.Node = "F" + a.Node[1:] }),
		"alive with a long name":        with(func(a *aliveBody) { a.Node += "00" }),
		"alive at another address":      with(func(a *aliveBody) { a.Addr = net.IPv4(10, 0, 0, 1).To4() }),
		"alive at another port":         with(func(a *aliveBody) { a.Port = 7946 }),
		"alive with metadata":           with(func(a *aliveBody) { a.Meta = []byte("x") }),
		"alive without versions":        with(func(a *aliveBody) { a.Vsn = nil }),
		"alive with versions that stop": with(func(a *aliveBody) { a.Vsn = []uint8{5, 5, 5, 0, 0, 0} }),
		"alive near the wrap":           with(func(a *aliveBody) { a.Incarnation = 1<<32 - 1 }),
		"death near the wrap":           message(msgDead, accusation{Incarnation: 1<<32 - 1, Node: name(3), From: name(2)}),
		"own death far ahead":           message(msgDead, accusation{Incarnation: 1 << 20, Node: name(1), From: name(2)}),
		"death said by a stranger":      message(msgDead, accusation{Incarnation: 1, Node: name(3), From: name(9)}),
		"death of a stranger":           message(msgDead, accusation{Incarnation: 1, Node: name(9), From: name(2)}),
	}
	for what, b := range cases {
		if err := testGuard().packet(nodeID(2), b, time.Now()); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", what, err)
		}
	}
}

func TestOwnDeathIsHeardOnceASecond(t *testing.T) {
	g, now := testGuard(), time.Now()
	dead := message(msgDead, accusation{Incarnation: 1, Node: name(1), From: name(2)})
	if err := g.packet(nodeID(2), dead, now); err != nil {
		t.Fatal(err)
	}
	if err := g.packet(nodeID(3), dead, now.Add(900*time.Millisecond)); !errors.Is(err, ErrRefused) {
		t.Errorf("second within the second: got %v, want ErrRefused", err)
	}
	if err := g.packet(nodeID(3), dead, now.Add(time.Second)); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// exchange encodes one side of an exchange.
func exchange(h stateHeader, nodes ...stateNode) []byte {
	out := bytes.NewBuffer(message(msgPushPull, h))
	for _, n := range nodes {
		if err := codec.NewEncoder(out, &codec.MsgpackHandle{}).Encode(n); err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

func stateOf(n byte, s memberlist.NodeStateType) stateNode {
	a := aliveOf(n, 3)
	return stateNode{Name: a.Node, Addr: a.Addr, Port: a.Port, Incarnation: 3, State: s, Vsn: goodVsn}
}

func TestExchangeKeepsOnlyNodesThatAreBelieved(t *testing.T) {
	meta := stateOf(3, memberlist.StateAlive)
	meta.Meta = []byte("x")
	in := exchange(stateHeader{Nodes: 5, Join: true}, stateOf(2, memberlist.StateAlive), stateOf(9, memberlist.StateAlive), meta,
		stateOf(3, 77), stateOf(3, memberlist.StateDead))
	got, err := testGuard().state(bytes.NewReader(in), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := exchange(stateHeader{Nodes: 2, Join: true}, stateOf(2, memberlist.StateAlive), stateOf(3, memberlist.StateDead))
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
}

func TestExchangeIsRefused(t *testing.T) {
	cases := map[string][]byte{
		"other kind":       message(msgPing, pingBody{}),
		"compressed":       message(9, pingBody{}),
		"too many nodes":   exchange(stateHeader{Nodes: maxStateNodes + 1}),
		"fewer than none":  exchange(stateHeader{Nodes: -1}),
		"user state":       exchange(stateHeader{UserStateLen: 1}),
		"nodes missing":    exchange(stateHeader{Nodes: 2}, stateOf(2, memberlist.StateAlive)),
		"header cut short": exchange(stateHeader{})[:5],
	}
	for what, b := range cases {
		if _, err := testGuard().state(bytes.NewReader(b), time.Now()); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", what, err)
		}
	}
	if _, err := testGuard().state(bytes.NewReader(nil), time.Now()); !errors.Is(err, io.EOF) {
		t.Errorf("nothing: got %v, want EOF", err)
	}
}

// Node 4 is a member and a rogue: it says for a minute that node 2 is dead and that node 3, which was killed, is alive,
// as fast as it can. Reachability does not move, and once it stops the members agree again.
func TestForgedStormsMoveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(4)
		gs := r.startAll(t, 3)
		rogue := r.port(nodeID(4))
		within(t, 35*time.Second, "converged", func() bool { return sees(gs[0], ids(2, 3)...) && sees(gs[1], ids(1, 3)...) })
		go r.kill(t, gs[2])
		within(t, 10*time.Second, "node 3 unreachable", func() bool { return !gs[0].Reachable(nodeID(3)) && !gs[1].Reachable(nodeID(3)) })

		var conns []net.Conn
		for _, to := range ids(1, 2) {
			c, err := rogue.Dial(t.Context(), to)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte{streamPackets}); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		start, incarnation := time.Now(), uint32(1)
		for time.Since(start) < time.Minute {
			for _, c := range conns {
				for _, b := range [][]byte{
					message(msgDead, accusation{Incarnation: incarnation, Node: name(2), From: name(2)}),
					message(msgDead, accusation{Incarnation: incarnation, Node: name(1), From: name(4)}),
					message(msgSuspect, accusation{Incarnation: incarnation, Node: name(2), From: name(1)}),
					message(msgAlive, aliveOf(3, incarnation)),
				} {
					frame := append(binary.BigEndian.AppendUint16(nil, uint16(len(b)+1)), packetGossip)
					if _, err := c.Write(append(frame, b...)); err != nil {
						t.Fatal(err)
					}
				}
			}
			incarnation += 3
			<-time.After(20 * time.Millisecond)
			if !gs[0].Reachable(nodeID(2)) || !gs[1].Reachable(nodeID(1)) {
				t.Fatalf("a forged death was believed after %s", time.Since(start))
			}
			if gs[0].Reachable(nodeID(3)) || gs[1].Reachable(nodeID(3)) {
				t.Fatalf("a forged life was believed after %s", time.Since(start))
			}
		}
		for _, c := range conns {
			_ = c.Close()
		}
		within(t, 90*time.Second, "agreed after the storm", func() bool { return sees(gs[0], ids(2)...) && sees(gs[1], ids(1)...) })
		_ = rogue.Close()
		closeAll(t, gs...)
	})
}

func FuzzPacket(f *testing.F) {
	f.Add(message(msgAlive, aliveOf(3, 7)))
	f.Add(compound(message(msgAck, pingBody{SeqNo: 1}), message(msgDead, accusation{Incarnation: 1, Node: name(1), From: name(2)})))
	f.Add(summed(message(msgPing, pingBody{Node: name(1), SourceNode: name(2)})))
	g := testGuard()
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := g.packet(nodeID(2), b, time.Now()); err == nil && len(b) < 2 {
			t.Error("an empty message was let through")
		}
	})
}

func FuzzExchange(f *testing.F) {
	f.Add(exchange(stateHeader{Nodes: 2, Join: true}, stateOf(2, memberlist.StateAlive), stateOf(3, memberlist.StateDead)))
	f.Add(exchange(stateHeader{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		clean, err := testGuard().state(bytes.NewReader(b), time.Now())
		if err != nil {
			return
		}
		again, err := testGuard().state(bytes.NewReader(clean), time.Now())
		if err != nil || !bytes.Equal(clean, again) {
			t.Errorf("cleaning is not stable: %x, then %x, %v", clean, again, err)
		}
	})
}

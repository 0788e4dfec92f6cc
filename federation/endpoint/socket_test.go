package endpoint

import (
	"bytes"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestHeldSocketDropsWhatIsSent sends through both kinds of socket while they are held, and after.
func TestHeldSocketDropsWhatIsSent(t *testing.T) {
	for name, plain := range map[string]bool{"UDP": false, "any other": true} {
		t.Run(name, func(t *testing.T) {
			listen := func() *net.UDPConn {
				c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			from, to := listen(), listen()
			var held atomic.Bool
			var conn net.PacketConn = from
			if plain {
				conn = struct{ net.PacketConn }{from}
			}
			conn = quietly(conn, held.Load, slog.New(slog.DiscardHandler))
			send := func(text string) {
				t.Helper()
				if n, err := conn.WriteTo([]byte(text), to.LocalAddr()); err != nil || n != len(text) {
					t.Fatal(n, err)
				}
				udp, ok := conn.(udpSocket)
				if ok == plain {
					t.Fatalf("%T", conn)
				}
				if ok {
					if n, _, err := udp.WriteMsgUDP([]byte(text), nil, to.LocalAddr().(*net.UDPAddr)); err != nil || n != len(text) { //nolint:forcetypeassert // a UDP socket's
						t.Fatal(n, err)
					}
				}
			}
			held.Store(true)
			send("held")
			held.Store(false)
			send("sent")
			if err := to.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			if n, _, err := to.ReadFrom(b); err != nil || string(b[:n]) != "sent" {
				t.Errorf("%q, %v", b[:n], err)
			}
		})
	}
}

// stuck is a socket whose writes wait to be let go.
type stuck struct {
	udpSocket
	writes atomic.Int32
	free   chan struct{}
}

func (s *stuck) WriteMsgUDP(b, oob []byte, _ *net.UDPAddr) (int, int, error) {
	s.writes.Add(1)
	<-s.free
	return len(b), len(oob), nil
}

// TestWhoWaitsForTheSocketIsLookedAtAgain has several connections wait for a socket when it comes to be held: what they asked to
// write before does not leave after.
func TestWhoWaitsForTheSocketIsLookedAtAgain(t *testing.T) {
	const senders = 4
	var held atomic.Bool
	under := &stuck{free: make(chan struct{})}
	socket := &heldUDP{udpSocket: under, hold: held.Load}
	var all sync.WaitGroup
	for range senders {
		all.Go(func() { _, _, _ = socket.WriteMsgUDP([]byte("page"), nil, nil) })
	}
	stacks := make([]byte, 1<<20)
	for calls := 0; calls < senders; runtime.Gosched() {
		calls = bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("(*heldUDP).WriteMsgUDP("))
		if under.writes.Load() == 0 {
			calls = 0
		}
	}
	held.Store(true)
	close(under.free)
	all.Wait()
	if n := under.writes.Load(); n != 1 {
		t.Errorf("%d connections wrote, and one only was at it when the socket came to be held", n)
	}
}

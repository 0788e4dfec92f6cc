package endpoint

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
)

func TestAdmittedPeersTalkOnAllLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		for _, lane := range []Lane{LaneRaft, LaneControl, LaneDocument} {
			for _, ends := range [][2]*Endpoint{{a, b}, {b, a}} {
				s := dial(t, ends[0], lane, echo, ends[1].ID())
				if err := say(s, "hello "+lane.String()); err != nil {
					t.Errorf("%s: %v", lane, err)
				}
				if id, ok := Peer(s); !ok || id != ends[1].ID() {
					t.Errorf("%s: peer is %s, want %s", lane, id, ends[1].ID())
				}
				if st := s.sess.state(); st.Version != tls.VersionTLS13 || st.NegotiatedProtocol != "ridgeway-"+lane.String() {
					t.Errorf("%s: TLS %x, protocol %q", lane, st.Version, st.NegotiatedProtocol)
				}
			}
		}
		if got := len(a.Connections()); got != 6 {
			t.Errorf("%d connections, want 3 lanes in 2 directions", got)
		}
	})
}

func TestStrangerIsRefusedOnEachLane(t *testing.T) {
	for _, lane := range []Lane{LaneRaft, LaneControl, LaneDocument} {
		t.Run(lane.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegion(t)
				member := r.node(1)
				everybody := func(c *Config) { c.Admit = func(PeerID) error { return nil } }
				stranger := r.stranger(2, everybody)

				_, err := stranger.Dial(within(t, time.Minute), lane, echo, member.ID())
				wantErr(t, err, ErrNotAdmitted)
				if err == nil || !strings.Contains(err.Error(), "active") {
					t.Errorf("stranger reads %q, which does not say what is wrong", err)
				}
				_, err = member.Dial(within(t, time.Minute), lane, echo, stranger.ID())
				wantErr(t, err, ErrNotAdmitted)
				wantErr(t, err, errSuspended)
				if n := len(member.Connections()); n != 0 {
					t.Errorf("member has %d connections with a stranger", n)
				}
			})
		})
	}
}

func TestMemberThatIsNotInTheClientsRosterIsRefusedByTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		server := r.node(1)
		asked := 0
		client := r.node(2, func(c *Config) {
			c.Admit = func(PeerID) error { // admits, but not when the TLS handshake asks
				if asked++; asked == 2 {
					return errSuspended
				}
				return nil
			}
		})
		_, err := client.Dial(within(t, time.Minute), LaneRaft, echo, server.ID())
		wantErr(t, err, errSuspended)
	})
}

func TestRosterIsAskedAgainAtHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		asked := 0
		server := r.node(1, func(c *Config) {
			c.Admit = func(PeerID) error { // admits in the TLS handshake, and then no more
				if asked++; asked > 1 {
					return errSuspended
				}
				return nil
			}
		})
		client := r.node(2)
		_, err := client.Dial(within(t, time.Minute), LaneControl, echo, server.ID())
		wantErr(t, err, ErrNotAdmitted)
		if strings.Contains(err.Error(), errSuspended.Error()) {
			t.Errorf("the roster's reason was sent to the peer: %v", err)
		}
	})
}

func TestSuspendedPeerIsClosedAtOnceAndCannotRedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b, c := r.node(1), r.node(2), r.node(3)
		in := dial(t, b, LaneDocument, echo, a.ID())
		out := dial(t, a, LaneRaft, echo, b.ID())
		other := dial(t, a, LaneRaft, echo, c.ID())
		for _, s := range []*Stream{in, out, other} {
			if err := say(s, "before"); err != nil {
				t.Fatal(err)
			}
		}
		r.suspend(b.ID())
		start := time.Now()
		a.Evict(b.ID())
		if _, err := out.Read(make([]byte, 1)); !errors.Is(err, ErrEvicted) {
			t.Errorf("own stream reads %v, want ErrEvicted", err)
		}
		if _, err := in.Read(make([]byte, 1)); !errors.Is(err, ErrEvicted) {
			t.Errorf("the peer's stream reads %v, want ErrEvicted", err)
		}
		if took := time.Since(start); took > 2*latency {
			t.Errorf("closing took %s", took)
		}
		_, err := b.Dial(within(t, time.Minute), LaneDocument, echo, a.ID())
		wantErr(t, err, ErrNotAdmitted)
		_, err = a.Dial(within(t, time.Minute), LaneDocument, echo, b.ID())
		wantErr(t, err, ErrNotAdmitted)
		if err := say(other, "after"); err != nil {
			t.Errorf("another peer was hit: %v", err)
		}
	})
}

func TestPeerSuspendedWithoutEvictOpensNoFurtherStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		b := r.node(2, func(c *Config) { c.Admit = func(PeerID) error { return nil } })
		s := dial(t, b, LaneControl, echo, a.ID())
		if err := say(s, "before"); err != nil {
			t.Fatal(err)
		}
		r.suspend(b.ID())
		wantErr(t, say(dial(t, b, LaneControl, echo, a.ID()), "after"), ErrEvicted)
	})
}

func TestEvictGivesUpADialInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		r.dropIf(dropAll)
		result := make(chan error)
		go func() {
			_, err := a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
			result <- err
		}()
		synctest.Wait()
		r.suspend(b.ID())
		a.Evict(b.ID())
		wantErr(t, <-result, ErrEvicted)
	})
}

func TestHelloKeepsNoPlaceAmongTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		e := r.node(1)
		r.enrol(testID(9), e.Addr())
		conn, err := r.raw(9, e, nil)
		if err != nil {
			t.Fatal(err)
		}
		str := sendHello(t, conn, hello{lane: LaneDocument, versions: versions{1, 1}})
		var ack [ackSize]byte
		if _, err := io.ReadFull(str, ack[:]); err != nil { // and the hello is left open
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for i := range 32 {
			if _, err := conn.OpenStream(); err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
		}
	})
}

func TestWrongKeyBehindAnAddressIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b, c := r.node(1), r.node(2), r.node(3)
		r.enrol(b.ID(), c.Addr()) // both are members, the address is stale
		_, err := a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrWrongPeer)
		if err == nil || !strings.Contains(err.Error(), c.ID().String()) {
			t.Errorf("%v does not say who answered", err)
		}
	})
}

func TestVersionsWithoutOneInCommonAreRefusedReadably(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		b, err := newEndpoint(r.config(2, nil), versions{2, 3})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		r.enrol(b.ID(), b.Addr())
		_, err = b.Dial(within(t, time.Minute), LaneRaft, echo, a.ID())
		wantErr(t, err, ErrVersion)
		if err == nil || !strings.Contains(err.Error(), "1 to 1") {
			t.Errorf("%v does not say which versions", err)
		}
		_, err = a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrVersion)
	})
}

func TestJoiningNodeChecksThePinAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		sponsor, impostor := r.node(1), r.node(2)
		newcomer := r.stranger(3)
		addr := sponsor.Addr().String()

		_, err := newcomer.DialJoin(within(t, time.Minute), addr, sponsor.ID())
		wantErr(t, err, ErrLane) // nobody listens there

		saw := make(chan PeerID, 1)
		for _, e := range []*Endpoint{sponsor, impostor} {
			listen(t, e, LaneJoin, ServiceJoin, func(c net.Conn) {
				if id, ok := Peer(c); ok {
					saw <- id
				}
				_, _ = io.Copy(c, c)
			})
		}
		_, err = newcomer.DialJoin(within(t, time.Minute), impostor.Addr().String(), sponsor.ID())
		wantErr(t, err, ErrWrongPeer)

		c, err := newcomer.DialJoin(within(t, time.Minute), addr, sponsor.ID())
		if err != nil {
			t.Fatal(err)
		}
		if err := say(c, "may I"); err != nil {
			t.Fatal(err)
		}
		if got := <-saw; got != newcomer.ID() {
			t.Errorf("sponsor saw %s, want %s", got, newcomer.ID())
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * joinLinger)
		synctest.Wait()
		if n := len(newcomer.Connections()) + len(sponsor.Connections()); n != 0 {
			t.Errorf("%d connections left after the stream was closed", n)
		}
	})
}

func sendHello(t *testing.T, conn *quic.Conn, h hello) *quic.Stream {
	t.Helper()
	str, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	b := h.encode()
	if _, err := str.Write(b[:]); err != nil {
		t.Fatal(err)
	}
	return str
}

func greetRaw(t *testing.T, conn *quic.Conn, lane Lane) {
	t.Helper()
	str := sendHello(t, conn, hello{lane: lane, versions: versions{1, 1}})
	var ack [ackSize]byte
	if _, err := io.ReadFull(str, ack[:]); err != nil {
		t.Fatal(translate(err))
	}
	_ = str.Close() // the other end may be done with it already
}

func TestConnectionWithoutAProperHelloIsClosed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		first []byte
		took  time.Duration
	}{
		{"silence", nil, 5 * time.Second},
		{"half a hello", []byte("RDGW"), 5 * time.Second},
		{"another protocol", []byte("GET / HTTP/1.1\r\n\r\n"), 0},
		{"another lane", func() []byte {
			b := hello{lane: LaneRaft, versions: versions{1, 1}}.encode()
			return b[:]
		}(), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegion(t)
				e := r.node(1)
				r.enrol(testID(9), e.Addr())
				conn, err := r.raw(9, e, nil)
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if tc.first != nil {
					str, err := conn.OpenStream()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := str.Write(tc.first); err != nil {
						t.Fatal(err)
					}
				}
				wantErr(t, fate(conn), ErrProtocol)
				if took := time.Since(start); took < tc.took || took > tc.took+time.Second {
					t.Errorf("closed after %s, want %s", took, tc.took)
				}
				if n := len(e.Connections()); n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

package endpoint

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// served returns the window of the one connection of the document lane, as its sending end sees it, and what that end has sent.
func served(t *testing.T, e *Endpoint, to PeerID) Stats {
	t.Helper()
	s, ok := e.Stats(to, LaneDocument)
	if !ok || s.Connections != 1 {
		t.Fatalf("%d connections, want 1", s.Connections)
	}
	return s
}

func TestDocumentAfterTheFirstIsNotSpreadOverARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			size      = 100_000
			documents = Service(9)
		)
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		listen(t, b, LaneDocument, documents, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 1))
			_, _ = c.Write(make([]byte, size))
		})
		fetch := func() time.Duration {
			start := time.Now()
			c, err := a.DialStriped(within(t, time.Minute), documents, b.ID(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, c); n != size || err != nil {
				t.Fatalf("%d bytes, %v", n, err)
			}
			return time.Since(start)
		}
		fetch()
		time.Sleep(20 * latency) // virtual
		before := served(t, b, a.ID())
		if before.CongestionWindow < warmWindow {
			t.Errorf("the window is %d bytes, want %d", before.CongestionWindow, warmWindow)
		}
		if most := uint64(size + warmMost + warmMost/4); before.BytesSent > most {
			t.Errorf("%d bytes were sent for it, want at most %d", before.BytesSent, most)
		}
		if took := fetch(); took > 3*latency {
			t.Errorf("a document took %s on a warm connection, want a round trip of %s and little more", took, 2*latency)
		}
		time.Sleep(20 * latency)
		if after := served(t, b, a.ID()); after.BytesSent > before.BytesSent+size+size/4 {
			t.Errorf("%d bytes were sent for the second document of %d", after.BytesSent-before.BytesSent, size)
		}
	})
}

func TestWindowIsWidenedOnceAndByTheEndpointOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		if _, err := b.Listen(LaneDocument, serviceWarm); !errors.Is(err, ErrInvalid) {
			t.Errorf("listen: %v", err)
		}
		if _, err := a.DialStriped(within(t, time.Minute), serviceWarm, b.ID(), 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("dial: %v", err)
		}
		s, err := a.acquire(within(t, time.Minute), slot{lane: LaneDocument}, b.ID())
		if err != nil {
			t.Fatal(err)
		}
		ask := func() int64 {
			str, err := s.start(within(t, time.Minute), serviceWarm, false)
			if err != nil {
				t.Fatal(err)
			}
			defer str.Close()
			n, err := io.Copy(io.Discard, str)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		s.warmed.Store(true) // asked for here instead
		if n := ask(); n < warmWindow/2 || n > warmMost {
			t.Errorf("%d bytes, want from %d to %d", n, warmWindow/2, warmMost)
		}
		if n := ask(); n != 0 {
			t.Errorf("%d bytes when asked again", n)
		}
	})
}

package endpoint

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestBindingIsSharedByBothEndsAndByNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		const tell Service = 9
		for _, lane := range []Lane{LaneControl, LaneDocument} {
			listen(t, b, lane, tell, func(c net.Conn) {
				v, err := Binding(c)
				if err != nil {
					t.Error(err)
				}
				_, _ = c.Write(v)
			})
		}
		seen := make(map[string]string)
		for _, tc := range []struct {
			name   string
			lane   Lane
			stripe int
		}{{"control", LaneControl, 0}, {"document", LaneDocument, 0}, {"stripe", LaneDocument, 1}} {
			for range 2 {
				c, err := a.dial(within(t, time.Minute), slot{tc.lane, uint8(tc.stripe)}, tell, b.ID(), false)
				if err != nil {
					t.Fatal(err)
				}
				here, err := Binding(c)
				if err != nil {
					t.Fatal(err)
				}
				there, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(here, there) || len(here) != 32 {
					t.Errorf("%s: %x here, %x there, %v", tc.name, here, there, err)
				}
				if other, ok := seen[string(here)]; ok && other != tc.name {
					t.Errorf("%s and %s have the same binding", tc.name, other)
				}
				seen[string(here)] = tc.name
				_ = c.Close()
			}
		}
		if len(seen) != 3 {
			t.Errorf("%d bindings on 3 connections", len(seen))
		}
	})
}

func TestOtherConnectionsHaveNoPeerAndNoBinding(t *testing.T) {
	p, q := net.Pipe()
	defer p.Close()
	defer q.Close()
	if _, err := Binding(p); !errors.Is(err, ErrNotStream) {
		t.Errorf("error %v", err)
	}
	if _, ok := Peer(p); ok {
		t.Error("a pipe has a peer")
	}
	if _, ok := StatsOf(p); ok {
		t.Error("a pipe has statistics")
	}
}

func TestStripedStreamIsHeardOfWithItsFirstWriteOrRead(t *testing.T) {
	greets, long := Service(40), bytes.Repeat([]byte("x"), 3*mostTogether)
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		open := func(service Service) net.Conn {
			c, err := a.DialStriped(within(t, time.Minute), service, b.ID(), 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		listen(t, b, LaneDocument, greets, func(c net.Conn) { _, _ = c.Write([]byte("good day")); c.Close() })
		if got, err := io.ReadAll(open(greets)); err != nil || string(got) != "good day" {
			t.Errorf("read first: %q, %v", got, err)
		}
		c := open(echo)
		if err := say(c, "short"); err != nil {
			t.Errorf("written first: %v", err)
		}
		if err := say(c, string(long)); err != nil {
			t.Errorf("written again: %v", err)
		}
		if err := say(open(echo), string(long)); err != nil {
			t.Errorf("long: %v", err)
		}
		c = open(greets)
		if err := c.(*Stream).CloseWrite(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(c); err != nil || string(got) != "good day" {
			t.Errorf("closed first: %q, %v", got, err)
		}
	})
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestPeerOfAWrappedStreamIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		c := wrapped{wrapped{dial(t, a, LaneControl, echo, b.ID())}}
		if id, ok := Peer(c); !ok || id != b.ID() {
			t.Errorf("peer %s, %t", id, ok)
		}
	})
}

func TestWhatWasWrittenBeforeCloseArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		const sink Service = 9
		got := make(chan []byte, 1)
		listen(t, b, LaneDocument, sink, func(c net.Conn) {
			all, err := io.ReadAll(c)
			if err != nil {
				t.Error(err)
			}
			got <- all
		})
		s := dial(t, a, LaneDocument, sink, b.ID())
		want := bytes.Repeat([]byte("x"), 200_000)
		if _, err := s.Write(want); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		if all := <-got; !bytes.Equal(all, want) {
			t.Errorf("%d bytes arrived, want %d", len(all), len(want))
		}
		if _, err := s.Write(want); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		if _, err := s.Read(want); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if err := s.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("half close after close: %v", err)
		}
	})
}

func TestHalfClosedStreamStillReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneControl, echo, b.ID())
		if _, err := io.WriteString(s, "all I have"); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || string(got) != "all I have" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := io.WriteString(s, "more"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after half close: %v", err)
		}
		if !s.sess.alive() {
			t.Error("a misuse of one stream counts as the end of the connection")
		}
	})
}

func TestCloseUnblocksReadAndWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneDocument, silent, b.ID())
		results := make(chan error, 2)
		go func() {
			_, err := s.Read(make([]byte, 1))
			results <- err
		}()
		go func() {
			_, err := s.Write(make([]byte, 4<<20)) // more than the peer takes unread
			results <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wantErr(t, <-results, net.ErrClosed)
		}
	})
}

func TestResetCodeReachesThePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		const lapsed = ResetCaller + 3
		const aborts Service = 9
		listen(t, b, LaneDocument, aborts, func(c net.Conn) { c.(*Stream).Reset(lapsed) })
		s := dial(t, a, LaneDocument, aborts, b.ID())
		_, err := s.Read(make([]byte, 1))
		reset, ok := errors.AsType[*ResetError](err)
		if !ok || reset.Code != lapsed || !reset.Remote {
			t.Errorf("read: %v, want code %d of the peer", err, lapsed)
		}
		if err := s.CloseWrite(); err == nil {
			t.Error("half close of a reset stream succeeded")
		} else if reset, ok := errors.AsType[*ResetError](err); !ok || reset.Code != lapsed {
			t.Errorf("half close: %v", err)
		}
	})
}

func TestWriterLearnsThatTheReaderClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		const leaves Service = 9
		listen(t, b, LaneDocument, leaves, func(net.Conn) {})
		s := dial(t, a, LaneDocument, leaves, b.ID())
		<-s.Done()
		_, err := s.Write([]byte("anybody"))
		if reset, ok := errors.AsType[*ResetError](err); !ok || reset.Code != ResetClosed || !reset.Remote {
			t.Errorf("write: %v", err)
		}
	})
}

func TestDeadlinesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneDocument, silent, b.ID())
		if err := s.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, os.ErrDeadlineExceeded)
		if ne, ok := errors.AsType[net.Error](err); !ok || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		_, err = s.Write(make([]byte, 4<<20))
		wantErr(t, err, os.ErrDeadlineExceeded)
	})
}

func TestStalledDocumentReaderDelaysNoControlPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		const flood Service = 9
		listen(t, b, LaneDocument, flood, func(c net.Conn) {
			chunk := make([]byte, 256<<10)
			for {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		})
		ping := dial(t, a, LaneControl, echo, b.ID())
		var stalled []*Stream
		for range 8 { // none of them is ever read
			stalled = append(stalled, dial(t, a, LaneDocument, flood, b.ID()))
		}
		time.Sleep(5 * time.Second)
		for range 20 {
			start := time.Now()
			if err := say(ping, "ping"); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 4*latency {
				t.Errorf("a ping took %s behind stalled readers", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, s := range stalled {
			_ = s.Close()
		}
	})
}

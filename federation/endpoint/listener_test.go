package endpoint

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestUnknownServiceIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, 200, b.ID())
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, ErrUnknownService)
		if err := say(dial(t, a, LaneRaft, echo, b.ID()), "still here"); err != nil {
			t.Errorf("the connection suffered: %v", err)
		}
	})
}

func TestStreamWhoseServiceByteIsLateIsReset(t *testing.T) {
	for _, first := range []string{"", "\x07", "\x07 and seven"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRegion(t)
			e := r.node(1)
			r.enrol(testID(9), e.Addr())
			conn, err := r.raw(9, e, nil)
			if err != nil {
				t.Fatal(err)
			}
			greetRaw(t, conn, LaneDocument)
			str, err := conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			if first == "" { // quic-go does not announce a stream without anything on it: open a later one
				str, err = conn.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				first = "\x07"
			}
			start := time.Now()
			if _, err := str.Write([]byte(first)); err != nil {
				t.Fatal(err)
			}
			_, err = str.Read(make([]byte, 1))
			wantErr(t, translate(err), ErrLateHeader)
			if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
				t.Errorf("reset after %s, want 5 s", took)
			}
			if conn.Context().Err() != nil {
				t.Error("the connection was closed with it")
			}
		})
	}
}

func TestDialWaitsForAPlaceAmongThePeersStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		var open []*Stream
		for range 32 {
			open = append(open, dial(t, a, LaneDocument, silent, b.ID()))
		}
		start := time.Now()
		_, err := a.Dial(within(t, time.Second), LaneDocument, silent, b.ID())
		wantErr(t, err, context.DeadlineExceeded)
		if took := time.Since(start); took != time.Second {
			t.Errorf("waited %s for a context of 1 s", took)
		}
		start = time.Now()
		_, err = a.Dial(within(t, time.Hour), LaneDocument, silent, b.ID())
		wantErr(t, err, ErrBusy) // a context without an end is bounded too
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("waited %s for a context of an hour", took)
		}
		_ = open[0].Close()
		open[0] = dial(t, a, LaneDocument, silent, b.ID())
		if err := say(dial(t, a, LaneControl, echo, b.ID()), "other lane"); err != nil {
			t.Error(err)
		}
	})
}

func TestOnePeersStreamsAreBoundedAcrossConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		b := r.node(2, func(c *Config) { c.Limits.PeerStreams = 3 })
		c := r.node(3)
		for stripe := range 3 {
			s, err := a.DialStriped(within(t, time.Minute), silent, b.ID(), stripe)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Write([]byte{0}); err != nil { // until then the peer does not hear of it
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(time.Second)
		s := dial(t, a, LaneControl, silent, b.ID())
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, ErrBusy)
		if err := say(dial(t, c, LaneControl, echo, b.ID()), "another peer"); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamsThatNobodyAcceptsAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		b := r.node(2, func(c *Config) { c.Limits.Backlog = 2 })
		l, err := b.Listen(LaneRaft, 9)
		if err != nil {
			t.Fatal(err)
		}
		var streams []*Stream
		for range 3 {
			streams = append(streams, dial(t, a, LaneRaft, 9, b.ID()))
			time.Sleep(time.Second)
		}
		_, err = streams[2].Read(make([]byte, 1))
		wantErr(t, err, ErrBusy)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = streams[0].Read(make([]byte, 1))
		wantErr(t, err, ErrUnknownService)
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		if _, err := b.Listen(LaneRaft, 9); err != nil {
			t.Errorf("listen again: %v", err)
		}
	})
}

func TestListenersAreOneToAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1)
		for _, tc := range []struct {
			lane    Lane
			service Service
			want    error
		}{
			{LaneRaft, echo, ErrInUse},
			{LaneRaft, 0, ErrInvalid},
			{0, 9, ErrInvalid},
			{99, 9, ErrInvalid},
		} {
			_, err := a.Listen(tc.lane, tc.service)
			wantErr(t, err, tc.want)
		}
	})
}

package endpoint

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// deaf is a socket that cannot send.
type deaf struct{ *simnet.SimConn }

func (deaf) WriteTo([]byte, net.Addr) (int, error) { return 0, errors.New("network is unreachable") }

func TestSocketThatCannotSendReachesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a := r.node(1, func(c *Config) { c.Conn = deaf{c.Conn.(*simnet.SimConn)} })
		b := r.node(2)
		_, err := a.Dial(within(t, time.Minute), LaneRaft, echo, b.ID())
		wantErr(t, err, ErrUnreachable)
	})
}

func TestClosedEndpointRefusesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		if err := a.Send(within(t, time.Minute), b.ID(), []byte("gossip")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := a.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		_, err := s.Read(make([]byte, 1))
		wantErr(t, err, net.ErrClosed)
		ctx := within(t, time.Minute)
		_, err = a.Dial(ctx, LaneRaft, echo, b.ID())
		wantErr(t, err, ErrClosed)
		_, err = a.DialJoin(ctx, b.Addr().String(), b.ID())
		wantErr(t, err, ErrClosed)
		_, err = a.Listen(LaneRaft, 99)
		wantErr(t, err, ErrClosed)
		wantErr(t, a.Send(ctx, b.ID(), []byte("x")), ErrClosed)
		a.Evict(b.ID())
	})
}

func TestCloseGivesUpDialsInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		r.dropIf(dropAll)
		results := make(chan error, 2)
		go func() {
			_, err := a.Dial(within(t, time.Hour), LaneRaft, echo, b.ID())
			results <- err
		}()
		go func() {
			_, err := a.DialJoin(within(t, time.Hour), b.Addr().String(), b.ID())
			results <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-results; !errors.Is(err, ErrClosed) {
				t.Errorf("dial: %v", err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("close took %s", took)
		}
	})
}

func TestLostSocketIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		s := dial(t, a, LaneRaft, silent, b.ID())
		select {
		case <-a.Lost():
			t.Fatal("lost from the start")
		default:
		}
		_ = a.cfg.Conn.Close()
		<-a.Lost()
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Error("a stream goes on without a socket")
		}
		_, err := a.Dial(within(t, time.Minute), LaneControl, echo, b.ID())
		wantErr(t, err, ErrClosed)
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		select {
		case <-b.Lost():
			t.Error("the peer counts as lost, too")
		default:
		}
		_ = b.Close()
		select {
		case <-b.Lost():
			t.Error("closed counts as lost")
		default:
		}
	})
}

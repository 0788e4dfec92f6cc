package endpoint

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

func TestPacketsArriveWithTheirSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		ctx := within(t, time.Minute)
		for i := range 10 { // the first ones wait for the connection
			if err := a.Send(ctx, b.ID(), fmt.Appendf(nil, "packet %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Send(ctx, b.ID(), bytes.Repeat([]byte("x"), MaxPacket)); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			p := <-b.Packets()
			if want := fmt.Sprintf("packet %d", i); p.From != a.ID() || string(p.Data) != want {
				t.Errorf("got %q from %s, want %q", p.Data, p.From.Short(), want)
			}
		}
		if p := <-b.Packets(); len(p.Data) != MaxPacket {
			t.Errorf("largest packet arrived with %d bytes", len(p.Data))
		}
	})
}

func TestSendNeverBlocksOnAPeerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		ctx := within(t, time.Hour)
		r.dropIf(dropAll)
		dropped := 0
		start := time.Now()
		for range 1000 {
			if a.Send(ctx, b.ID(), []byte("gossip")) != nil {
				dropped++
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("sending took %s", took)
		}
		if dropped != 1000-sendBacklog {
			t.Errorf("%d of 1000 packets dropped at once, want all but %d", dropped, sendBacklog)
		}
		time.Sleep(time.Minute)
		r.dropIf(nil)
		time.Sleep(time.Minute)
		if err := a.Send(ctx, b.ID(), []byte("healed")); err != nil {
			t.Fatal(err)
		}
		if p := <-b.Packets(); string(p.Data) != "healed" {
			t.Errorf("got %q", p.Data)
		}
	})
}

func TestPacketsToAPeerThatIsAwayDoNotDialWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		r.dropIf(dropAll)
		if err := a.Send(within(t, time.Hour), b.ID(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		before := r.packetsSent()
		time.Sleep(time.Minute)
		if after := r.packetsSent(); after != before {
			t.Errorf("%d packets for nobody", after-before)
		}
	})
}

func TestSendDropsForASlowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		ctx := within(t, time.Hour)
		if err := say(dial(t, a, LaneControl, echo, b.ID()), "open"); err != nil {
			t.Fatal(err)
		}
		r.dropIf(func(p simnet.Packet) bool { return p.From.String() == b.Addr().String() })
		var err error
		for range 2000 {
			if err = a.Send(ctx, b.ID(), make([]byte, 1000)); err != nil {
				break
			}
			synctest.Wait()
		}
		wantErr(t, err, ErrDropped)
	})
}

func TestPacketsThatNobodyReadsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		for range 2 * packetBacklog {
			_ = a.Send(within(t, time.Minute), b.ID(), []byte("x")) // some may be dropped here already
			time.Sleep(latency)
		}
		if err := say(dial(t, a, LaneControl, echo, b.ID()), "alive"); err != nil {
			t.Error(err)
		}
		if n := len(b.Packets()); n != packetBacklog {
			t.Errorf("%d packets wait, want %d", n, packetBacklog)
		}
	})
}

func TestPacketsOfStrangersAndOfBadSizeAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		a, b := r.node(1), r.node(2)
		ctx := within(t, time.Minute)
		wantErr(t, a.Send(ctx, b.ID(), nil), ErrInvalid)
		wantErr(t, a.Send(ctx, b.ID(), make([]byte, MaxPacket+1)), ErrInvalid)
		wantErr(t, a.Send(ctx, testID(9), []byte("x")), ErrNotAdmitted)

		if err := a.Send(ctx, b.ID(), []byte("before")); err != nil {
			t.Fatal(err)
		}
		<-b.Packets()
		r.suspend(a.ID()) // b is not told to evict
		a.cfg.Admit = func(PeerID) error { return nil }
		if err := a.Send(ctx, b.ID(), []byte("after")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(b.Packets()); n != 0 {
			t.Errorf("%d packets of a suspended peer", n)
		}
	})
}

func TestPeerThatIsAwayIsDialledOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegion(t)
		b := r.node(2)
		asked := 0
		a := r.node(1, func(c *Config) {
			c.Resolve = func(PeerID) (string, error) {
				asked++
				return "", errors.New("moved")
			}
		})
		for range 1000 {
			_ = a.Send(within(t, time.Minute), b.ID(), []byte("x")) // dropped sooner or later
			time.Sleep(10 * time.Millisecond)
		}
		if asked < 9 || asked > 11 {
			t.Errorf("dialled %d times in 10 s", asked)
		}
	})
}

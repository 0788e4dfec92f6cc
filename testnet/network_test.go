package testnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listen opens the sockets of hosts, and closes them when the test ends.
func listen(t *testing.T, n *Network, hosts ...string) []*Socket {
	t.Helper()
	var out []*Socket
	for _, h := range hosts {
		s, err := n.Listen(h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		out = append(out, s)
	}
	return out
}

func send(t *testing.T, from, to *Socket, text string) {
	t.Helper()
	if n, err := from.WriteTo([]byte(text), to.LocalAddr()); n != len(text) || err != nil {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// receive reads one datagram, or returns "" when none comes within a second.
func receive(t *testing.T, s *Socket) string {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	n, _, err := s.ReadFrom(b)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return ""
	}
	return string(b[:n])
}

func TestLatencyIsExactInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(Options{Link: LinkOptions{Latency: 20 * time.Millisecond}})
		n.SetOneWay("b", "a", LinkOptions{Latency: 70 * time.Millisecond})
		s := listen(t, n, "a", "b")
		for _, c := range []struct {
			from, to *Socket
			want     time.Duration
		}{{s[0], s[1], 20 * time.Millisecond}, {s[1], s[0], 70 * time.Millisecond}} {
			start := time.Now()
			send(t, c.from, c.to, "x")
			b := make([]byte, 10)
			_, from, err := c.to.ReadFrom(b)
			if took := time.Since(start); err != nil || took != c.want || from.String() != c.from.LocalAddr().String() {
				t.Errorf("from %v after %s, %v; want %s", from, took, err, c.want)
			}
		}
	})
}

func TestOrderIsKeptWithoutJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			jitter    time.Duration
			reordered bool
		}{{0, false}, {10 * time.Millisecond, true}} {
			n := NewNetwork(Options{Seed: 1, Link: LinkOptions{Latency: time.Millisecond, Jitter: c.jitter}})
			s := listen(t, n, "a", "b")
			for i := range 100 {
				send(t, s[0], s[1], fmt.Sprintf("%03d", i))
			}
			last, reordered := "", false
			for range 100 {
				got := receive(t, s[1])
				reordered = reordered || got < last
				last = got
			}
			if reordered != c.reordered {
				t.Errorf("jitter %s: reordered %t, want %t", c.jitter, reordered, c.reordered)
			}
		}
	})
}

func TestLossIsTheShareAskedForAndTheSeeds(t *testing.T) {
	const sent = 20_000
	synctest.Test(t, func(t *testing.T) {
		lost := func(seed uint64, share float64) (count int64, first string) {
			n := NewNetwork(Options{Seed: seed, Link: LinkOptions{Loss: share}})
			s := listen(t, n, "a", "b")
			for i := range sent {
				send(t, s[0], s[1], fmt.Sprint(i))
			}
			return n.Stats("a", "b").Lost, receive(t, s[1]) + " " + receive(t, s[1])
		}
		for _, share := range []float64{0, 0.005, 0.02, 0.3, 1} {
			got, _ := lost(7, share)
			want := share * sent
			// Five standard deviations of a binomial distribution, at a fixed seed.
			if d := float64(got) - want; d*d > 25*want*(1-share) {
				t.Errorf("share %v: %d of %d lost, want about %.0f", share, got, sent, want)
			}
		}
		count1, first1 := lost(7, 0.5)
		count2, first2 := lost(7, 0.5)
		if count1 != count2 || first1 != first2 {
			t.Error("the same seed lost other packets")
		}
		if count3, _ := lost(8, 0.5); count3 == count1 {
			t.Error("another seed lost as many packets")
		}
	})
}

func TestRateAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(Options{Link: LinkOptions{Rate: 100_000, Buffer: 50_000}})
		s := listen(t, n, "a", "b")
		start := time.Now()
		for range 100 { // 100,000 bytes into a queue of 50,000
			send(t, s[0], s[1], strings.Repeat("x", 1000))
		}
		got := 0
		for receive(t, s[1]) != "" {
			got++
		}
		took := time.Since(start) - time.Second
		if got != 50 || took < 490*time.Millisecond || took > 510*time.Millisecond {
			t.Errorf("%d packets in %s, want 50 in 0.5 s", got, took)
		}
		if st := n.Stats("a", "b"); st.Queued != 50 || st.Carried != 50 || st.Bytes != 50_000 {
			t.Errorf("got %+v", st)
		}
	})
}

func TestCutsAndHealing(t *testing.T) {
	hears := func(t *testing.T, from, to *Socket) bool {
		t.Helper()
		send(t, from, to, "x")
		return receive(t, to) != ""
	}
	type way struct{ from, to int } // of hosts a, b, c, d
	cases := []struct {
		name  string
		fault func(*Network)
		deaf  []way
	}{
		{"none", func(*Network) {}, nil},
		{"both ways", func(n *Network) { n.Cut("a", "b") }, []way{{0, 1}, {1, 0}}},
		{"one way", func(n *Network) { n.CutOneWay("a", "b") }, []way{{0, 1}}},
		{"cut off", func(n *Network) { n.CutOff("c") }, []way{{2, 0}, {2, 1}, {2, 3}, {0, 2}, {1, 2}, {3, 2}}},
		{
			"halves", func(n *Network) { n.Partition([]string{"a", "b"}, []string{"c", "d"}) },
			[]way{{0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 0}, {2, 1}, {3, 0}, {3, 1}},
		},
		{
			"halves with a bridge", func(n *Network) { n.Partition([]string{"a"}, []string{"c", "d"}) },
			[]way{{0, 2}, {0, 3}, {2, 0}, {3, 0}},
		},
		{"one link healed", func(n *Network) { n.CutOff("c"); n.HealLink("c", "a") }, []way{{2, 1}, {2, 3}, {1, 2}, {3, 2}}},
		{"healed", func(n *Network) { n.CutOff("c"); n.Heal() }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := NewNetwork(Options{Link: LinkOptions{Latency: time.Millisecond}})
				s := listen(t, n, "a", "b", "c", "d")
				c.fault(n)
				deaf := make(map[way]bool)
				for _, w := range c.deaf {
					deaf[w] = true
				}
				for i := range s {
					for j := range s {
						if i != j && hears(t, s[i], s[j]) == deaf[way{i, j}] {
							t.Errorf("host %d to %d: heard %t", i, j, deaf[way{i, j}])
						}
					}
				}
			})
		})
	}
}

func TestKilledHostIsSilentAndMayComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(Options{Link: LinkOptions{Latency: 10 * time.Millisecond}})
		s := listen(t, n, "a", "b")
		if _, err := n.Listen("a"); !errors.Is(err, ErrInUse) {
			t.Errorf("listen twice: got %v, want ErrInUse", err)
		}
		send(t, s[0], s[1], "under way")
		if err := n.Kill("b"); err != nil {
			t.Fatal(err)
		}
		send(t, s[1], s[0], "from the dead")
		if got := receive(t, s[0]); got != "" {
			t.Errorf("a killed host said %q", got)
		}
		if got := receive(t, s[1]); got != "" {
			t.Errorf("a killed host heard %q", got)
		}
		if err := n.Kill("b"); !errors.Is(err, ErrNoHost) {
			t.Errorf("kill twice: got %v, want ErrNoHost", err)
		}
		again := listen(t, n, "b")[0]
		if again.LocalAddr().String() != s[1].LocalAddr().String() {
			t.Errorf("came back as %s, was %s", again.LocalAddr(), s[1].LocalAddr())
		}
		_ = s[1].Close() // the old process ends late; the new one must not notice
		send(t, s[0], again, "welcome")
		if got := receive(t, again); got != "welcome" {
			t.Errorf("after the return: got %q", got)
		}
	})
}

func TestSocketEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(Options{})
		s := listen(t, n, "192.0.2.1:53", "b")
		if got := s[0].LocalAddr().String(); got != "192.0.2.1:53" {
			t.Errorf("address %s", got)
		}
		waits := make(chan error, 2)
		for range 2 {
			go func() {
				_, _, err := s[0].ReadFrom(make([]byte, 10))
				waits <- err
			}()
		}
		synctest.Wait()
		if err := s[0].SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var ne net.Error
			if err := <-waits; !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("read at the deadline: %v", err)
			}
		}
		if err := s[0].SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _, err := s[0].ReadFrom(make([]byte, 10))
			waits <- err
		}()
		synctest.Wait()
		_ = s[0].Close()
		if err := <-waits; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed socket: %v", err)
		}
		if _, err := s[0].WriteTo([]byte("x"), s[1].LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write to a closed socket: %v", err)
		}
		send(t, s[1], s[0], "nobody there")
		send(t, s[1], s[1], strings.Repeat("x", 1501))
		if st := n.Stats("b", "192.0.2.1:53"); st.Nowhere != 1 {
			t.Errorf("to a closed socket: %+v", st)
		}
		if st := n.Stats("b", "b"); st.Nowhere != 1 {
			t.Errorf("over the limit: %+v", st)
		}
	})
}

func TestUnreadInboxIsBounded(t *testing.T) {
	n := NewNetwork(Options{})
	s := listen(t, n, "a", "b")
	text := strings.Repeat("x", 1000)
	for range inboxBytes/1000 + 100 {
		send(t, s[0], s[1], text)
	}
	if st := n.Stats("a", "b"); st.Overflowed < 90 {
		t.Errorf("got %+v, want about 100 lost for want of a reader", st)
	}
}

func TestTraceKeepsTheLastEvents(t *testing.T) {
	n := NewNetwork(Options{Seed: 42, Trace: 3})
	for i := range 5 {
		n.Note("step", fmt.Sprint(i), "")
	}
	events, dropped := n.Trace()
	if len(events) != 3 || events[0].Where != "2" || events[2].Where != "4" || dropped != 2 {
		t.Errorf("got %v, %d dropped", events, dropped)
	}
	n.SetLink("a", "b", LinkOptions{Latency: time.Millisecond, Jitter: time.Millisecond, Loss: 0.01, Rate: 5})
	var out bytes.Buffer
	if err := n.WriteTrace(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"seed 42", "step", "b > a 1ms +1ms, 1.00 % lost, 5 B/s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("trace has no %q:\n%s", want, out.String())
		}
	}
}

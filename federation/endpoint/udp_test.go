package endpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
)

// noLoopback says what the tests on real sockets need.
const noLoopback = "no UDP on 127.0.0.1 (%v): with a loopback interface, go test ./federation/endpoint"

// pair starts two endpoints on loopback, each the other's peer.
func pair(t testing.TB, wrap func(*net.UDPConn) net.PacketConn) (a, b *Endpoint) {
	t.Helper()
	var mu sync.Mutex
	where := make(map[PeerID]string)
	resolve := func(id PeerID) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return where[id], nil
	}
	made := make([]*Endpoint, 2)
	for i := range made {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Skipf(noLoopback, err)
		}
		e, err := New(Config{
			Conn:    wrap(udp),
			Key:     testKey(byte(i + 1)),
			Admit:   func(PeerID) error { return nil },
			Resolve: resolve,
			Logger:  slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		mu.Lock()
		where[e.ID()] = e.Addr().String()
		mu.Unlock()
		made[i] = e
	}
	return made[0], made[1]
}

func plain(c *net.UDPConn) net.PacketConn { return c }

// minimal hides everything of a socket but the methods of net.PacketConn.
type minimal struct{ net.PacketConn }

func TestAnyPacketConnWorks(t *testing.T) {
	for _, tc := range []struct {
		name string
		wrap func(*net.UDPConn) net.PacketConn
	}{
		{"UDP", plain},
		{"UDP with small buffers", func(c *net.UDPConn) net.PacketConn { return &sizedUDP{UDPConn: c} }},
		{"a plain PacketConn", func(c *net.UDPConn) net.PacketConn { return minimal{c} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var said bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil))) // takes what the standard log gets, too
			defer slog.SetDefault(before)
			a, b := pair(t, tc.wrap)
			listen(t, b, LaneDocument, echo, func(c net.Conn) { _, _ = io.Copy(c, c) })
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			c, err := a.Dial(ctx, LaneDocument, echo, b.ID())
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Repeat([]byte("page"), 20_000)
			go func() {
				_, _ = c.Write(want)
				_ = c.(*Stream).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
			}
			_ = c.Close()
			if err := a.Send(ctx, b.ID(), []byte("gossip")); err != nil {
				t.Fatal(err)
			}
			select {
			case p := <-b.Packets():
				if p.From != a.ID() {
					t.Errorf("packet from %s", p.From)
				}
			case <-ctx.Done():
				t.Error("no packet came")
			}
			if err := errors.Join(a.Close(), b.Close()); err != nil {
				t.Error(err)
			}
			if said.Len() > 0 {
				t.Errorf("the standard log got %q", said.String())
			}
		})
	}
}

func TestNamesAreResolved(t *testing.T) {
	addrs, err := resolve(context.Background(), "localhost:4600")
	if err != nil || len(addrs) == 0 || addrs[0].Port != 4600 || !addrs[0].IP.IsLoopback() {
		t.Errorf("%v, %v", addrs, err)
	}
	addrs, err = resolve(context.Background(), "10.1.2.3:99")
	if err != nil || len(addrs) != 1 || addrs[0].String() != "10.1.2.3:99" || len(addrs[0].IP) != net.IPv6len {
		t.Errorf("%v, %v", addrs, err)
	}
}

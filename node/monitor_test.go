package node

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// patience is how long a test waits for what must come. It is only ever used up by a test that fails.
const patience = time.Minute

// ports are the sockets that keep those that were given out, by their address.
var ports sync.Map

// freeAddr returns a loopback address that nobody listens at, by UDP or TCP, below the range from which the system takes ports for
// others. It is given to no other test, here or in another package: the port above is kept open, as package testnet does.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 20000 + 2*rand.IntN(6000)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		above, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if err != nil {
			continue
		}
		ports.Store(addr, above)
		packets, udp := net.ListenPacket("udp", addr)
		if udp == nil {
			_ = packets.Close() // it was opened to see that it can be
		}
		listener, tcp := net.Listen("tcp", addr)
		if tcp == nil {
			_ = listener.Close()
		}
		if udp == nil && tcp == nil {
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// startNode founds a region of one and serves it until the test ends.
func startNode(t *testing.T, change func(*Options)) *Node {
	t.Helper()
	return foundNode(t, 1, change)
}

// foundNode is startNode in a region that asks for so many approvals.
func foundNode(t *testing.T, approvals int, change func(*Options)) *Node {
	t.Helper()
	o := Options{
		Data: t.TempDir() + "/d", Settings: Settings{Listen: freeAddr(t), InsecureDevKeys: true}, Small: true, Version: "test",
		Statfs: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 39, nil },
	}
	if change != nil {
		change(&o)
	}
	_, err := Init(t.Context(), InitOptions{Data: o.Data, Settings: o.Settings, Region: "Test", Trust: "RYJ", Name: "Imperial", Approvals: approvals, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not come true within %s", what, patience)
		}
	}
}

func TestMetricsAndHealthAreServedOnLoopback(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	n := startNode(t, func(o *Options) { o.Settings.Metrics = addr })
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d", code)
	}
	eventually(t, "readiness", func() bool { code, _ := get("/readyz"); return code == http.StatusOK })
	if code, text := get("/metrics"); code != http.StatusOK || !strings.Contains(text, "ridgeway_") {
		t.Errorf("metrics: %d, without a metric of ours:\n%.500s", code, text)
	}
	_ = n
}

func TestFullDiskRefusesIntakeAndSaysSo(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 38)
	n := startNode(t, func(o *Options) {
		o.Statfs = func(string) (uint64, uint64, error) { return 1 << 40, free.Load(), nil }
	})
	free.Store(1 << 30)
	_, err := n.Take(t.Context(), textItem("Discharge summary", "a letter"))
	if admin.CodeOf(err) != admin.CodeDiskFull || !strings.Contains(err.Error(), "make room") {
		t.Errorf("got %v, want DISK_FULL and what to do", err)
	}
	if why := n.unready(); !strings.Contains(why, "disk") {
		t.Errorf("unready says %q", why)
	}
}

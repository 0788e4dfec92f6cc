package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
)

const (
	documents endpoint.Service = 1
	bare      endpoint.Service = 2
)

// wired is a world whose custodian and requester have real endpoints on the loopback interface.
type wired struct {
	*world
	here, there *endpoint.Endpoint // requester, custodian
}

func newWired(t testing.TB, tweaks ...tweak) *wired {
	t.Helper()
	w := &wired{}
	var mu sync.Mutex
	addrs := map[endpoint.PeerID]string{}
	start := func(trust federation.TrustID) *endpoint.Endpoint {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		e, err := endpoint.New(endpoint.Config{
			Conn: conn, Key: keyOf(trust, "node"), Logger: slog.New(slog.DiscardHandler),
			Admit: func(endpoint.PeerID) error { return nil },
			Resolve: func(id endpoint.PeerID) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				return addrs[id], nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		addrs[e.ID()] = e.Addr().String()
		mu.Unlock()
		return e
	}
	w.there, w.here = start(holder), start(asker)
	tweaks = append([]tweak{func(_ *world, c *CustodianConfig, r *ClientConfig) {
		c.Identify, c.Path, r.Identify = nil, nil, nil
		r.Dialer = DialerFunc(func(ctx context.Context, node federation.NodeID, stripe int) (net.Conn, error) {
			return w.here.DialStriped(ctx, documents, endpoint.PeerID(node), stripe)
		})
	}}, tweaks...)
	w.world = newWorld(t, tweaks...)
	l, err := w.there.Listen(endpoint.LaneDocument, documents)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.custodian.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		w.custodian.Close()
		w.here.Close()
		w.there.Close()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return w
}

// settled waits until every intent has its last entry.
func (w *wired) settled() { w.audit.settled() }

func TestDocumentTravelsBetweenRealEndpoints(t *testing.T) {
	w := newWired(t)
	parts := [][]byte{noise(9*mib+9, 1), []byte("cover page")}
	id := w.publish(parts...)
	for _, bulk := range []bool{false, true} {
		q := requestFor(id)
		q.Bulk, q.Whole = bulk, true
		var got fetched
		res, err := w.client.Fetch(t.Context(), q, got.sink)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.parts[1]) != string(parts[0]) || string(got.parts[2]) != string(parts[1]) || res.Resumed != 0 {
			t.Errorf("content differs, or %d resumes", res.Resumed)
		}
		w.settled()
		var released int64
		for _, e := range w.audit.events {
			if e.Transfer == res.Transfer && e.Kind == Released && e.Receipt != nil && e.Peer == nodeOf(asker) {
				released += e.Bytes
			}
		}
		if released != res.Bytes {
			t.Errorf("%d bytes are audited, %d were received", released, res.Bytes)
		}
	}
}

func TestRefusalAndRevocationCrossRealEndpoints(t *testing.T) {
	w := newWired(t)
	id := w.publish(noise(20*mib, 1))
	q := requestFor(id)
	q.Role = "admin"
	if _, err := w.client.Fetch(t.Context(), q, noSink(t)); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	n := 0
	_, err := w.client.Fetch(t.Context(), requestFor(id), func(Segment) error {
		if n++; n == 3 {
			w.ledger.change(func(l *ledger) { l.facts.Agreement = nil })
			w.custodian.SubjectChanged(patient)
			w.settled()
		}
		return nil
	})
	if !errors.Is(err, ErrNotFound) || n > 60 {
		t.Errorf("got %v after %d chunks", err, n)
	}
	if e := w.audit.last(); e.Kind != Interrupted {
		t.Errorf("entry %s", e.Kind)
	}
}

func TestConnectionThatIsLostIsTakenUpAgain(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		w := newWired(t)
		content := noise(10*mib, 1)
		q := requestFor(w.publish(content))
		q.Bulk, q.Whole = bulk, true
		n := 0
		var got []byte
		res, err := w.client.Fetch(t.Context(), q, func(s Segment) error {
			if n++; n == 5 || n == 20 {
				w.here.Evict(w.there.ID())
			}
			got = append(got, s.Data...)
			return nil
		})
		if err != nil || string(got) != string(content) {
			t.Errorf("bulk %v: got %v, %d bytes", bulk, err, len(got))
		}
		if res.Resumed == 0 {
			t.Errorf("bulk %v: nothing was lost", bulk)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{1, 64 << 10, 100 << 10, 256 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			w := newWired(b, func(w *world, _ *CustodianConfig, _ *ClientConfig) { w.clock.ticking = true })
			stop := w.keepFresh()
			defer stop()
			var q Request
			if size < mib {
				q = requestFor(w.publish(noise(size, 1)))
			} else {
				q = requestFor(w.big(size / federation.ChunkSize))
				q.Bulk = true
			}
			var first time.Duration
			b.SetBytes(int64(size))
			n := 0
			for b.Loop() {
				res, err := w.client.Fetch(b.Context(), q, func(Segment) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				first += res.FirstByte
				n++
			}
			b.ReportMetric(float64(first.Microseconds())/float64(n), "µs-first-byte")
		})
	}
}

// keepFresh renews the lease in the background.
func (w *world) keepFresh() func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.lease.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// BenchmarkBareStream is what BenchmarkFetch is measured against: the same bytes over the same endpoints, with nothing else.
func BenchmarkBareStream(b *testing.B) {
	const size = 256 << 20
	w := newWired(b)
	l, err := w.there.Listen(endpoint.LaneDocument, bare)
	if err != nil {
		b.Fatal(err)
	}
	data := noise(federation.ChunkSize, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for range size / len(data) {
				if _, err := conn.Write(data); err != nil {
					break
				}
			}
			conn.Close()
		}
	}()
	b.SetBytes(size)
	for b.Loop() {
		conn, err := w.here.DialStriped(b.Context(), bare, endpoint.PeerID(nodeOf(holder)), 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Write([]byte{0}); err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, conn); err != nil || n != size {
			b.Fatal(n, err)
		}
		conn.Close()
	}
	l.Close()
	<-done
}

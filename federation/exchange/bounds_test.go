package exchange

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// big registers a document of n chunks that are made as they are read.
func (w *world) big(n int) federation.DocumentID {
	w.t.Helper()
	chunk := noise(federation.ChunkSize, 42)
	digest := federation.Sum(chunk)
	w.store.chunks[digest] = chunk
	id := federation.NewDocumentID(holder, federation.DocumentKey{200})
	part := federation.Part{ContentType: "application/octet-stream", Size: int64(n) * federation.ChunkSize, Chunks: make([]federation.Digest, n)}
	for i := range part.Chunks {
		part.Chunks[i] = digest
	}
	w.register(federation.Manifest{Document: id, Subject: patient, Parts: []federation.Part{part}}, federation.Normal)
	return id
}

func TestMemoryIsBoundedByChunksUnderWay(t *testing.T) {
	const gib = 1 << 30 / federation.ChunkSize
	for _, tt := range []struct {
		name              string
		chunks            int
		path              Path
		bulk              bool
		custodian, client int64 // most chunks that are buffered
	}{
		{"one stream", gib, Path{}, false, 3, 1},
		{"sixteen stripes", gib / 4, Path{Sent: 100000, Lost: 500, RTT: 10_000_000}, true, 3 * 16, 128 + 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chunks := tt.chunks / scaled
			if testing.Short() {
				chunks /= 16
			}
			w := newWorld(t)
			w.path = tt.path
			q := requestFor(w.big(chunks))
			q.Bulk = tt.bulk
			n := int64(0)
			res, err := w.client.Fetch(context.Background(), q, func(s Segment) error { n += int64(len(s.Data)); return nil })
			if err != nil || n != int64(chunks)*federation.ChunkSize || res.Bytes != n {
				t.Fatalf("got %v, %d bytes", err, n)
			}
			if most := w.custodian.mostBuffered.Load() / federation.ChunkSize; most > tt.custodian {
				t.Errorf("the custodian buffered %d chunks, at most %d are meant to be", most, tt.custodian)
			}
			if most := w.client.mostBuffered.Load() / federation.ChunkSize; most > tt.client {
				t.Errorf("the requester buffered %d chunks, at most %d are meant to be", most, tt.client)
			}
		})
	}
}

func TestBulkFetchesShareOneBudget(t *testing.T) {
	w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Budget, c.Limits.Window = 64, 64 })
	id := w.big(64)
	q := requestFor(id)
	q.Bulk = true
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.client.Fetch(context.Background(), q, func(Segment) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Each has its first unasked chunks and the least window beside the budget.
	if most := w.client.mostBuffered.Load() / federation.ChunkSize; most > 64+8*(firstPush+2*mostWant+1) {
		t.Errorf("%d chunks were buffered", most)
	}
}

func TestPathsFollowWhatCustodiansSay(t *testing.T) {
	clock := newTestClock()
	p := newPaths(clock)
	peer := federation.NodeID{1}
	const rate, most = 64 << 20, 8
	want := func(n int) {
		t.Helper()
		if got := p.stripes(peer, rate, most); got != n {
			t.Errorf("%d stripes, want %d", got, n)
		}
	}
	want(1)
	conn := [BindingSize]byte{1}
	p.heard(peer, conn, Path{Sent: 10, Lost: 1, RTT: 20e6})
	want(1) // one packet of ten says nothing
	p.heard(peer, conn, Path{Sent: 10_000, Lost: 50, RTT: 20e6})
	want(8)
	p.heard(peer, conn, Path{Sent: 9_000, Lost: 40, RTT: 20e6}) // overtaken
	want(8)
	turns := map[int]bool{}
	for range 16 {
		turns[p.spread(peer, rate, most)] = true
	}
	if len(turns) != 8 {
		t.Errorf("small fetches take turns on %d connections, want 8", len(turns))
	}
	for i := range 12 { // it has got better since
		p.heard(peer, conn, Path{Sent: uint64(i+2) * 20_000, Lost: 50, RTT: 20e6})
	}
	want(1)
	p.heard(peer, [BindingSize]byte{2}, Path{Sent: 10_000, Lost: 500, RTT: 20e6})
	want(8)
	clock.pass(pathMemory + 1)
	p.heard(peer, conn, Path{Sent: 1, RTT: 20e6})
	want(1)
}

func TestReplaysRememberAsLongAsNeeded(t *testing.T) {
	clock := newTestClock()
	r := newReplays()
	a := Assertion{Nonce: [16]byte{1}}
	for i, step := range []struct {
		pass int // seconds
		want bool
	}{{0, true}, {0, false}, {30, false}, {30, false}, {1, false}, {200, true}, {0, false}, {61, false}} {
		clock.pass(time.Duration(step.pass) * time.Second)
		if got, err := r.first(a, clock.Now()); got != step.want || err != nil {
			t.Errorf("step %d: got %v, %v", i, got, err)
		}
	}
	other := a
	other.Binding[0]++
	if got, _ := r.first(other, clock.Now()); !got {
		t.Error("a nonce of another connection counts as seen")
	}
}

func BenchmarkFetchOverPipe(b *testing.B) {
	for _, chunks := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d-chunks", chunks), func(b *testing.B) {
			w := newWorld(b)
			q := requestFor(w.big(chunks))
			b.SetBytes(int64(chunks) * federation.ChunkSize)
			for b.Loop() {
				if _, err := w.client.Fetch(context.Background(), q, func(Segment) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

const (
	opBulk      = "bulk release, loopback: decided, audited, read from disk, verified"
	opFirst     = "first byte of 100 KB, open connection, loopback, decided, audited and synced"
	opFirstTail = "the same, 99 of 100"
	opFar       = "first verified 100 KiB, open connection, 20 ms path, in round trips"

	custodian = federation.TrustID("RYJ")
	reader    = federation.TrustID("RAS")
	third     = federation.TrustID("RAX")
	nodes     = 3
	most      = 1_000_000 // that a rule of misuse can be set to
)

// region founds three whole nodes in a temporary folder.
func (e *env) region(ctx context.Context, network *testnet.Network) (*testnet.Region, func(), error) {
	dir, err := e.temp("region")
	if err != nil {
		return nil, nil, err
	}
	founding, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := testnet.NewRegion(founding, e.regionOptions(dir, network))
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, func() {
		_ = r.Close() // what was measured has been measured
		_ = os.RemoveAll(dir)
	}, nil
}

// asProcesses lets the runtime run as much Go at once as it would in a process for each node, until the function returned is called.
// Where many write files at the same time, each write holds one of the runtime's places for as long as the disk takes; the nodes,
// which have as many as there are processors each in life, would share those of one here, and with whoever stores what was received.
func asProcesses() func() {
	before := runtime.GOMAXPROCS(nodes * runtime.NumCPU())
	return func() { runtime.GOMAXPROCS(before) }
}

// tireless are bounds for a reader who asks for more within a minute than people do in a year: it is not to be refused, nor
// reviewed, for that.
func tireless() node.WatchSettings {
	return node.WatchSettings{PatientsAnHour: most, UnlinkedAnHour: most, QuotaUser: most, QuotaTrust: most}
}

func (e *env) regionOptions(dir string, network *testnet.Network) testnet.RegionOptions {
	o := testnet.RegionOptions{
		Dir: dir, Network: network, Voters: nodes,
		Members: []testnet.Member{{Trust: custodian, Name: "Imperial"}, {Trust: reader, Name: "Hillingdon"}, {Trust: third, Name: "Central"}},
		Open: func(_ federation.TrustID, o *node.Options) {
			o.Settings.Watch = tireless()
		},
	}
	if e.quick {
		o.Election = 2 * time.Second // other work on the machine must not elect
	}
	return o
}

// keep has a node take in content that is what it says it is: bytes without a form, as a scanner's own format would be.
func keep(ctx context.Context, t ingest.Taker, patient int, name string, size int64, content io.ReaderAt) (federation.DocumentID, error) {
	receipt, err := t.Take(ctx, ingest.Item{
		Patient: number(patient), Type: "823681000000100", Category: "823651000000106", Specialty: "300", Title: name, Author: "Dr A. N. Example",
		Date: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), Confidentiality: "N", Language: "en-GB",
		Parts: []ingest.Part{{Name: name, Info: media.Info{Format: media.FormatOf("application/pdf"), ContentType: "application/pdf", Pages: 1}, Size: size, Content: content}},
	})
	return receipt.Document, err
}

// keepAll has a trust take in n documents of size bytes and waits until the region has them.
func keepAll(ctx context.Context, r *testnet.Region, n, size int, seed uint64) ([]federation.DocumentID, error) {
	ids := make([]federation.DocumentID, n)
	const workers = 8
	err := each(min(workers, n), func(w int) error {
		b := make([]byte, size)
		for i := w; i < n; i += workers {
			fillRandom(b, seed<<32+uint64(i))
			id, err := keep(ctx, r.Node(custodian), i%1000, fmt.Sprintf("%d-%d.pdf", seed, i), int64(size), bytes.NewReader(b))
			if err != nil {
				return err
			}
			ids[i] = id
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, settle(ctx, r)
}

// settle waits until nothing waits to be told to the region and all have the same state.
func settle(ctx context.Context, r *testnet.Region) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := r.Published(ctx); err != nil {
		return err
	}
	return r.Converged(ctx)
}

// fetched is how a fetch went.
type fetched struct {
	first, all time.Duration
	bytes      int64
}

// fetch has a trust's node fetch a document into w.
func fetch(ctx context.Context, r *testnet.Region, by federation.TrustID, id federation.DocumentID, w io.Writer) (fetched, error) {
	return fetchBy(ctx, r.Node(by), &admin.FetchRequest{Document: string(id)}, w)
}

func fetchBy(ctx context.Context, n *node.Node, q *admin.FetchRequest, w io.Writer) (fetched, error) {
	var f fetched
	began := time.Now()
	done := false
	err := n.Fetch(ctx, q, func(reply *admin.FetchReply) error {
		switch step := reply.GetStep().(type) {
		case *admin.FetchReply_Data:
			if f.bytes == 0 {
				f.first = time.Since(began)
			}
			f.bytes += int64(len(step.Data))
			_, err := w.Write(step.Data)
			return err
		case *admin.FetchReply_Done:
			done = true
		}
		return nil
	})
	f.all = time.Since(began)
	if err == nil && !done {
		err = errors.New("the transfer ended without a last word")
	}
	return f, err
}

// benchBulk releases one large document, each time from a custodian that was just started and whose files are not in memory.
func benchBulk(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	size := int64(e.few(512, 32)) << 20
	id, err := keep(ctx, r.Node(custodian), 1, "large.pdf", size, pattern{size: size, blocks: int(size / block)})
	if err == nil {
		err = settle(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	small, err := keepAll(ctx, r, 1, 1000, 2)
	if err != nil {
		return nil, err
	}
	ours := func(ctx context.Context) (float64, error) {
		if err := e.cool(ctx, r); err != nil {
			return 0, err
		}
		if _, err := fetch(ctx, r, reader, small[0], io.Discard); err != nil { // the connection is open
			return 0, err
		}
		f, err := fetch(ctx, r, reader, id, io.Discard)
		if err == nil && f.bytes != size {
			err = fmt.Errorf("fetched %d bytes", f.bytes)
		}
		return float64(size) / 1e6 / f.all.Seconds(), err
	}
	mine, their, err := e.alternate(ctx, ours, func(ctx context.Context) (float64, error) { return bareQUIC(ctx, size) })
	line := row{Operation: opBulk, Unit: "MB/s"}.compared(mine, their, "bare quic-go", false).atLeast(0.7, 0, ">= 0.7 x bare quic-go")
	return []row{line.noted("one document of %d MiB, one connection each; the custodian's files dropped from memory before", size>>20)}, err
}

// cool restarts the custodian with its chunks out of the page cache.
func (e *env) cool(ctx context.Context, r *testnet.Region) error {
	if err := r.Stop(custodian); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(r.Data(custodian), "chunks", "*"))
	if err != nil {
		return err
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close()); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return errors.Join(r.Restart(ctx, custodian), r.Ready(ctx))
}

// benchFirst opens small documents one after the other.
func benchFirst(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	half, tail, err := e.opened(ctx, r, e.few(300, 20))
	if err != nil {
		return nil, err
	}
	p50, p99 := row{Operation: opFirst, Unit: "ms"}.compared(half, nil, "", true), row{Operation: opFirstTail, Unit: "ms"}.compared(tail, nil, "", true)
	return []row{p50.judged("<= 2 ms", p50.Ours <= 2), p99.noted("one reader")}, nil
}

// opened returns the median and the 99th percentile of the time to the first byte, in milliseconds, one of each a run.
func (e *env) opened(ctx context.Context, r *testnet.Region, n int) (half, tail series, err error) {
	ids, err := keepAll(ctx, r, n, 100_000, 3)
	if err != nil {
		return nil, nil, err
	}
	if _, err := fetch(ctx, r, reader, ids[0], io.Discard); err != nil { // the connection is open
		return nil, nil, err
	}
	for range e.runs {
		var took series
		for _, id := range ids {
			f, err := fetch(ctx, r, reader, id, io.Discard)
			if err != nil {
				return nil, nil, err
			}
			took = append(took, milliseconds(f.first))
		}
		half, tail = append(half, took.median()), append(tail, took.quantile(0.99))
	}
	return half, tail, nil
}

// benchFar does the same over a simulated path, in real time.
func benchFar(ctx context.Context, e *env) ([]row, error) {
	const trip = 20 * time.Millisecond
	network := testnet.NewNetwork(testnet.Options{Seed: 1, Link: testnet.LinkOptions{Latency: trip / 2}})
	r, clean, err := e.region(ctx, network)
	if err != nil {
		return nil, err
	}
	defer clean()
	half, _, err := e.opened(ctx, r, e.few(50, 10))
	if err != nil {
		return nil, err
	}
	for i := range half {
		half[i] /= milliseconds(trip)
	}
	line := row{Operation: opFar, Unit: "round trips"}.compared(half, nil, "", true)
	return []row{line.judged("<= 1.3", line.Ours <= 1.3).noted("%s", strings.TrimSpace("simulated latency, real time, no rate limit"))}, nil
}

package exchange

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestCutStreamResumesToIdenticalBytes(t *testing.T) {
	content := noise(4*mib/scaled+312345, 5)
	cuts, want := 0, 200
	if testing.Short() { // rapid then checks a fifth, each with at least two cuts
		want /= 5
	}
	source := newWorld(t)
	id := source.publish(content)
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, func(_ *world, _ *CustodianConfig, c *ClientConfig) { c.Limits.Attempts, c.Limits.BulkFrom = 50, mib/2 })
		defer w.close()
		w.store, w.ledger.pointers = source.store, source.ledger.pointers
		w.custodian.cfg.Records, w.custodian.cfg.Chunks = w.store, w.store
		at := rapid.SliceOfN(rapid.Int64Range(1, int64(len(content))), 2, 5).Draw(rt, "cuts")
		w.cutAt = func(n int) int64 {
			if n > len(at) {
				return 0
			}
			return at[n-1]
		}
		if rapid.Bool().Draw(rt, "lossy") {
			w.path = Path{Sent: 10000, Lost: 50, RTT: 10_000_000}
		}
		q := requestFor(id)
		q.Bulk = rapid.Bool().Draw(rt, "bulk")
		got := make([]byte, 0, len(content))
		if _, err := w.client.Fetch(context.Background(), q, func(s Segment) error {
			if s.Offset != int64(len(got)) {
				rt.Fatalf("segment at %d after %d bytes", s.Offset, len(got))
			}
			got = append(got, s.Data...)
			return nil
		}); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, content) {
			rt.Fatal("content differs")
		}
		cuts += len(at)
	})
	if cuts < want {
		t.Errorf("%d cuts, want at least %d", cuts, want)
	}
}

func TestLaterFetchGoesOnWhereAnEarlierOneEnded(t *testing.T) {
	w := newWorld(t)
	content := noise(2*mib, 5)
	id := w.publish(content)
	full := errors.New("disk is full")
	var got []byte
	res, err := w.client.Fetch(context.Background(), requestFor(id), func(s Segment) error {
		if len(got) > mib {
			return full
		}
		got = append(got, s.Data...)
		return nil
	})
	if !errors.Is(err, full) || res.Resume.Chunks != len(got)/federation.ChunkSize {
		t.Fatalf("got %v, %+v", err, res.Resume)
	}
	q := requestFor(id)
	q.Resume = res.Resume
	if _, err := w.client.Fetch(context.Background(), q, func(s Segment) error { got = append(got, s.Data...); return nil }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Error("content differs")
	}
	q.Resume.Manifest[0]++
	if _, err := w.client.Fetch(context.Background(), q, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("another version: got %v", err)
	}
	q.Resume = res.Resume
	q.Resume.Chunks = 9
	if _, err := w.client.Fetch(context.Background(), q, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("beyond the end: got %v", err)
	}
}

func TestDamagedChunkIsNeverDelivered(t *testing.T) {
	content := noise(9*mib, 6)
	for _, bulk := range []bool{false, true} {
		for _, tt := range []struct {
			name  string
			times int
			ok    bool
		}{{"once", 1, true}, {"always", 1000, false}} {
			t.Run(fmt.Sprintf("bulk %v, damaged %s", bulk, tt.name), func(t *testing.T) {
				w := newWorld(t)
				id := w.publish(content)
				bad := slices.Clone(content[federation.ChunkSize : 2*federation.ChunkSize])
				bad[77] ^= 1
				times := 0
				digest := federation.Sum(content[federation.ChunkSize : 2*federation.ChunkSize])
				w.store.handOut = func(d federation.Digest, b []byte) []byte { // the custodian's store does not notice
					if d != digest {
						return b
					}
					if times++; times > 1 && tt.ok {
						return b
					}
					return bad
				}
				var got []byte
				q := requestFor(id)
				q.Bulk = bulk
				res, err := w.client.Fetch(context.Background(), q, func(s Segment) error { got = append(got, s.Data...); return nil })
				if !bytes.Equal(got, content[:len(got)]) {
					t.Error("damaged bytes were delivered")
				}
				if tt.ok && (err != nil || len(got) != len(content) || res.Rejected != 1) {
					t.Errorf("got %v, %d bytes, %d rejected", err, len(got), res.Rejected)
				}
				if !tt.ok && (!errors.Is(err, ErrIntegrity) || res.Rejected != 2) {
					t.Errorf("got %v, %d rejected", err, res.Rejected)
				}
			})
		}
	}
}

func TestWrongManifestIsRefusedByTheRequester(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("true"))
	changed, at := false, int64(0)
	w.tamper = func(read int64, p []byte) {
		if read == 0 { // the ruling's header
			at = 2*frameHeader + int64(binary.BigEndian.Uint32(p[1:]))
		}
		if read >= at && !changed { // the grant's payload
			changed = true
			p[len(p)-1] ^= 1
		}
	}
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error { t.Error("delivered"); return nil })
	if !errors.Is(err, ErrIntegrity) {
		t.Fatalf("got %v", err)
	}
}

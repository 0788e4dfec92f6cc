package exchange

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const mib = 1 << 20

func TestDocumentArrivesVerifiedAndAuditedAtBothEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts [][]byte
		bulk  bool
	}{
		{"small", [][]byte{[]byte("hello")}, false},
		{"empty part", [][]byte{{}, []byte("x")}, false},
		{"nothing but an empty part", [][]byte{{}}, false},
		{"three parts", [][]byte{noise(600_000, 1), noise(federation.ChunkSize, 2), noise(1, 3)}, false},
		{"bulk but small", [][]byte{noise(2*mib, 1)}, true},
		{"bulk", [][]byte{noise(9*mib+17, 1), noise(3*mib, 2)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.publish(tt.parts...)
			var got fetched
			q := requestFor(id)
			q.Bulk, q.Whole = tt.bulk, true
			res, err := w.client.Fetch(context.Background(), q, got.sink)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range tt.parts {
				if !bytes.Equal(got.parts[i+1], want) {
					t.Errorf("part %d differs", i+1)
				}
			}
			if n := len(got.order); n > 0 && !got.order[n-1].Last {
				t.Error("the last segment does not say so")
			}
			w.wg.Wait()
			if a, b := w.audit.kinds(), w.asked.kinds(); a != "intent released" || b != "asked received" {
				t.Errorf("audit: custodian %q, requester %q", a, b)
			}
			e := w.audit.last()
			if e.Bytes != res.Bytes || e.Intent != 1 || e.Detail != "" || e.Transfer != res.Transfer || e.Transfer != w.asked.last().Transfer {
				t.Errorf("entry %+v does not fit the result %+v", e, res)
			}
			if _, err := VerifyReceipt(e.Receipt, federation.PublicOf(w.key)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSmallDocumentTakesOneRequestAndNoFurtherWord(t *testing.T) {
	w := newWorld(t)
	id := w.publish([]byte("page"))
	words := 0 // frames that the requester sends before it has everything
	w.tamper = func(int64, []byte) {}
	done := false
	if _, err := w.client.Fetch(context.Background(), requestFor(id), func(s Segment) error {
		done = s.Last
		words = int(w.dialled.Load())
		return nil
	}); err != nil || !done || words != 1 {
		t.Fatalf("%v, done %v, %d streams", err, done, words)
	}
}

func TestSelectionBringsTheChunksThatCoverIt(t *testing.T) {
	w := newWorld(t)
	const c = federation.ChunkSize
	content := noise(10*c+5, 9)
	id := w.publish([]byte("cover"), content)
	m, err := federation.DecodeManifest(w.store.manifests[id])
	if err != nil {
		t.Fatal(err)
	}
	m.Parts[1].PageCount = 3
	m.Parts[1].Pages = []federation.Page{
		{Extents: []federation.Extent{{Offset: 0, Length: 8}, {Offset: 2*c - 1, Length: 2}}},
		{Extents: []federation.Extent{{Offset: 0, Length: 8}, {Offset: 9 * c, Length: c + 5}}},
		{},
	}
	w.register(m, federation.Normal)
	for _, tt := range []struct {
		name string
		sel  Selection
		want []int64 // offsets
	}{
		{"first part", Selection{Part: 1}, []int64{0}},
		{"page 1", Selection{Part: 2, Pages: []int{1}}, []int64{0, 1 * c, 2 * c}},
		{"pages 2 and 1", Selection{Part: 2, Pages: []int{2, 1}}, []int64{0, 1 * c, 2 * c, 9 * c, 10 * c}},
		{"page without a map", Selection{Part: 2, Pages: []int{3}}, []int64{0, c, 2 * c, 3 * c, 4 * c, 5 * c, 6 * c, 7 * c, 8 * c, 9 * c, 10 * c}},
		{"range", Selection{Part: 2, Ranges: []federation.Extent{{Offset: c + 1, Length: 1}}}, []int64{c}},
		{"ranges that overlap", Selection{Part: 2, Ranges: []federation.Extent{{Offset: 3 * c, Length: 2 * c}, {Offset: c, Length: 3 * c}}}, []int64{c, 2 * c, 3 * c, 4 * c}},
		{"up to the end", Selection{Part: 2, Ranges: []federation.Extent{{Offset: 9*c + 1}}}, []int64{9 * c, 10 * c}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []int64
			q := requestFor(id)
			q.Selection = tt.sel
			if _, err := w.client.Fetch(context.Background(), q, func(s Segment) error {
				got = append(got, s.Offset)
				if tt.sel.Part == 2 && !bytes.Equal(s.Data, content[s.Offset:min(s.Offset+c, int64(len(content)))]) {
					t.Error("content differs")
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		sel  Selection
		want string
	}{
		{Selection{Part: 3}, "no part 3: the document has 2"},
		{Selection{Part: 2, Pages: []int{4}}, "no page 4 in part 2: it has 3"},
		{Selection{Part: 1, Pages: []int{2}}, "no page 2 in part 1: it has 1"},
		{Selection{Part: 2, Pages: []int{0}}, "no page 0 in part 2"},
		{Selection{Part: 2, Ranges: []federation.Extent{{Offset: 11 * c, Length: 1}}}, "Part 2 has 2621445 bytes: a range of 1 from byte 2883584 on"},
		{Selection{Part: 2, Ranges: []federation.Extent{{Offset: 10*c + 5}}}, "nothing from byte 2621445 on in part 2"},
	} {
		q := requestFor(id)
		q.Selection = tt.sel
		var refusal *Refusal
		if _, err := w.client.Fetch(context.Background(), q, nil); !errors.Is(err, ErrNotFound) || !errors.As(err, &refusal) || !strings.Contains(refusal.Text, tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.sel, err, tt.want)
		}
		q.Role = "admin" // who may not have the document is told nothing of it
		if _, err := w.client.Fetch(context.Background(), q, nil); !errors.As(err, &refusal) || refusal.Text != policy.NotFound.Safe() {
			t.Errorf("%+v: someone who was not permitted got %v", tt.sel, err)
		}
	}
	for _, sel := range []Selection{{Part: -1}, {Pages: []int{1}}, {Part: 1, Pages: []int{1}, Ranges: []federation.Extent{{}}}} {
		q := requestFor(id)
		q.Selection = sel
		if _, err := w.client.Fetch(context.Background(), q, nil); !errors.Is(err, ErrSelection) {
			t.Errorf("%+v: got %v", sel, err)
		}
	}
}

func TestStripesFollowTheLoss(t *testing.T) {
	for _, tt := range []struct {
		name        string
		path        Path
		least, most int // how many are worth it depends on what is left when one could be opened
	}{
		{"clean", Path{Sent: 100000, RTT: 20_000_000}, 1, 1},
		{"lossy and near", Path{Sent: 100000, Lost: 100, RTT: 200_000}, 1, 1},
		{"lossy and far", Path{Sent: 100000, Lost: 500, RTT: 10_000_000}, 4, 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.path = tt.path
			content := bytes.Repeat(noise(federation.ChunkSize, 3), 144)
			id := w.publish(content)
			q := requestFor(id)
			q.Bulk = true
			var got []byte
			res, err := w.client.Fetch(context.Background(), q, func(s Segment) error { got = append(got, s.Data...); return nil })
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("got %v, %d bytes", err, len(got))
			}
			if res.Stripes < tt.least || res.Stripes > tt.most {
				t.Errorf("%d stripes, want %d to %d", res.Stripes, tt.least, tt.most)
			}
		})
	}
}

func TestCustodianOutOfReachIsUnavailable(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		w := newWorld(t)
		w.dial = func(int) error { return endpoint.ErrUnreachable }
		id := w.publish(noise(9*mib, 1))
		q := requestFor(id)
		q.Bulk = bulk
		_, err := w.client.Fetch(context.Background(), q, nil)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, endpoint.ErrUnreachable) || w.dialled.Load() != 6 {
			t.Errorf("got %v after %d dials", err, w.dialled.Load())
		}
		if w.asked.kinds() != "failed" {
			t.Errorf("audit %q", w.asked.kinds())
		}
	}
}

func TestCancelledFetchEndsBothEnds(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		w := newWorld(t)
		id := w.publish(noise(20*mib, 1))
		ctx, cancel := context.WithCancel(context.Background())
		q := requestFor(id)
		q.Bulk = bulk
		_, err := w.client.Fetch(ctx, q, func(Segment) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		w.wg.Wait()
		if e := w.audit.last(); e.Kind != Interrupted || w.asked.last().Kind != Failed {
			t.Errorf("entries %s and %s", e.Kind, w.asked.last().Kind)
		}
	}
}

func TestOwnDocumentIsNotFetched(t *testing.T) {
	w := newWorld(t)
	own := federation.NewDocumentID(asker, federation.DocumentKey{1})
	w.ledger.pointers[own] = federation.Pointer{Document: own, Subject: patient, Manifest: federation.Digest{1}}
	if _, err := w.client.Fetch(context.Background(), requestFor(own), nil); !errors.Is(err, ErrOwnDocument) {
		t.Errorf("got %v", err)
	}
	missing := federation.NewDocumentID(holder, federation.DocumentKey{99})
	if _, err := w.client.Fetch(context.Background(), requestFor(missing), nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestRequesterWithoutAuditShowsNothing(t *testing.T) {
	w := newWorld(t)
	w.asked.err = errors.New("disk is full")
	id := w.publish([]byte("x"))
	_, err := w.client.Fetch(context.Background(), requestFor(id), func(Segment) error { t.Error("delivered"); return nil })
	if !errors.Is(err, ErrAudit) {
		t.Errorf("got %v", err)
	}
}

func TestManifestIsAnnouncedOnceBeforeTheContent(t *testing.T) {
	for _, local := range []bool{false, true} {
		for _, content := range [][]byte{{}, noise(600_000, 1)} {
			w := newWorld(t)
			q := requestFor(w.publish(content))
			var order []string
			q.Begin = func(m federation.Manifest) error {
				if m.Document != q.Document || m.Bytes() != int64(len(content)) {
					t.Errorf("announced %+v", m)
				}
				order = append(order, "begin")
				return nil
			}
			fetch := w.client.Fetch
			if local {
				fetch = w.custodian.Open
			}
			if _, err := fetch(context.Background(), q, func(Segment) error { order = append(order, "segment"); return nil }); err != nil {
				t.Fatal(err)
			}
			if len(order) != 1+federation.ChunkCount(int64(len(content))) || order[0] != "begin" || slices.Index(order[1:], "begin") >= 0 {
				t.Errorf("order %v", order)
			}
			q.Begin = func(federation.Manifest) error { return errBroken }
			if _, err := fetch(context.Background(), q, noSink(t)); !errors.Is(err, errBroken) {
				t.Errorf("got %v", err)
			}
		}
	}
}

package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testOptions(dir string) Options {
	return Options{Dir: dir, Sealer: storage.NewSealer([32]byte{1}), Key: testKey(1), Small: true}
}

// singly is testOptions of a log whose entries have rows of their own, as all have that come by themselves.
func singly(dir string) Options {
	opt := testOptions(dir)
	opt.block = 1
	return opt
}

func testKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, 31), b))
}

func open(t testing.TB, opt Options) *Log {
	t.Helper()
	l, err := Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // tests that care close it themselves and look
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func subject(b byte) federation.Subject { return federation.Subject{0: b, 15: 1} }

func entry(i int) Entry {
	return Entry{
		Time: testTime.Add(time.Duration(i) * time.Second), Kind: Intent, Trust: "RYJ", User: fmt.Sprintf("user-%d", i%3),
		Subject: subject(byte(i % 5)), Document: federation.NewDocumentID("RAS", federation.DocumentKey{1, byte(i)}), Custodian: "RAS",
		Purpose: "TREAT", Outcome: "PERMIT", Rules: "agreement RAS v3: permit", Bytes: int64(i),
	}
}

func fill(t testing.TB, l *Log, n int) {
	t.Helper()
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := w; i < n; i += 8 {
				if _, err := l.Append(context.Background(), entry(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// raw changes the store behind the log's back.
func raw(t testing.TB, dir string, fn func(txn *badger.Txn) error) {
	t.Helper()
	db, err := storage.Open(storage.Options{Dir: filepath.Join(dir, "entries"), Profile: storage.Audit, Small: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesAreReadBackAsTheyWereAppended(t *testing.T) {
	dir := t.TempDir()
	l := open(t, testOptions(dir))
	full := Entry{
		Time: testTime, Kind: Completion, Trust: "RYJ", Node: federation.NodeID{1}, User: "u", Role: "R8000", Purpose: "TREAT",
		Relationship: "referral", BreakGlass: true, Subject: subject(1), Document: federation.NewDocumentID("RAS", federation.DocumentKey{9}),
		Custodian: "RAS", Request: federation.Digest{2}, Outcome: "PERMIT", Rules: "one\ntwo", Of: RefTo(0), Bytes: 1 << 40,
		Ranges: []federation.Extent{{Offset: 0, Length: 10}, {Offset: 1 << 33, Length: 5}}, Proof: []byte{1, 2, 3}, Detail: "link dropped", StateIndex: 77,
	}
	for i, e := range []Entry{{Time: testTime, Kind: Admin}, full} {
		index, err := l.Append(context.Background(), e)
		if err != nil || index != uint64(i) {
			t.Fatalf("Append: %d, %v", index, err)
		}
		r, err := l.At(index)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, r.Entry); diff != "" {
			t.Error(diff)
		}
	}
	if of, ok := full.Of.Index(); !ok || of != 0 {
		t.Errorf("Of = %d, %v", of, ok)
	}
	if _, err := l.At(2); !errors.Is(err, ErrRange) {
		t.Errorf("At(2): %v", err)
	}
	if _, err := l.At(1<<64 - 1); !errors.Is(err, ErrRange) {
		t.Errorf("At(max): %v", err)
	}
	closeLog(t, l)
	l = open(t, testOptions(dir))
	all, err := l.Read(context.Background(), 0, 10)
	if err != nil || len(all) != 2 || all[1].Detail != "link dropped" {
		t.Fatalf("after reopening: %v, %v", all, err)
	}
}

func TestTreeIsThatOfRFC6962(t *testing.T) {
	var f frontier
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(ix))
		for i, x := range ix {
			out[i] = stored[x]
		}
		return out, nil
	})
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, read)
		if err != nil || f.root() != want {
			t.Fatalf("root of %d: %v, want %v, %v", n, f.root(), want, err)
		}
		back, err := decodeFrontier(f.encode())
		if err != nil || back.root() != want || back.size != uint64(n) {
			t.Fatalf("frontier of %d does not survive: %v", n, err)
		}
		leaf := binary.BigEndian.AppendUint64(nil, uint64(n))
		hs, err := tlog.StoredHashes(n, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(hs, f.add(tlog.RecordHash(leaf))); diff != "" {
			t.Fatal(diff)
		}
		stored = append(stored, hs...)
	}
}

func TestCheckpointsProveThatTheLogOnlyGrew(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	node := federation.NodeID{7}
	var before federation.Checkpoint
	var all []federation.Checkpoint
	for _, n := range []int{1, 1, 5, 0, 30, 64} {
		fill(t, l, n)
		c, err := l.Checkpoint(context.Background(), node, before.Size)
		if err != nil {
			t.Fatal(err)
		}
		if !federation.PublicOf(testKey(1)).Verify(c.SignedBytes(), c.Sig) {
			t.Error("signature does not verify")
		}
		if before.Size > 0 && before.Size < c.Size {
			if err := tlog.CheckTree(hashes(c.Proof), int64(c.Size), tlog.Hash(c.Root), int64(before.Size), tlog.Hash(before.Root)); err != nil {
				t.Errorf("%d to %d: %v", before.Size, c.Size, err)
			}
		}
		if _, err := federation.Compose(federation.Place{Trust: "RYJ", Seq: 2, At: testTime}, c, testKey(2)); err != nil {
			t.Error(err)
		}
		before, all = c, append(all, c)
	}
	report, err := l.Verify(context.Background(), all)
	if err != nil || !report.OK() || len(report.Witnesses) != len(all) || report.Root != before.Root {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := l.Checkpoint(context.Background(), node, before.Size+1); !errors.Is(err, ErrRange) {
		t.Errorf("region ahead of the log: %v", err)
	}
	if _, err := l.Consistency(1, before.Size+1); !errors.Is(err, ErrRange) {
		t.Errorf("Consistency beyond the end: %v", err)
	}
}

func TestForeignCheckpointsDoNotHold(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	fill(t, l, 10)
	good, err := l.Checkpoint(context.Background(), federation.NodeID{7}, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := good
	other.Root[0] ^= 1
	ahead := federation.Checkpoint{Size: 11, Root: good.Root}
	report, err := l.Verify(context.Background(), []federation.Checkpoint{ahead, other, good})
	if err != nil || report.OK() || len(report.Witnesses) != 3 || report.Faults != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	holds := 0
	for _, w := range report.Witnesses {
		if w.Holds {
			holds++
		} else if w.Fault == "" {
			t.Error("no reason given")
		}
	}
	if holds != 1 {
		t.Errorf("%d hold, want 1", holds)
	}
}

func TestInclusionProofs(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	fill(t, l, 37)
	h, err := l.Head()
	if err != nil {
		t.Fatal(err)
	}
	for i := range h.Size {
		p, err := l.Inclusion(i, h.Size)
		if err != nil || p.Check(h.Root) != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		bad := p
		bad.Leaf[3] ^= 1
		if err := bad.Check(h.Root); !errors.Is(err, ErrProof) {
			t.Errorf("altered leaf: %v", err)
		}
		bad = p
		bad.Index = (i + 1) % h.Size
		if err := bad.Check(h.Root); !errors.Is(err, ErrProof) {
			t.Errorf("other index: %v", err)
		}
	}
	for _, c := range [][2]uint64{{37, 37}, {0, 38}, {5, 5}} {
		if _, err := l.Inclusion(c[0], c[1]); !errors.Is(err, ErrRange) {
			t.Errorf("Inclusion(%d, %d): %v", c[0], c[1], err)
		}
	}
}

func TestSearchFindsWhatMatches(t *testing.T) {
	l := open(t, testOptions(t.TempDir()))
	for i := range 50 {
		e := entry(i)
		if i%10 == 0 {
			e.Kind, e.BreakGlass, e.Outcome = BreakGlass, true, "DENIED"
		}
		if _, err := l.Append(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		f    Filter
		want int
	}{
		{"all", Filter{}, 50},
		{"newest", Filter{Newest: true}, 50},
		{"patient", Filter{Subject: subject(3)}, 10},
		{"patient, newest", Filter{Subject: subject(3), Newest: true}, 10},
		{"nobody", Filter{Subject: subject(99)}, 0},
		{"user", Filter{User: "user-1"}, 17},
		{"kind", Filter{Kinds: []Kind{Admin, BreakGlass}}, 5},
		{"emergency", Filter{BreakGlass: true}, 5},
		{"outcome", Filter{Outcome: "DENIED"}, 5},
		{"trust", Filter{Trust: "RAS"}, 0},
		{"custodian", Filter{Custodian: "RAS"}, 50},
		{"since", Filter{Since: testTime.Add(40 * time.Second)}, 10},
		{"until", Filter{Until: testTime.Add(40 * time.Second)}, 40},
		{"document", Filter{Document: entry(7).Document}, 1},
		{"request", Filter{Request: federation.Digest{1}}, 0},
		{"both", Filter{Subject: subject(0), User: "user-0"}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, last := 0, -1
			for from, pages := Ref(0), 0; pages == 0 || from != 0; pages++ {
				page, err := l.Search(context.Background(), c.f, from, 3)
				if err != nil || len(page.Damaged) > 0 || len(page.Records) > 3 {
					t.Fatalf("%+v, %v", page, err)
				}
				for _, r := range page.Records {
					if last >= 0 && (int(r.Index) > last) == c.f.Newest {
						t.Errorf("entry %d after %d", r.Index, last)
					}
					last = int(r.Index)
					got++
				}
				from = page.Next
			}
			if got != c.want {
				t.Errorf("%d entries, want %d", got, c.want)
			}
		})
	}
}

// The encoding is hashed into the tree: a change of it must be a new version.

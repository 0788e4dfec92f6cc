package index

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// busy has some of everything, refusals included.
func busy(t tester) *testRegion {
	t.Helper()
	r := grown(t, Config{})
	r.submit([]byte("garbage"))
	sealed := pointerOf("RAS", alice, 3)
	sealed.Confidentiality = federation.Restricted
	r.accept("RAS", publication(pointerOf("RAS", alice, 1), pointerOf("RAS", bob, 2), sealed.Seal()))
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	r.submit(r.log[2]) // a duplicate
	r.accept("RYJ", federation.Withdraw{Documents: []federation.DocumentID{documentOf("RYJ", 1)}})
	r.say("RYJ", federation.Link{Prior: alice, Survivor: bob})
	r.accept("RAX", objection(1, alice))
	r.accept("RAX", withdrawal(2, 1, alice))
	r.say("RAX", withdrawal(3, 9, alice)) // refused
	r.accept("RAX", scoped(4, alice, federation.Object, 0))
	r.accept("RAS", scoped(5, bob, federation.Consent, 4))
	r.say("RAS", scoped(6, bob, federation.Consent, 4)) // refused
	r.accept("RAX", federation.Agreement{Version: 1, Effective: r.now, Cedar: "permit(principal, action, resource);"})
	next := testKey("RAX", "next")
	r.accept("RAX", rotation(federation.RoleStatement, r.trust("RAX").statement, next, ""))
	r.trust("RAX").statement = next
	r.accept("RAX", publication(pointerOf("RAX", bob, 1)))
	r.accept("RYJ", federation.Enrol{Member: newTrust("RBK").member(false)})
	r.accept("RYJ", sealedCheckpoint(r.trust("RYJ")))
	r.accept("RYJ", federation.BreakGlass{Subject: bob, Custodian: "RAS", User: "u", Reason: "r", Until: r.now.Add(1 << 40)})
	return r
}

func sealedCheckpoint(trust *testTrust) federation.Checkpoint {
	return sealCheckpoint(federation.Checkpoint{Node: trust.nodeID(), Size: 4, Root: federation.Digest{4}}, trust.audit)
}

func (r *testRegion) snapshot() []byte {
	r.t.Helper()
	size, err := r.ledger.SnapshotSize(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.ledger.Snapshot(r.store, &b); err != nil {
		r.t.Fatal(err)
	}
	if int64(b.Len()) != size {
		r.t.Fatalf("%d bytes, announced %d", b.Len(), size)
	}
	return b.Bytes()
}

func TestARestoredStateIsTheSameInEveryRow(t *testing.T) {
	for name, r := range map[string]*testRegion{"empty": emptyRegion(t, Config{}), "charter": founded(t, Config{}, 1), "busy": busy(t)} {
		t.Run(name, func(t *testing.T) {
			b := r.snapshot()
			l, store := newLedger(t, Config{}), consensus.NewMemoryStore()
			if err := l.Restore(bytes.NewReader(b), store); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.rows(), rowsOf(t, store)); diff != "" {
				t.Errorf("rows (-original +restored):\n%s", diff)
			}
			if len(l.Roster().Trusts()) != 0 {
				t.Error("in service before Applied said so")
			}
			l.Applied(r.index)
			if diff := cmp.Diff(r.ledger.Roster().Trusts(), l.Roster().Trusts()); diff != "" {
				t.Errorf("roster:\n%s", diff)
			}
			again := &testRegion{t: t, ledger: l, store: store, index: r.index, now: r.now, trusts: r.trusts}
			if !bytes.Equal(again.snapshot(), b) {
				t.Error("its own snapshot differs")
			}
			if name == "busy" {
				again.accept("RAX", publication(pointerOf("RAX", bob, 2)))
			}
		})
	}
}

func TestRefusalsBeyondTheLimitMakeRoomAndSnapshotsStillAddUp(t *testing.T) {
	r := founded(t, Config{}, 1)
	for i := range MaxRefusals + 40 {
		r.submit(fmt.Appendf(nil, "garbage %d", i))
		if i%400 == 0 {
			r.snapshot()
		}
	}
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	got, err := Refusals(r.store, 2*MaxRefusals)
	if err != nil || len(got) != MaxRefusals || got[0].Number != MaxRefusals+40 || got[MaxRefusals-1].Number != 41 {
		t.Fatalf("%d refusals, %v", len(got), err)
	}
	store := consensus.NewMemoryStore()
	if err := newLedger(t, Config{}).Restore(bytes.NewReader(r.snapshot()), store); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.rows(), rowsOf(t, store)); diff != "" {
		t.Errorf("rows:\n%s", diff)
	}
}

func TestChangedSnapshotsAreRefused(t *testing.T) {
	b := busy(t).snapshot()
	refused := func(what string, changed []byte) {
		t.Helper()
		err := newLedger(t, Config{}).Restore(bytes.NewReader(changed), consensus.NewMemoryStore())
		if !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", what, err)
		}
	}
	step := max(1, len(b)/200)
	for i := 0; i < len(b); i += step {
		changed := bytes.Clone(b)
		changed[i] ^= 0x10
		refused(fmt.Sprintf("byte %d of %d changed", i, len(b)), changed)
	}
	for i := 0; i < len(b); i += 7 * step {
		refused(fmt.Sprintf("cut to %d bytes", i), b[:i])
	}
	refused("lengthened", append(bytes.Clone(b), 0))
	refused("not a snapshot", bytes.Repeat([]byte("x"), 4096))
}

// An attacker computes the sum anew; the signatures, the chains, the counts and the root are left.
func TestForgedSnapshotsAreRefused(t *testing.T) {
	r := busy(t)
	b := r.snapshot()
	resum := func(b []byte) []byte {
		sum := sha256.Sum256(b[:len(b)-sha256.Size])
		return append(bytes.Clone(b[:len(b)-sha256.Size]), sum[:]...)
	}
	head := len(snapshotMagic) + metaSize
	believed := 0
	step := max(1, len(b)/400)
	for i := 0; i < len(b)-sha256.Size; i += step {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		store := consensus.NewMemoryStore()
		err := newLedger(t, Config{}).Restore(bytes.NewReader(resum(changed)), store)
		if err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatalf("byte %d: %v", i, err)
			}
			continue
		}
		// Only the wording of a refusal, which nobody signs and no root covers, may differ.
		if diff := cmp.Diff(r.rows(rowRefusal), rowsOf(t, store, rowRefusal)); diff != "" {
			t.Fatalf("byte %d was believed (-original +restored):\n%s", i, diff)
		}
		if diff := cmp.Diff(unworded(t, r.store), unworded(t, store)); diff != "" {
			t.Fatalf("byte %d was believed of a refusal (-original +restored):\n%s", i, diff)
		}
		if believed++; i < head {
			t.Fatalf("byte %d of the meta row was believed", i)
		}
	}
	t.Logf("%d changes touched only the wording of refusals", believed)
}

// unworded returns the refusals without their wording.
func unworded(t tester, r Reader) []Refusal {
	t.Helper()
	all, err := Refusals(r, MaxRefusals)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Detail = ""
	}
	return all
}

// The leader leaves out, repeats or reorders statements, and states counts and sums that fit.
func TestRewrittenHistoriesAreRefused(t *testing.T) {
	r := busy(t)
	var frames []frame
	err := r.store.Scan([]byte{rowEnvelope}, nil, func(key, value []byte) (bool, error) {
		frames = append(frames, frame{row: rowEnvelope, number: uint64(len(frames) + 1), payload: bytes.Clone(value)})
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := readMeta(r.store)
	if err != nil {
		t.Fatal(err)
	}
	m.refusals, m.refused, m.refusalLog = 0, federation.Digest{}, 0
	write := func(frames []frame) []byte {
		m := m
		m.statements, m.envelopes = uint64(len(frames)), 0
		out := []byte(snapshotMagic)
		var body []byte
		for i, f := range frames {
			m.envelopes += uint64(len(f.payload))
			key := numberKey(rowEnvelope, uint64(i+1))
			n := len(f.payload)
			body = append(append(body, key...), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
			body = append(body, f.payload...)
		}
		m.index = uint64(len(frames))
		out = append(append(out, m.encode()...), body...)
		sum := sha256.Sum256(out)
		return append(out, sum[:]...)
	}
	for name, rewritten := range map[string][]frame{
		"none":               nil,
		"one left out":       append(append([]frame{}, frames[:9]...), frames[10:]...),
		"one repeated":       append(append([]frame{}, frames[:9]...), frames[8:]...),
		"two exchanged":      append(append([]frame{}, frames[0], frames[2], frames[1]), frames[3:]...),
		"without a charter":  frames[1:],
		"as it was, renamed": frames, // other command indexes: another root
	} {
		err := newLedger(t, Config{}).Restore(bytes.NewReader(write(rewritten)), consensus.NewMemoryStore())
		if !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRestoreNeedsAnEmptyStoreAndPassesErrorsOn(t *testing.T) {
	r := founded(t, Config{}, 1)
	b := r.snapshot()
	if err := r.ledger.Restore(bytes.NewReader(b), r.store); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("full store: %v", err)
	}
	broken := errors.New("line broke")
	src := io.MultiReader(bytes.NewReader(b[:300]), readerFunc(func([]byte) (int, error) { return 0, broken }))
	if err := newLedger(t, Config{}).Restore(src, consensus.NewMemoryStore()); !errors.Is(err, broken) || errors.Is(err, ErrSnapshot) {
		t.Errorf("broken line: %v", err)
	}
	if err := r.ledger.Snapshot(r.store, writerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
		t.Errorf("broken sink: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Statements enough for many chunks and Updates, with a key that changes in between: verdicts made ahead with the old key must
// not count.
func TestLargeSnapshotsRestoreAcrossChunksAndRotations(t *testing.T) {
	r := founded(t, Config{}, 1)
	for n := range 3*chunkFrames + 7 {
		if n%100 == 50 {
			next := testKey("RYJ", n)
			r.accept("RYJ", rotation(federation.RoleStatement, r.trust("RYJ").statement, next, ""))
			r.trust("RYJ").statement = next
		}
		r.accept("RYJ", publication(pointerOf("RYJ", federation.Subject{byte(n % 7), 1}, n)))
	}
	store := consensus.NewMemoryStore()
	if err := newLedger(t, Config{}).Restore(bytes.NewReader(r.snapshot()), store); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.rows(), rowsOf(t, store)); diff != "" {
		t.Errorf("rows:\n%s", diff)
	}
}

package index

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

var alice, bob = federation.Subject{0xA}, federation.Subject{0xB}

func TestOnlyACharterFoundsARegion(t *testing.T) {
	r := emptyRegion(t, Config{})
	r.refuseCommand([]byte("not a statement"), Malformed)
	ryj, ras := r.trust("RYJ"), r.trust("RAS")
	r.refuseSigned(r.sign("RYJ", federation.Approve{}), NoRegion)
	charter := federation.Charter{Region: "Test", Approvals: 2, Voters: 3, Founder: ryj.member(true)}
	first := federation.Place{Trust: "RYJ", Seq: 1, At: r.now}

	second := first
	second.Seq = 2
	r.refuseSigned(r.signAt(second, charter, ryj.statement), BrokenChain)
	after := first
	after.Prev = federation.Digest{1}
	r.refuseSigned(r.signAt(after, charter, ryj.statement), BrokenChain)
	r.refuseSigned(r.signAt(first, charter, ras.statement), BadSignature)
	other := first
	other.Trust = "RAS"
	r.refuseSigned(r.signAt(other, charter, ryj.statement), BadMember)
	unruly := charter
	unruly.Founder = ryj.member(false)
	r.refuseSigned(r.signAt(first, unruly, ryj.statement), BadMember)
	unproven := charter
	unproven.Founder.Address = "elsewhere:1"
	r.refuseSigned(r.signAt(first, unproven, ryj.statement), BadMember)
	if got := r.ledger.Roster(); len(got.Trusts()) != 0 {
		t.Errorf("roster of an empty region: %v", got.Trusts())
	}

	signed := r.signAt(first, charter, ryj.statement)
	if got := r.submit(signed.Encode()); got.Outcome != Accepted {
		t.Fatalf("charter: %v", got)
	}
	roster := r.ledger.Roster()
	if roster.RegionID != signed.ID() || roster.Region != "Test" || !roster.Active(ryj.nodeID()) {
		t.Errorf("roster: %v, %q, node active %v", roster.RegionID, roster.Region, roster.Active(ryj.nodeID()))
	}
	r.refuse("RYJ", charter, RegionExists)
}

// region id <- RYJ 1 <- RYJ 2 <- RYJ 3        what is submitted         what becomes of it
//
//	\
//	 3'               another third              Fork
//	       5          one is left out            Gap
//	       4 (prev 2) does not name 3            BrokenChain
//	2                 the same again             Duplicate
func TestChainsHaveNoForksGapsOrBends(t *testing.T) {
	r := founded(t, Config{}, 1)
	key := r.trust("RYJ").statement
	second := r.sign("RYJ", publication(pointerOf("RYJ", alice, 1)))
	r.submit(second.Encode())
	before := r.head("RYJ")
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 2)))
	head := r.head("RYJ")
	place := func(seq uint64, prev federation.Digest) federation.Place {
		return federation.Place{Trust: "RYJ", Seq: seq, Prev: prev, At: r.now}
	}
	body := publication(pointerOf("RYJ", bob, 3))
	r.refuseSigned(r.signAt(place(3, before.digest), body, key), Fork)
	r.refuseSigned(r.signAt(place(5, head.digest), body, key), Gap)
	r.refuseSigned(r.signAt(place(4, before.digest), body, key), BrokenChain)
	r.refuseSigned(r.signAt(place(1, federation.Digest{}), body, key), Fork)

	rows, index := r.rows(), r.index
	if got := r.submit(second.Encode()); got.Outcome != Duplicate {
		t.Errorf("again: %v", got)
	}
	if diff := cmp.Diff(rows, r.rows()); diff != "" {
		t.Errorf("a duplicate wrote:\n%s", diff)
	}
	if _, at, err := Root(r.store); err != nil || at != index {
		t.Errorf("root as of %d, %v; want %d", at, err, index)
	}
	// A refused statement leaves its number free.
	r.accept("RYJ", body)
}

// A statement of another region names another region's id: its founder may have the same key there.
func TestStatementsOfAnotherRegionAreRefused(t *testing.T) {
	here, there := founded(t, Config{}, 1), emptyRegion(t, Config{})
	there.accept("RYJ", federation.Charter{Region: "Test", Nonce: [16]byte{2}, Approvals: 1, Voters: 3, Founder: there.trust("RYJ").member(true)})
	here.accept("RYJ", federation.Enrol{Member: here.trust("RAS").member(true)})
	there.accept("RYJ", federation.Enrol{Member: there.trust("RAS").member(true)})
	here.refuseSigned(there.sign("RAS", publication(pointerOf("RAS", alice, 1))), BrokenChain)
}

func TestStatementsOfOthersAreRefused(t *testing.T) {
	r := grown(t, Config{})
	body := publication(pointerOf("RAS", alice, 1))
	h := r.head("RAS")
	place := federation.Place{Trust: "RAS", Seq: h.seq + 1, Prev: h.digest, At: r.now}
	r.refuseSigned(r.signAt(place, body, r.trust("RYJ").statement), BadSignature)
	r.refuseSigned(r.signAt(place, body, r.trust("RAS").node), BadSignature)
	r.refuseSigned(r.sign("RXX", publication(pointerOf("RXX", alice, 1))), UnknownTrust)
	signed := r.signAt(place, body, r.trust("RAS").statement)
	changed := federation.Signed{Raw: append([]byte(nil), signed.Raw...), Sig: signed.Sig}
	changed.Raw[len(changed.Raw)-1] ^= 1
	r.refuseSigned(changed, BadSignature)
	r.refuseCommand(signed.Encode()[:len(signed.Raw)], Malformed)
	r.refuseCommand(nil, Malformed)
	r.refuseCommand(make([]byte, federation.MaxStatement+1), Malformed)
	if got := locateAll(t, r.store, alice); len(got) != 0 {
		t.Errorf("forged pointers: %v", got)
	}
}

// A statement that is signed and in place, but of a kind or version to come, stops the replica; an unsigned one must not be
// able to.
func TestNewerStatementsStopTheReplicaOnlyWhenTheyAreGenuine(t *testing.T) {
	r := founded(t, Config{}, 1)
	h := r.head("RYJ")
	newer := federation.Statement{Trust: "RYJ", Seq: h.seq + 1, Prev: h.digest, Kind: federation.KindBreakGlass + 1, At: r.now, Body: []byte{1}}
	version := federation.Statement{Trust: "RYJ", Seq: h.seq + 1, Prev: h.digest, Kind: federation.KindApprove, At: r.now, Body: []byte{2}}
	for _, s := range []federation.Statement{newer, version} {
		forged, err := federation.Sign(s, testKey("stranger"))
		if err != nil {
			t.Fatal(err)
		}
		r.refuseSigned(forged, BadSignature)
		early := s
		early.Seq++
		gap, err := federation.Sign(early, r.trust("RYJ").statement)
		if err != nil {
			t.Fatal(err)
		}
		r.refuseSigned(gap, Gap)
		genuine, err := federation.Sign(s, r.trust("RYJ").statement)
		if err != nil {
			t.Fatal(err)
		}
		rows := r.rows()
		if _, err := r.apply(genuine.Encode()); !errors.Is(err, ErrUnknownStatement) {
			t.Errorf("%s: %v", s.Kind, err)
		}
		if diff := cmp.Diff(rows, r.rows()); diff != "" {
			t.Errorf("state changed:\n%s", diff)
		}
	}
	raw := r.sign("RYJ", federation.Approve{}).Encode()
	raw[64] = 2 // version of the statement itself: it cannot even be told who says it
	r.refuseCommand(raw, Malformed)
	bad := version
	bad.Body = []byte{1, 1}
	malformed, err := federation.Sign(bad, r.trust("RYJ").statement)
	if err != nil {
		t.Fatal(err)
	}
	r.refuseSigned(malformed, Malformed)
}

func TestCommandsMustComeInOrder(t *testing.T) {
	r := founded(t, Config{}, 1)
	err := r.store.Update(func(tx *consensus.Tx) error {
		_, err := r.ledger.Apply(tx, r.index, []byte("again"))
		return err
	})
	if !errors.Is(err, ErrOrder) {
		t.Errorf("got %v", err)
	}
}

func TestDamagedRowsStopTheReplica(t *testing.T) {
	rows := map[string]func(r *testRegion) []byte{
		"meta":     func(*testRegion) []byte { return metaKey() },
		"head":     func(*testRegion) []byte { return headKey("RYJ") },
		"document": func(*testRegion) []byte { return documentKey("RYJ", documentOf("RYJ", 1).Key()) },
		"pointer": func(*testRegion) []byte {
			p := pointerOf("RYJ", alice, 1)
			return pointerKey(alice, placeOf(p), "RYJ", p.Document.Key())
		},
	}
	for name, key := range rows {
		t.Run(name, func(t *testing.T) {
			r := founded(t, Config{}, 1)
			r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
			next := pointerOf("RYJ", alice, 2)
			next.Supersedes = documentOf("RYJ", 1)
			signed := r.sign("RYJ", publication(pointerOf("RYJ", alice, 1), next))
			if err := r.store.Update(func(tx *consensus.Tx) error { tx.Set(key(r), []byte{9}); return nil }); err != nil {
				t.Fatal(err)
			}
			if name == "pointer" {
				signed = r.sign("RYJ", publication(next))
			}
			if _, err := r.apply(signed.Encode()); !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHeadSaysWhereTheNextStatementGoes(t *testing.T) {
	r := emptyRegion(t, Config{})
	if h := r.head("RYJ"); h != (headRow{}) {
		t.Errorf("before the charter: %v", h)
	}
	r = grown(t, Config{})
	if h := r.head("RAX"); h.seq != 0 || h.digest != r.ledger.Roster().RegionID {
		t.Errorf("before the first statement: %v", h)
	}
	r.now = r.now.Add(time.Hour)
	r.accept("RAX", publication(pointerOf("RAX", alice, 1)))
	signed, index, found, err := statementAt(r.store, "RAX", 1)
	if err != nil || !found || index != r.index || signed.ID() != r.head("RAX").digest {
		t.Errorf("statement 1: %v at %d, %v, %v", signed.ID(), index, found, err)
	}
	if _, _, found, err = statementAt(r.store, "RAX", 2); found || err != nil {
		t.Errorf("statement 2: %v, %v", found, err)
	}
	n := uint64(0)
	err = Statements(r.store, 3, func(index uint64, signed federation.Signed) (bool, error) {
		n++
		return true, nil
	})
	if err != nil || n != r.counts().Statements-2 {
		t.Errorf("%d statements from index 3, %v", n, err)
	}
}

package index

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// witness writes down what the hooks are told.
type witness struct{ told []string }

func (w *witness) config() Config {
	tell := func(format string, args ...any) { w.told = append(w.told, fmt.Sprintf(format, args...)) }
	return Config{
		OnRoster:     func(r *federation.Roster) { tell("roster of %d", len(r.Trusts())) },
		OnDirective:  func(s federation.Subject) { tell("directive %x", s[0]) },
		OnAgreement:  func(t federation.TrustID) { tell("agreement %s", t) },
		OnBreakGlass: func(b BreakGlass) { tell("break-glass by %s at %s", b.Trust, b.Custodian) },
		OnRestore:    func(federation.Digest) { tell("restore") },
	}
}

func (w *witness) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	w.told = nil
}

func TestALedgerNeedsALogger(t *testing.T) {
	if _, err := New(Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestHooksAreToldOnceAndAfterTheCommit(t *testing.T) {
	var w witness
	r := founded(t, w.config(), 1)
	w.expect(t, "roster of 1")
	r.accept("RYJ", federation.Enrol{Member: r.trust("RAS").member(true)})
	w.expect(t, "roster of 2")
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	w.expect(t)
	r.accept("RYJ", federation.Link{Prior: alice, Survivor: bob})
	w.expect(t, "directive a", "directive b")
	r.accept("RYJ", objection(1, bob))
	w.expect(t, "directive b", "directive a")
	r.accept("RAS", objection(1, bob)) // nothing new
	w.expect(t)
	r.accept("RAS", federation.Agreement{Version: 1, Effective: r.now})
	w.expect(t, "agreement RAS")
	r.accept("RAS", federation.BreakGlass{Subject: alice, Custodian: "RYJ", User: "u", Reason: "r", Until: r.now.Add(time.Hour)})
	w.expect(t, "break-glass by RAS at RYJ")
	r.refuse("RAS", federation.Link{Prior: bob, Survivor: alice}, LinkCycle)
	r.submit(r.log[1])
	w.expect(t)

	// A batch of two: nothing is told before Applied.
	before := r.ledger.Roster()
	for range 2 {
		r.index++
		signed := r.sign("RYJ", federation.Enrol{Member: newTrust(federation.TrustID(fmt.Sprint("N0", r.index))).member(false)})
		err := r.store.Update(func(tx *consensus.Tx) error {
			_, err := r.ledger.Apply(tx, r.index, signed.Encode())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.expect(t)
	if r.ledger.Roster() != before {
		t.Error("the roster is ahead of the state")
	}
	r.ledger.Applied(r.index - 1)
	w.expect(t, "roster of 3")
	r.ledger.Applied(r.index)
	w.expect(t, "roster of 4")
	r.ledger.Applied(r.index)
	w.expect(t)
}

// A batch whose commit fails is undone in the store; what the Ledger remembers of it must not be used.
func TestABatchThatIsRolledBackLeavesNothing(t *testing.T) {
	r := founded(t, Config{}, 1)
	failed := errors.New("commit failed")
	enrol := r.sign("RYJ", federation.Enrol{Member: r.trust("RAS").member(true)})
	err := r.store.Update(func(tx *consensus.Tx) error {
		if _, err := r.ledger.Apply(tx, r.index+1, enrol.Encode()); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	// RAS is not in the state, though the Ledger saw a roster with it.
	signed := r.sign("RAS", publication(pointerOf("RAS", alice, 1)))
	r.refuseSigned(signed, UnknownTrust)
}

func TestALedgerTakesUpAStateThatIsThere(t *testing.T) {
	r := grown(t, Config{})
	var w witness
	l := newLedger(t, w.config())
	if err := l.Load(consensus.NewMemoryStore()); err != nil || len(l.Roster().Trusts()) != 0 {
		t.Errorf("empty: %v", err)
	}
	w.expect(t)
	if err := l.Load(r.store); err != nil {
		t.Fatal(err)
	}
	w.expect(t, "roster of 4")
	r.ledger = l
	r.accept("Y05868", publication(pointerOf("Y05868", alice, 1)))

	// Load that comes late, with a state read before the last change, must not take the roster back.
	old := r.replay().store
	r.accept("Y05868", federation.Suspend{Trust: "Y05868"})
	w.expect(t, "roster of 4")
	if err := l.Load(old); err != nil {
		t.Fatal(err)
	}
	w.expect(t)
	if r.standing("Y05868") != federation.Suspended {
		t.Error("an old roster came back")
	}
}

// received       applied                  in service
// snapshot of 6                           1
//
//	2: told of, not lost     2
//	                         6: roster and restore are told of
func TestASnapshotWaitsForItsIndexWhileCommandsAreApplied(t *testing.T) {
	ahead := grown(t, Config{})
	var w witness
	behind := founded(t, w.config(), 2)
	w.told = nil
	if err := behind.ledger.Restore(bytes.NewReader(ahead.snapshot()), consensus.NewMemoryStore()); err != nil {
		t.Fatal(err)
	}
	behind.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	w.expect(t)
	behind.ledger.Applied(ahead.index)
	w.expect(t, "roster of 4", "restore")
	behind.ledger.Applied(ahead.index)
	w.expect(t)
}

// A snapshot was verified, but the old state stays in service and goes past it by commands.
func TestASnapshotThatIsNotPutIntoServiceIsForgotten(t *testing.T) {
	var w witness
	other := founded(t, Config{}, 2)
	r := grown(t, w.config())
	w.told = nil
	if err := r.ledger.Restore(bytes.NewReader(other.snapshot()), consensus.NewMemoryStore()); err != nil {
		t.Fatal(err)
	}
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	w.expect(t)
	if got := len(r.ledger.Roster().Trusts()); got != 4 {
		t.Errorf("%d trusts", got)
	}
}

func TestResponsesReadBack(t *testing.T) {
	for _, r := range []Response{
		{Outcome: Accepted},
		{Outcome: Accepted, Detail: "1 of 2 approvals"},
		{Outcome: Duplicate},
		{Outcome: Refused, Code: TooManyTrusts, Detail: "ü"},
		{Outcome: Refused, Code: 200},
	} {
		got, err := DecodeResponse(EncodeResponse(r))
		if err != nil || got != r {
			t.Errorf("%v: %v, %v", r, got, err)
		}
	}
	long := EncodeResponse(Response{Outcome: Refused, Code: Gap, Detail: strings.Repeat("ü\x00\xff", 300)})
	if got, err := DecodeResponse(long); err != nil || len(got.Detail) > maxDetail {
		t.Errorf("%d bytes of detail, %v", len(got.Detail), err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "version 2": {2, 1, 0, 0}, "no outcome": {1, 0, 0, 0}, "outcome 4": {1, 4, 0, 0},
		"refused without code": {1, 3, 0, 0}, "accepted with code": {1, 1, 3, 0}, "longer": {1, 1, 0, 0, 0},
	} {
		if got, err := DecodeResponse(b); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestNamesOfCodesAndOutcomes(t *testing.T) {
	seen := map[string]bool{}
	for c := Malformed; c <= BadEmergency; c++ {
		if s := c.String(); seen[s] || strings.HasPrefix(s, "code-") {
			t.Errorf("%d: %q", c, s)
		}
		seen[c.String()] = true
	}
	if got := (BadEmergency + 1).String(); got != "code-31" {
		t.Errorf("an unknown code: %q", got)
	}
	if got := fmt.Sprint(Outcome(0), Accepted, Duplicate, Refused, Outcome(9)); got != "? accepted duplicate refused ?" {
		t.Errorf("outcomes: %q", got)
	}
}

func TestAnotherRegionIsRefused(t *testing.T) {
	other := grown(t, Config{})
	cfg := Config{Region: federation.Digest{1}}
	r := emptyRegion(t, cfg)
	if err := r.ledger.Restore(bytes.NewReader(other.snapshot()), consensus.NewMemoryStore()); !errors.Is(err, ErrRegion) || !errors.Is(err, ErrSnapshot) {
		t.Errorf("its snapshot: got %v, want ErrRegion and ErrSnapshot", err)
	}
	r.ledger.Applied(1 << 40)
	if !r.ledger.Roster().RegionID.IsZero() {
		t.Error("the roster of a snapshot that was refused is in service")
	}
	if err := r.ledger.Load(other.store); !errors.Is(err, ErrRegion) {
		t.Errorf("its state: got %v, want ErrRegion", err)
	}
	var charter []byte
	err := Statements(other.store, 0, func(_ uint64, s federation.Signed) (bool, error) {
		charter = s.Encode()
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.apply(charter); !errors.Is(err, ErrRegion) {
		t.Errorf("its charter: got %v, want ErrRegion", err)
	}
	same := newLedger(t, Config{Region: other.ledger.Roster().RegionID})
	if err := same.Restore(bytes.NewReader(other.snapshot()), consensus.NewMemoryStore()); err != nil {
		t.Errorf("the region itself: %v", err)
	}
}

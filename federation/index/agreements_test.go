package index

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// version 1: from day 0                     in force on day 0
// version 3: from day 1 until day 3         in force on days 1 and 2, and nothing on day 3: an end is an end
// version 4: from day 5                     in force from day 5
func TestTheAgreementInForceIsTheNewestThatHasTakenEffect(t *testing.T) {
	r := grown(t, Config{})
	day := func(n int) time.Time { return time.Date(2026, 12, 1+n, 0, 0, 0, 0, time.UTC) }
	text := func(version uint64, from, until time.Time) federation.Agreement {
		return federation.Agreement{Version: version, Effective: from, Expires: until, Cedar: "// " + string(rune('0'+version))}
	}
	never := time.Time{}
	r.accept("RYJ", text(1, day(0), never))
	r.accept("RYJ", text(3, day(1), day(3)))
	r.accept("RYJ", text(4, day(5), never))
	r.refuse("RYJ", text(4, day(6), never), BadAgreement)
	r.refuse("RYJ", text(2, day(6), never), BadAgreement)
	r.refuse("RYJ", text(5, never, never), BadAgreement)
	r.refuse("RYJ", text(5, day(6), day(6)), BadAgreement)
	for n, want := range []uint64{1, 3, 3, 0, 0, 4, 4} {
		got, found, err := AgreementOf(r.store, "RYJ", day(n))
		if err != nil || found != (want != 0) || got.Version != want {
			t.Errorf("day %d: version %d, %v, %v; want %d", n, got.Version, found, err, want)
		}
	}
	if got, found, err := AgreementOf(r.store, "RYJ", day(0).Add(-1)); found || err != nil {
		t.Errorf("before the first: %v, %v", got, err)
	}
	if _, found, err := AgreementOf(r.store, "RAS", day(9)); found || err != nil {
		t.Errorf("another trust's: %v, %v", found, err)
	}
	if got, err := LastAgreementVersion(r.store, "RYJ"); got != 4 || err != nil {
		t.Errorf("last version %d, %v", got, err)
	}
	for n, want := range map[int]time.Time{-1: day(0), 0: day(1), 1: day(3), 2: day(3), 3: day(5), 5: never} {
		if got, err := NextAgreementChange(r.store, "RYJ", day(n)); !got.Equal(want) || err != nil {
			t.Errorf("day %d: next change %v, %v; want %v", n, got, err, want)
		}
	}
	got, _, err := AgreementOf(r.store, "RYJ", day(1))
	if err != nil || got.Cedar != "// 3" || got.Trust != "RYJ" || got.Statement.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAgreementsKeepTheirHistoryAndWhoDecidedOnThem(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", federation.Agreement{Version: 1, Effective: r.now, Cedar: "// 1"})
	named := federation.Agreement{Version: 2, Effective: r.now, Cedar: "// 2", Proposer: "a.mensah", Approver: "j.okafor", Note: "reviewed"}
	r.accept("RYJ", named)
	r.accept("RAS", federation.Agreement{Version: 7, Effective: r.now, Cedar: "// 7"})
	got, err := Agreements(r.store, "RYJ", 10)
	if err != nil || len(got) != 2 || !cmp.Equal(got[0].Agreement, named) || got[1].Version != 1 || got[0].Statement == got[1].Statement || got[0].Index <= got[1].Index {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Agreements(r.store, "RYJ", 1); err != nil || len(got) != 1 || got[0].Version != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Agreements(r.store, "RXX", 10); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

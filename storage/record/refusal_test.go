package record

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

func (o testObjection) idBytes() []byte { return o.ID[:] }

func objection(s federation.Subject, n byte) testObjection {
	return testObjection{federation.Directive{ID: federation.DirectiveID{n}, Subject: s, Effect: federation.Object, By: "staff", Evidence: "form"}}
}

func TestObjectionCountsHereUntilItIsCommitted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	subject := s.Subject(patient)
	for _, n := range []byte{1, 2, 1} { // the third is the first again
		if err := s.AddRefusal(ctx, patient, objection(subject, n).Directive); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	s = open(t, testOptions(dir))
	got, err := s.Refusals(ctx, subject)
	if err != nil || len(got) != 2 || !cmp.Equal(got[0].Directive, objection(subject, 1).Directive) || !got[0].Recorded.Equal(testTime) {
		t.Fatalf("%+v, %v", got, err)
	}
	if n, err := s.NHSNumber(subject); err != nil || n != patient {
		t.Errorf("patient is not known: %v", err)
	}
	pending, err := s.Pending(ctx, 1)
	if err != nil || len(pending) != 1 {
		t.Fatal(pending, err)
	}
	signed := []byte(nil)
	for i, refused := range []string{"", "no such trust"} {
		seq := uint64(i + 2)
		pending, err := s.Pending(ctx, 1)
		if err != nil || len(pending) != 1 {
			t.Fatal(pending, err)
		}
		st := federation.Statement{Trust: "RYJ", Seq: seq, Kind: federation.KindDirective, At: testTime, Body: pending[0].Body}
		env := federation.Signed{Raw: st.Encode()}
		signed = env.Encode()
		if err := s.SetInFlight(ctx, InFlight{Envelope: signed, Entries: []EntryID{pending[0].ID}}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Refusals(ctx, subject); err != nil || len(got) != 2-i {
			t.Fatalf("in flight it does not count: %+v, %v", got, err)
		}
		if err := s.Complete(ctx, Outcome{Statement: env.ID(), Seq: seq, Refused: refused}); err != nil {
			t.Fatal(err)
		}
	}
	// The first is committed and counts there; the second was refused by the region and counts here for ever.
	if got, err = s.Refusals(ctx, subject); err != nil || len(got) != 1 || got[0].Directive.ID != (federation.DirectiveID{2}) {
		t.Fatalf("%+v, %v", got, err)
	}
	for range 2 {
		if err := s.ClearRefusal(ctx, subject, federation.DirectiveID{2}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err = s.Refusals(ctx, subject); err != nil || len(got) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if st, err := s.Stats(ctx); err != nil || st.Refusals != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	clean(t, s)
}

func TestOnlyRefusalsTakeEffectBeforeTheyAreCommitted(t *testing.T) {
	s := fresh(t)
	subject := s.Subject(patient)
	grant := federation.Directive{ID: federation.DirectiveID{9}, Subject: subject, Effect: federation.Consent, By: "x"}
	if err := s.AddRefusal(ctx, patient, grant); !errors.Is(err, ErrDirective) {
		t.Errorf("grant as a refusal: %v", err)
	}
	if err := s.AddRefusal(ctx, mustNHS(t, "4010232137"), objection(subject, 1).Directive); !errors.Is(err, ErrDirective) {
		t.Errorf("another patient's number: %v", err)
	}
	if _, err := s.Enqueue(ctx, objection(subject, 1).Directive); !errors.Is(err, ErrDirective) {
		t.Errorf("objection without effect here: %v", err)
	}
	if _, err := s.Enqueue(ctx, federation.Withdraw{}); !errors.Is(err, ErrDirective) {
		t.Errorf("withdrawal past Withdraw: %v", err)
	}
	if _, err := s.Enqueue(ctx, federation.Link{}); !errors.Is(err, federation.ErrMalformed) {
		t.Errorf("body that nobody can read: %v", err)
	}
	if id, err := s.Enqueue(ctx, grant); err != nil || !id.Urgent() {
		t.Errorf("grant: %v, %v", id, err)
	}
	if got, err := s.Refusals(ctx, subject); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	settle(t, s, 2, federation.KindDirective)
	clean(t, s)
}

func TestFailedSyncStopsTheStore(t *testing.T) {
	dir := t.TempDir()
	var broken atomic.Bool
	opt := testOptions(dir)
	opt.Sync = func(f *os.File) error {
		if broken.Load() {
			return errors.New("input/output error")
		}
		return f.Sync()
	}
	s := open(t, opt)
	id := add(t, s, patient, letter(1))
	broken.Store(true)
	if _, err := s.Add(ctx, Item{patient, letter(2)}); !errors.Is(err, storage.ErrFailed) {
		t.Fatalf("add over a failing disk: %v", err)
	}
	broken.Store(false)
	if _, err := s.Add(ctx, Item{patient, letter(3)}); !errors.Is(err, storage.ErrFailed) || !errors.Is(s.Err(), storage.ErrFailed) {
		t.Fatalf("add after a failed one: %v", err)
	}
	document(t, s, id)
	_ = s.Close() // may report the failure again
	s = open(t, opt)
	document(t, s, id)
	clean(t, s)
}

func TestFullDiskRefusesAddsAndKeepsReads(t *testing.T) {
	dir := t.TempDir()
	var full atomic.Bool
	space, err := storage.NewSpace(storage.SpaceConfig{Dir: dir, Reserve: -1, Statfs: func(string) (uint64, uint64, error) {
		if full.Load() {
			return 100 << 30, 1 << 30, nil
		}
		return 100 << 30, 50 << 30, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	opt := testOptions(dir + "/records")
	opt.Space = space
	s := open(t, opt)
	id := add(t, s, patient, letter(1))
	full.Store(true)
	if _, err := s.Add(ctx, Item{patient, letter(2)}); !errors.Is(err, storage.ErrDiskFull) {
		t.Fatalf("got %v", err)
	}
	document(t, s, id)
	full.Store(false)
	add(t, s, patient, letter(2))
}

func TestInvitationIsUsedOnce(t *testing.T) {
	opt := testOptions(t.TempDir())
	now := testTime
	opt.Now = func() time.Time { return now }
	s := open(t, opt)
	inv := Invitation{Token: federation.Sum([]byte("secret")), Trust: "RAS", Name: "Hillingdon", By: "admin", Created: now, Expires: now.Add(time.Hour)}
	if err := s.AddInvitation(ctx, inv); err != nil {
		t.Fatal(err)
	}
	if err := s.AddInvitation(ctx, inv); !errors.Is(err, ErrInvitation) {
		t.Errorf("known token: %v", err)
	}
	if err := s.AddInvitation(ctx, Invitation{Token: federation.Digest{1}}); !errors.Is(err, ErrInvitation) {
		t.Errorf("incomplete: %v", err)
	}
	if _, err := s.UseInvitation(ctx, federation.Sum([]byte("guess")), federation.NodeID{1}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := s.UseInvitation(ctx, inv.Token, federation.NodeID{}); !errors.Is(err, ErrInvitation) {
		t.Errorf("no node: %v", err)
	}
	for range 2 {
		got, err := s.UseInvitation(ctx, inv.Token, federation.NodeID{1})
		if err != nil || got.Name != "Hillingdon" || !got.Used.Equal(now) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if _, err := s.UseInvitation(ctx, inv.Token, federation.NodeID{2}); !errors.Is(err, ErrInvitation) {
		t.Errorf("second node: %v", err)
	}
	late := inv
	late.Token = federation.Digest{7}
	if err := s.AddInvitation(ctx, late); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if _, err := s.UseInvitation(ctx, late.Token, federation.NodeID{1}); !errors.Is(err, ErrInvitation) {
		t.Errorf("expired: %v", err)
	}
	if all, err := s.Invitations(ctx); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if err := s.DeleteInvitation(ctx, inv.Token); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Invitations(ctx); err != nil || len(all) != 1 || all[0].Token != late.Token {
		t.Errorf("%+v, %v", all, err)
	}
	clean(t, s)
}

func TestSettingsAreKept(t *testing.T) {
	s := fresh(t)
	if _, found, err := s.Setting(ctx, "a/x"); err != nil || found {
		t.Errorf("%v, %v", found, err)
	}
	for _, name := range []string{"a/x", "a/y", "b"} {
		if err := s.SetSetting(ctx, name, []byte("value of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if v, found, err := s.Setting(ctx, "a/y"); err != nil || !found || string(v) != "value of a/y" {
		t.Errorf("%q, %v, %v", v, found, err)
	}
	if names, err := s.Settings(ctx, "a/"); err != nil || len(names) != 2 || names[0] != "a/x" {
		t.Errorf("%v, %v", names, err)
	}
	if err := s.DeleteSetting(ctx, "a/x"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Setting(ctx, "a/x"); err != nil || found {
		t.Errorf("after deletion: %v, %v", found, err)
	}
	for _, bad := range []struct {
		name string
		size int
	}{{"", 1}, {string(make([]byte, maxSettingName+1)), 1}, {"x", maxSettingValue + 1}} {
		if err := s.SetSetting(ctx, bad.name, make([]byte, bad.size)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%q of %d: %v", bad.name, bad.size, err)
		}
	}
}

func TestByPhasePages(t *testing.T) {
	s := fresh(t)
	for n := range 5 {
		add(t, s, patient, letter(n))
	}
	seen := map[federation.DocumentID]bool{}
	after := federation.DocumentID("")
	for {
		docs, next, err := s.ByPhase(ctx, Queued, after, 2)
		if err != nil || len(docs) > 2 {
			t.Fatal(docs, err)
		}
		for _, d := range docs {
			seen[d.ID] = true
		}
		if after = next; after == "" {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("%d documents, want 5", len(seen))
	}
	if docs, next, err := s.ByPhase(ctx, Published, "", 2); err != nil || len(docs) != 0 || next != "" {
		t.Errorf("%v, %v, %v", docs, next, err)
	}
}

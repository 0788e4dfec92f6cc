package node

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

func ingested(t *testing.T, n *Node) []audit.Record {
	t.Helper()
	page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Ingest}}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page.Records
}

// A document that is acknowledged is in the audit log; many that come at once share entries; without evidence none is
// acknowledged.
func TestWhatIsTakenInIsInTheAuditLog(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ids := takeLetters(t, n, 0, 3)
	for i, id := range ids {
		got := ingested(t, n)
		if len(got) != len(ids) || got[i].Document != id || got[i].Subject.IsZero() || !strings.Contains(got[i].Detail, string(id)) {
			t.Fatalf("document %d is %s, the log has %v", i, id, got)
		}
	}
	takeLetters(t, n, 0, 1) // held already
	if got := ingested(t, n); len(got) != 4 || !strings.Contains(got[3].Detail, "held already: "+string(ids[0])) {
		t.Errorf("offered again: %v", got)
	}
	const many = 200
	n.takings.mu.Lock()
	n.takings.writing = true // as if an entry were being written while all of them come
	n.takings.mu.Unlock()
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if err := n.takings.wait(t.Context(), federation.NewDocumentID(n.Trust(), federation.DocumentKey{9, byte(i)}), federation.Subject{1}, false); err != nil {
				t.Error(err)
			}
		})
	}
	for waiting := 0; waiting < many; {
		n.takings.mu.Lock()
		waiting = len(n.takings.waiting)
		n.takings.mu.Unlock()
		runtime.Gosched()
	}
	n.takings.write(t.Context())
	wg.Wait()
	got := ingested(t, n)[4:]
	var all strings.Builder
	for _, r := range got {
		all.WriteString(r.Detail + " ")
	}
	for i := range many {
		if id := string(federation.NewDocumentID(n.Trust(), federation.DocumentKey{9, byte(i)})); strings.Count(all.String(), id) != 1 {
			t.Errorf("document %d stands %d times in the log", i, strings.Count(all.String(), id))
		}
	}
	if want := (many + takingsMost - 1) / takingsMost; len(got) != want {
		t.Errorf("%d entries for %d documents at once, want %d", len(got), many, want)
	}
	if err := n.audit.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.takings.wait(context.Background(), ids[0], federation.Subject{1}, false); err == nil {
		t.Error("acknowledged without evidence")
	}
}

// What the rules of misuse have counted within the hour counts after a restart, in the order in which it was.
func TestCountsOfMisuseOutlastARestart(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) { o.Settings.Watch.UnlinkedAnHour = 3 })
	now := time.Now().UTC().Truncate(time.Microsecond)
	put := func(kind audit.Kind, trust federation.TrustID, user, relationship string, subject byte, ago time.Duration) {
		t.Helper()
		id := federation.NewDocumentID(n.Trust(), federation.DocumentKey{subject})
		if trust == n.Trust() && kind == audit.Intent {
			id = federation.NewDocumentID("RAS", federation.DocumentKey{subject}) // asked of another trust
		}
		e := audit.Entry{Time: now.Add(-ago), Kind: kind, Trust: trust, User: user, Relationship: relationship, Subject: federation.Subject{subject}, Document: id, Custodian: id.Custodian()}
		if kind == audit.Intent {
			e.Transfer = [16]byte{subject, byte(ago / time.Minute / 10)}
		}
		if kind == audit.Review {
			e.Outcome = relationship
			e.Relationship = ""
		}
		if _, err := n.audit.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	put(audit.Intent, "RAS", "ada", "", 9, 2*time.Hour) // too long ago
	put(audit.Intent, "RAS", "ada", "", 1, 50*time.Minute)
	put(audit.Intent, "RAS", "ada", "referral", 2, 40*time.Minute)
	put(audit.Intent, "RAS", "ada", "", 1, 30*time.Minute)
	put(audit.Intent, "RAS", "ada", "", 1, 31*time.Minute)  // another stream of that fetch
	put(audit.Refusal, "RAS", "ada", "", 3, 20*time.Minute) // nothing was released
	put(audit.Search, n.Trust(), "bob", "", 1, 20*time.Minute)
	put(audit.Intent, n.Trust(), "bob", "", 2, 10*time.Minute)
	put(audit.Search, "RAS", "cyd", "", 1, 10*time.Minute)      // not staff of this trust
	put(audit.Review, "RAS", "Dee", "PERMIT", 1, 9*time.Minute) // read who has seen it
	put(audit.Review, "RAS", "dee", "PERMIT", 2, 8*time.Minute)
	put(audit.Review, "RAS", "dee", "DENIED", 3, 7*time.Minute)
	stop(t, n)
	n = reopen(t, n.options)
	m := n.misuse
	for _, c := range []struct {
		who                        person
		released, looked, unlinked int
	}{
		{person{"RAS", "ada"}, 2, 2, 2}, {person{"RAS", ""}, 2, 0, 0}, {person{n.Trust(), "bob"}, 0, 2, 2}, {person{"RAS", "cyd"}, 0, 0, 0}, {person{"RAS", "dee"}, 0, 2, 0},
	} {
		m.mu.Lock()
		if r, l, u := m.released[c.who].within(now), m.looked[c.who].within(now), len(m.unlinked[c.who]); r != c.released || l != c.looked || u != c.unlinked {
			t.Errorf("%v: %d released, %d looked at, %d without a relationship; want %d, %d, %d", c.who, r, l, u, c.released, c.looked, c.unlinked)
		}
		at := m.unlinked[c.who]
		m.mu.Unlock()
		if len(at) == 2 && !at[0].at.Before(at[1].at) {
			t.Errorf("%v: %v is not in its order", c.who, at)
		}
	}
	if got := m.without(person{"RAS", "ada"}, "", unlinked{at: now}); got != 3 {
		t.Errorf("the third request without a relationship counts as %d", got)
	}
	for want := range 2 { // the third and the fourth of an hour: four are over three
		if _, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Asker: &admin.Asker{User: "Bob", Role: "doctor"}}); err != nil {
			t.Fatal(err)
		}
		opened := slices.ContainsFunc(n.reviews.list(false), func(r *review) bool { return r.Kind == ruleNoRelationship && r.User == "Bob" })
		if opened != (want == 1) {
			t.Errorf("request %d without a relationship is up for review: %v", want+3, opened)
		}
	}
}

func TestOneTakingIsSaidOfOneDocument(t *testing.T) {
	one, two, held := &taking{id: "RAS-1"}, &taking{id: "RAS-2"}, &taking{id: "RAS-3", held: true}
	for want, group := range map[string][]*taking{
		"took in 1 document: RAS-1":                                       {one},
		"took in 2 documents: RAS-1 RAS-2":                                {one, two},
		"took in 1 document: RAS-2; offered again, 1 held already: RAS-3": {two, held},
	} {
		if got := takingsWords(group); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

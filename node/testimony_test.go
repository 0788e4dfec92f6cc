package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

var (
	seen     = federation.NewDocumentID("RYJ", federation.DocumentKey{1})
	transfer = []byte("0123456789abcdef")
)

// told is one page of what a trust says of a patient, kept as far as it is that trust's to say.
func told(log federation.TrustID, subject []byte, accesses []*wire.Access, emergencies ...*wire.Emergency) *testimony {
	out := &testimony{site: &admin.ReportSite{Trust: string(log)}}
	out.take("RYJ", log, &wire.AccessesRequest{Subject: subject}, &wire.AccessesReply{Accesses: accesses, Emergencies: emergencies})
	return out
}

func entry(kind audit.Kind, at int64, user string, change ...func(*wire.Access)) *wire.Access {
	a := &wire.Access{
		Kind: kind.String(), At: at, Trust: "RAS", User: user, Role: "doctor", Purpose: "TREAT", Document: string(seen), Transfer: transfer, Outcome: policy.Permit.String(),
	}
	for _, c := range change {
		c(a)
	}
	return a
}

// Every trust that was asked about a patient has learnt the names of the transfers. One that says of one of them what it cannot know
// changes nothing of what the two ends have said.
func TestAThirdTrustChangesNoAccessOfTwoOthers(t *testing.T) {
	t.Parallel()
	subject := federation.Subject{1}
	honest := slices.Concat(
		told("RYJ", subject[:], []*wire.Access{entry(audit.Intent, 5, "ada"), entry(audit.Completion, 7, "ada", func(a *wire.Access) { a.Bytes = 10 })}).accesses,
		told("RAS", subject[:], []*wire.Access{entry(audit.Intent, 4, "ada"), entry(audit.Receipt, 8, "ada", func(a *wire.Access) { a.Bytes = 10 })}).accesses,
	)
	sites := []*admin.ReportSite{{Trust: "RYJ", Answered: true}, {Trust: "RAS", Answered: true}, {Trust: "R1K", Answered: true}}
	want := byTransfer(slices.Clone(honest))[0].summary(sites).String()
	lies := []*wire.Access{
		entry(audit.Intent, 1, "bob"),
		entry(audit.Refusal, 1, "bob"),
		entry(audit.Search, 2, "bob", func(a *wire.Access) { a.Document, a.Trust = "", "RYJ" }),
		entry(audit.Intent, 1, "bob", func(a *wire.Access) { a.Trust = "R1K" }),
		entry(audit.Completion, 1, "bob", func(a *wire.Access) { a.Document = string(federation.NewDocumentID("R1K", federation.DocumentKey{2})) }),
	}
	third := told("R1K", subject[:], lies)
	if third.foreign != 3 {
		t.Errorf("%d accesses are left out, want the 3 that are of two others", third.foreign)
	}
	all := byTransfer(slices.Concat(third.accesses, honest))
	own := 0
	for _, v := range all {
		switch a := v.summary(sites); {
		case a.String() == want:
			own++
		case a.GetOneSided() == "":
			t.Errorf("it is told as if two had said it: %v", a)
		}
	}
	if own != 1 || len(all) != 3 {
		t.Errorf("%d events, of which %d as the two ends have said", len(all), own)
	}
	if got := told("R1K", nil, []*wire.Access{entry(audit.Intent, 1, "bob", func(a *wire.Access) { a.Trust = "R1K" }), entry(audit.Intent, 1, "bob")}); len(got.accesses) != 1 || got.foreign != 1 {
		t.Errorf("of exchanges with this trust: %d accesses, %d left out", len(got.accesses), got.foreign)
	}
}

// Who asked is what the signed request says that the custodian has. A requester that names somebody else in its own log is shown to.
func TestARequesterThatNamesAnotherUserIsShownTo(t *testing.T) {
	t.Parallel()
	subject := federation.Subject{1}
	sites := []*admin.ReportSite{{Trust: "RYJ", Answered: true}, {Trust: "RAS", Answered: true}}
	for _, change := range []func(*wire.Access){
		func(a *wire.Access) { a.User = "bob" }, func(a *wire.Access) { a.Role = "admin" }, func(a *wire.Access) { a.Purpose = "HRESCH" },
	} {
		all := byTransfer(slices.Concat(
			told("RAS", subject[:], []*wire.Access{entry(audit.Intent, 1, "ada", change)}).accesses,
			told("RYJ", subject[:], []*wire.Access{entry(audit.Intent, 5, "ada")}).accesses,
		))
		a := all[0].summary(sites)
		if len(all) != 1 || a.GetUser() != "ada" || a.GetRole() != "doctor" || a.GetPurpose() != "TREAT" || !strings.Contains(a.GetOneSided(), "the log of RAS has it otherwise") {
			t.Errorf("%d events, %v", len(all), a)
		}
	}
}

// An emergency that is told under the name of another would be shown in its place, and a trust that says ten times that it was right
// has judged once.
func TestEmergenciesAreToldUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	subject, until := federation.Subject{1}, time.Now().Truncate(time.Microsecond)
	good := &wire.Emergency{Id: glassID("RAS", subject, "ada", until), Trust: "RAS", User: "ada", Reason: resus, Until: until.UnixMicro(), Outcome: reviewJustified}
	other := &wire.Emergency{Id: good.GetId(), Trust: "RAS", User: "bob", Reason: resus, Until: until.UnixMicro()}
	got := told("R1K", subject[:], nil, other, good, good, good)
	if len(got.emergencies) != 3 || got.emergencies[0].GetUser() != "ada" {
		t.Errorf("told: %v", got.emergencies)
	}
	n := settledNode(t, nil)
	reports, err := n.emergencyReports(t.Context(), subject, []testimony{*got})
	if err != nil || len(reports) != 1 || len(reports[0].GetReviews()) != 1 {
		t.Errorf("%v, %v", reports, err)
	}
}

// Whoever goes on answering holds nobody up for ever: not with nothing, not drop by drop, not by being slow.
func TestAnAnswerWithoutAnEndEnds(t *testing.T) {
	t.Parallel()
	subject := federation.Subject{1}
	for name, x := range map[string]struct {
		each    time.Duration
		page    int
		subject []byte
		step    uint64
		most    time.Duration
		whole   uint64 // where it ends; 0: nowhere
	}{
		"slow": {14 * time.Second, 1, subject[:], 1, hearPatience, 0}, "never": {time.Hour, 1, subject[:], 1, hearPatience, 0},
		"at once":                           {time.Millisecond, 1, subject[:], 1, hearPatience, 0},
		"full pages, drop by drop":          {hearPage, hearFull, subject[:], 1, hearMost, 0},
		"far, and nothing of this trust's":  {time.Second, 0, nil, provenLimit, hearMost, 0},
		"a long log, of which little is it": {time.Second, 1, nil, provenLimit, hearMost, 300 * provenLimit},
	} {
		synctest.Test(t, func(t *testing.T) {
			out, start, pages := &testimony{site: &admin.ReportSite{}}, time.Now(), 0
			err := out.hearPages(t.Context(), "RYJ", "RAS", &wire.AccessesRequest{Subject: x.subject}, func(ctx context.Context, q *wire.AccessesRequest) (*wire.AccessesReply, error) {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(x.each):
				}
				pages++
				reply := &wire.AccessesReply{Next: q.GetFrom() + x.step}
				for range x.page {
					reply.Accesses = append(reply.Accesses, entry(audit.Intent, 1, "ada"))
				}
				if x.whole > 0 && reply.Next >= x.whole {
					reply.Next = 0
				}
				return reply, nil
			})
			if took := time.Since(start); (err == nil) != (x.whole > 0) || took > x.most {
				t.Errorf("%s: %v after %s and %d pages", name, err, took, pages)
			}
			if err != nil && x.each >= time.Second && hearProblem(err) != "it did not tell all in the time that there is for it" {
				t.Errorf("%s: %q", name, hearProblem(err))
			}
		})
	}
}

// Which document somebody has seen is what another trust says: a report on one patient tells no title of another's.
func TestAReportTellsNoTitleOfAnotherPatient(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := takeLetters(t, n, 1, 1)[0]
	doc, err := n.records.Document(t.Context(), id)
	if err != nil || doc.State.Phase == record.Withdrawn {
		t.Fatal(err)
	}
	for of, want := range map[federation.Subject]string{doc.Subject: doc.Title, {9}: ""} {
		if got, err := n.titleOf(t.Context(), id, []federation.Subject{of}); err != nil || got != want || doc.Title == "" {
			t.Errorf("title %q, want %q, %v", got, want, err)
		}
	}
}

// Whoever asks here for a document of a third trust is refused, and that is in the log. It is no access to that document, which this trust
// does not hold: told of, it would read as if this trust spoke of what is not its own.
func TestWhatWasAskedOfTheWrongTrustIsNotToldOf(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	subject := federation.Subject{1}
	e := audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Refusal, Trust: "R1K", Node: n.ID(), User: "bob", Role: "doctor", Purpose: "TREAT", Subject: subject,
		Document: federation.NewDocumentID("RAS", federation.DocumentKey{1}), Custodian: n.Trust(), Outcome: policy.Denied.String(),
	}
	own := e
	own.Document = federation.NewDocumentID(n.Trust(), federation.DocumentKey{1})
	for _, x := range []audit.Entry{e, own} {
		if err := n.note(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	for name, q := range map[string]struct {
		subject federation.Subject
		other   federation.TrustID
	}{"of the patient": {subject, ""}, "with that trust": {federation.Subject{}, "R1K"}} {
		reply, err := n.accesses(t.Context(), q.subject, q.other, &wire.AccessesRequest{})
		if err != nil || len(reply.GetAccesses()) != 1 || reply.GetAccesses()[0].GetDocument() != string(own.Document) {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
}

// A custodian that calls its part of a release something else does not take the other end's part from the report.
func TestACustodianThatCallsAReleaseASearchIsMissedInIt(t *testing.T) {
	t.Parallel()
	subject := federation.Subject{1}
	sites := []*admin.ReportSite{{Trust: "RYJ", Answered: true}, {Trust: "RAS", Answered: true}}
	for _, kind := range []audit.Kind{audit.Search, audit.Review, audit.BreakGlass} {
		all := byTransfer(slices.Concat(
			told("RYJ", subject[:], []*wire.Access{entry(kind, 1, "ada")}).accesses,
			told("RAS", subject[:], []*wire.Access{entry(audit.Intent, 4, "ada"), entry(audit.Receipt, 8, "ada", func(a *wire.Access) { a.Bytes = 10 })}).accesses,
		))
		if a := all[len(all)-1].summary(sites); len(all) != 2 || a.GetKind() != "opened" || a.GetBytes() != 10 || !strings.Contains(a.GetOneSided(), "the log of RYJ has nothing of it") {
			t.Errorf("%s: %d events, %v", kind, len(all), a)
		}
	}
}

// Staff ids are shown to others on one line: that is no difference.
func TestSpacesInAStaffIDAreNoDisagreement(t *testing.T) {
	t.Parallel()
	v := event{{"RYJ", entry(audit.Intent, 1, "ada  b")}, {"RAS", entry(audit.Intent, 1, "ada b")}}
	if got := v.disagreement(); got != "" {
		t.Errorf("it says %q", got)
	}
}

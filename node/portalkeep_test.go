package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// TestWhatTheNodeKeepsForThePortal shares one node: visits, views, and who patients are.
func TestWhatTheNodeKeepsForThePortal(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	const patient = "9434765919"
	doctor := &admin.Asker{User: "a.okafor", Role: "doctor"}
	t.Run("intake tells who a patient is", func(t *testing.T) {
		item := textItem("One", "a letter")
		item.Person = ingest.Person{Family: "O'Brien", Given: "Siân", Born: "1950-02-28", Sex: "female"}
		if r, err := n.Take(t.Context(), item); err != nil || r.Note != "" {
			t.Fatalf("%+v, %v", r, err)
		}
		found, err := n.FindPersons(t.Context(), web.Person{Family: "obrien", Born: "1950-02-28"}, doctor)
		if err != nil || len(found) != 1 || found[0].Number != patient || found[0].Given != "Siân" {
			t.Errorf("found %+v, %v", found, err)
		}
		if found, err = n.FindPersons(t.Context(), web.Person{Family: "O'Brien", Given: "John", Born: "1950-02-28"}, doctor); err != nil || len(found) != 0 {
			t.Errorf("by another given name: %+v, %v", found, err)
		}
		if _, err := n.FindPersons(t.Context(), web.Person{Family: "O'Brien"}, doctor); err == nil {
			t.Error("a search without a date of birth is answered")
		}
		// Another date of birth is another person: nothing is taken in.
		other := textItem("Two", "another letter")
		other.Person = ingest.Person{Family: "O'Brien", Born: "1951-02-28"}
		if _, err := n.Take(t.Context(), other); err == nil || !strings.Contains(err.Error(), "the date of birth is 1950-02-28, not 1951-02-28") {
			t.Errorf("a contradiction: %v", err)
		}
		if docs, err := n.records.BySubject(t.Context(), n.records.Subject(mustNumber(t, patient)), 0, 10); err != nil || len(docs.Documents) != 1 {
			t.Errorf("after a refusal %d documents are held, %v", len(docs.Documents), err)
		}
		// A new family name is taken, and said.
		other.Person = ingest.Person{Family: "Jones", Given: "Siân", Born: "1950-02-28"}
		if r, err := n.Take(t.Context(), other); err != nil || !strings.Contains(r.Note, "family name was O'Brien and is now Jones") {
			t.Errorf("a new name: %+v, %v", r, err)
		}
		if p, err := n.Person(t.Context(), patient, doctor); err != nil || p.Family != "Jones" || p.Sex != "female" {
			t.Errorf("the patient is %+v, %v", p, err)
		}
	})
	t.Run("visits", func(t *testing.T) {
		shown := web.NewVisit(time.Now(), []string{"a", "b"})
		if before, err := n.Visit(t.Context(), patient, "a.okafor", shown); err != nil || !before.At.IsZero() {
			t.Errorf("a first visit: %+v, %v", before, err)
		}
		if before, err := n.Visit(t.Context(), patient, "j.price", shown); err != nil || !before.At.IsZero() {
			t.Errorf("of another user: %+v, %v", before, err)
		}
		before, err := n.Visit(t.Context(), patient, "a.okafor", web.NewVisit(time.Now(), []string{"a", "b", "c"}))
		if err != nil || !before.Has("b") || before.Has("c") || !before.At.Equal(shown.At.UTC()) {
			t.Errorf("a second visit: %+v, %v", before, err)
		}
	})
	t.Run("views", func(t *testing.T) {
		views := []web.View{{Name: "Heart", Query: "specialty=320"}}
		if err := n.KeepViews(t.Context(), "a.okafor", views); err != nil {
			t.Fatal(err)
		}
		if got, err := n.Views(t.Context(), "a.okafor"); err != nil || !slices.Equal(got, views) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := n.Views(t.Context(), "j.price"); err != nil || len(got) != 0 {
			t.Errorf("of another user: %v, %v", got, err)
		}
	})
	names, err := n.records.Settings(t.Context(), "portal/")
	if err != nil || len(names) != 3 {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range names {
		if strings.Contains(name, "okafor") || strings.Contains(name, "price") || strings.Contains(name, patient) {
			t.Errorf("the row %q names somebody", name)
		}
	}
}

func TestASearchByNameIsWrittenDownFirst(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	item := textItem("One", "a letter")
	item.Person = ingest.Person{Family: "O'Brien", Given: "Siân", Born: "1950-02-28"}
	if _, err := n.Take(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	find := func(given, user string) ([]web.Person, error) {
		return n.FindPersons(t.Context(), web.Person{Family: "O'Brien", Given: given, Born: "1950-02-28"}, &admin.Asker{User: user, Role: "nurse"})
	}
	for _, given := range []string{"Siân", "John"} {
		if _, err := find(given, "j.price"); err != nil {
			t.Fatal(err)
		}
	}
	if err := suspendUser(n, "a.okafor", "badge stolen", "n.ferreira", "governance-lead", false); err != nil {
		t.Fatal(err)
	}
	if found, err := find("", "a.okafor"); admin.CodeOf(err) != admin.CodeDenied || found != nil {
		t.Errorf("a suspended user finds %v, %v", found, err)
	}
	page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Search}}, 0, 10)
	if err != nil || len(page.Records) != 2 {
		t.Fatalf("%d searches in the log, %v", len(page.Records), err)
	}
	for i, want := range []string{"1 found", "0 found"} {
		if e := page.Records[i].Entry; e.User != "j.price" || e.Role != "nurse" || e.Detail != "searched this trust's patients by name and date of birth, "+want {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	if err := n.audit.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := find("", "j.price"); admin.CodeOf(err) != admin.CodeUnavailable || found != nil {
		t.Errorf("without a log %v are found, %v", found, err)
	}
}

// Who a patient is came with documents. Whoever may know of none of them is told of no such patient, by name or by number, in the
// words for one of whom there is nothing; whoever may know of one is, and so are the roles that may read in the log what there is.
func TestAPatientIsNotFoundByADocumentThatIsHidden(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	known := ingest.Person{Family: "O'Brien", Given: "Siân", Born: "1950-02-28"}
	take := func(title, confidentiality string) {
		t.Helper()
		item := textItem(title, "the text of "+title)
		item.Person, item.Confidentiality = known, confidentiality
		if _, err := n.Take(t.Context(), item); err != nil {
			t.Fatal(err)
		}
	}
	number := textItem("", "").Patient
	nurse := &admin.Asker{User: "rn1", Role: "nurse"}
	found := func(who *admin.Asker) (byName, byNumber int) {
		t.Helper()
		all, err := n.FindPersons(t.Context(), web.Person{Family: known.Family, Born: known.Born}, who)
		if err != nil {
			t.Fatal(err)
		}
		p, err := n.Person(t.Context(), number, who)
		if err != nil {
			t.Fatal(err)
		}
		if p != (web.Person{}) {
			byNumber = 1
		}
		return len(all), byNumber
	}
	check := func(when string, who *admin.Asker, want int) {
		t.Helper()
		if byName, byNumber := found(who); byName != want || byNumber != want {
			t.Errorf("%s, a %s finds %d by name and %d by number, want %d", when, who.Role, byName, byNumber, want)
		}
	}
	check("with nothing", nurse, 0)
	take("Hidden", "V")
	check("with a hidden document", nurse, 0)
	check("with a hidden document", &admin.Asker{User: "r.staff", Role: "records-staff", Purpose: "PATADMIN"}, 1)
	page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Search}, Newest: true}, 0, 10)
	if err != nil || len(page.Records) == 0 || !strings.HasSuffix(page.Records[1].Entry.Detail, ", 0 found") {
		t.Errorf("what the nurse was told, as the log has it: %+v, %v", page.Records, err)
	}
	take("Open", "N")
	check("with an open one beside it", nurse, 1)
}

func TestVisitsOfAUserAreBounded(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	var listed []string
	for i := range 10_000 {
		listed = append(listed, fmt.Sprint(i))
	}
	number := func(i int) string { return testNumber(t, i) }
	for i := range 12 {
		if _, err := n.Visit(t.Context(), number(i), "a.okafor", web.NewVisit(time.Now(), listed)); err != nil {
			t.Fatalf("visit %d: %v", i, err)
		}
	}
	if before, err := n.Visit(t.Context(), number(11), "a.okafor", web.Visit{}); err != nil || before.At.IsZero() {
		t.Errorf("the last visit is forgotten: %v", err)
	}
	if before, err := n.Visit(t.Context(), number(0), "a.okafor", web.Visit{}); err != nil || !before.At.IsZero() {
		t.Errorf("the first of many visits is kept: %v", err)
	}
}

func mustNumber(t *testing.T, text string) record.NHSNumber {
	t.Helper()
	n, err := record.ParseNHSNumber(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testNumber returns the i-th number of the range kept for tests that has a check digit.
func testNumber(t *testing.T, i int) string {
	t.Helper()
	for base := 999000000; ; base++ {
		for check := range 10 {
			text := fmt.Sprintf("%d%d", base, check)
			if _, err := record.ParseNHSNumber(text); err == nil {
				if i == 0 {
					return text
				}
				i--
			}
		}
	}
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // whatever the machine has

	cedar "github.com/cedar-policy/cedar-go"
	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// plainly decides with every attribute, every rule and no memory, as Cedar's manual has it.
func plainly(text string, r Request, action string) (bool, []string) {
	d := r.Document
	date := d.Date
	if date.IsZero() {
		date = time.Unix(0, 0)
	}
	kind := cedar.String(r.Link.Kind)
	if kind == "" {
		kind = "none"
	}
	var labels []cedar.Value
	for _, l := range strings.Fields(labelsOf(&d)) {
		labels = append(labels, uid("Sensitivity", l))
	}
	user, document := uid("User", string(r.User.Trust)+"/"+r.User.ID), uid("Document", string(d.ID))
	world := cedar.EntityMap{
		user: {UID: user, Parents: cedar.NewEntityUIDSet(uid("Trust", string(r.User.Trust)), uid("Role", r.User.Role)), Attributes: cedar.NewRecord(cedar.RecordMap{
			"id": cedar.String(r.User.ID), "trust": uid("Trust", string(r.User.Trust)), "role": uid("Role", r.User.Role),
		})},
		document: {UID: document, Parents: cedar.NewEntityUIDSet(uid("Trust", string(d.Custodian))), Attributes: cedar.NewRecord(cedar.RecordMap{
			"id": cedar.String(d.ID), "custodian": uid("Trust", string(d.Custodian)), "type": cedar.String(d.Type), "category": cedar.String(d.Category),
			"specialty": cedar.String(d.Specialty), "author": cedar.String(d.Author), "confidentiality": uid("Confidentiality", d.Confidentiality.String()),
			"sensitivity": cedar.NewSet(labels...), "dated": cedar.Boolean(!d.Date.IsZero()), "date": cedar.NewDatetime(date),
		})},
	}
	for _, role := range roleTable {
		e := cedar.Entity{UID: uid("Role", role.Code)}
		if role.Group != "" {
			e.Parents = cedar.NewEntityUIDSet(uid("Role", role.Group))
		}
		world[e.UID] = e
	}
	levels := "ULMNRV"
	for i := range levels {
		e := cedar.Entity{UID: uid("Confidentiality", levels[i:i+1])}
		if i+1 < len(levels) {
			e.Parents = cedar.NewEntityUIDSet(uid("Confidentiality", levels[i+1:i+2]))
		}
		world[e.UID] = e
	}
	policies, err := cedar.NewPolicyListFromBytes("", []byte(text))
	if err != nil {
		return false, []string{err.Error()}
	}
	set := cedar.NewPolicySet()
	for i, p := range policies {
		set.Add(cedar.PolicyID(fmt.Sprint(i+1)), p)
	}
	decision, diag := cedar.Authorize(set, world, cedar.Request{
		Principal: user, Action: uid("Action", action), Resource: document, Context: cedar.NewRecord(cedar.RecordMap{
			"purpose": uid("Purpose", r.Purpose), "relationship": cedar.String(r.Relationship), "relationship_kind": uid("Relationship", string(kind)),
			"relationship_verified": cedar.Boolean(r.Link.Verified), "consented": cedar.Boolean(r.consented), "break_glass": cedar.Boolean(r.BreakGlass),
			"out_of_hours": cedar.Boolean(outOfHours(r.Now)), "now": cedar.NewDatetime(r.Now),
		}),
	})
	var why []string
	for _, e := range diag.Errors {
		why = append(why, string(e.PolicyID))
	}
	if len(diag.Errors) == 0 {
		for _, e := range diag.Reasons {
			why = append(why, string(e.PolicyID))
		}
	}
	slices.Sort(why)
	return decision == cedar.Allow && len(diag.Errors) == 0, why
}

func compare(t *rapid.T, a *Agreement, r Request, action string) {
	want, rules := plainly(a.text, r, action)
	got, why := a.evaluate(&r, action, 1)
	var names []string
	for _, w := range why {
		if _, id, has := strings.Cut(w.Rule, "/"); has {
			names = append(names, id)
		}
	}
	slices.Sort(names)
	if got != want || !slices.Equal(names, rules) {
		t.Fatalf("%v by %v, Cedar alone says %v by %v; %s of %+v", got, names, want, rules, action, r)
	}
}

func TestIndexAndMemoryChangeNoDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text string
		for range rapid.IntRange(1, 4).Draw(t, "rules") {
			text += drawRule(t)
		}
		a, err := Compile(text)
		if err != nil {
			t.Skip("not valid")
		}
		for range 8 {
			compare(t, a, drawWide(t), rapid.SampledFrom(allActions[:]).Draw(t, "action"))
		}
	})
}

// These texts conform to the schema as it was before it had labels, consent, kinds of relationship and export. They must
// always compile, and mean what they meant.
var writtenBefore = []string{
	`permit (principal, action, resource);`,
	`permit (principal in Trust::"RAS", action in [Action::"see", Action::"open"], resource in Trust::"RYJ") unless { resource.confidentiality == Confidentiality::"V" };
	 forbid (principal, action == Action::"open", resource) when { context.relationship == "" && principal.role == Role::"admin" };`,
	`permit (principal is User, action == Action::"open_break_glass", resource is Document) when { context has purpose && context.purpose in [Purpose::"BTG", Purpose::"ETREAT"] };
	 permit (principal, action, resource) when { resource.dated && resource.date > context.now.offset(duration("-365d")) && [principal.trust, resource.custodian].contains(Trust::"RYJ") };
	 forbid (principal == User::"RAS/u", action, resource) when { resource.author like "*x" || resource.specialty == "" && resource.category == "c" };`,
}

func TestAgreementsWrittenBeforeDecideTheSame(t *testing.T) {
	for _, text := range writtenBefore {
		a := mustCompile(t, text)
		rapid.Check(t, func(t *rapid.T) {
			compare(t, a, drawWide(t), rapid.SampledFrom([]string{actionSee, actionOpen, actionGlass}).Draw(t, "action"))
		})
	}
}

func TestMemoryOfAnAgreementIsBounded(t *testing.T) {
	a := mustCompile(t, `permit (principal, action, resource) when { resource.type == "a" };`)
	r, _ := good(t)
	for i := range 3 * maxMemo {
		r.Document.Type = fmt.Sprint("type ", i)
		a.evaluate(&r, actionOpen, 1)
	}
	if n := len(a.documents.kept); n > maxMemo {
		t.Errorf("%d documents kept", n)
	}
}

func TestAgreementIsSafeForConcurrentUse(t *testing.T) {
	r, f := good(t)
	f.Agreement = mustCompile(t, DefaultAgreement("RYJ"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				q := r
				q.User.Role = roleTable[(i+j)%len(roleTable)].Code
				q.Document.Confidentiality = federation.Confidentiality(j%6 + 1)
				clinical := q.User.Role == "clinician" || slices.Contains(clinicalRoles(), q.User.Role)
				if got, want := Decide(q, f).Permitted(), clinical && q.Document.Confidentiality <= federation.Normal; got != want {
					t.Errorf("%s of %s: %v", q.User.Role, q.Document.Confidentiality, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestOutOfHours(t *testing.T) {
	for _, tt := range []struct {
		at   string
		want bool
	}{
		{"2026-11-25T07:59:59Z", true},  // Wednesday, winter: UTC is the time of day
		{"2026-11-25T08:00:00Z", false}, // opens
		{"2026-11-25T18:29:59Z", false},
		{"2026-11-25T18:30:00Z", true},  // closes
		{"2026-11-28T12:00:00Z", true},  // Saturday
		{"2026-11-29T12:00:00Z", true},  // Sunday
		{"2026-07-01T07:00:00Z", false}, // 08:00 British Summer Time
		{"2026-07-01T06:59:00Z", true},
		{"2026-07-01T17:30:00Z", true},
		{"2026-03-30T07:30:00Z", false}, // the Monday after the clocks went forward
		{"2026-03-27T07:30:00Z", true},  // the Friday before
		{"2026-10-23T07:30:00Z", false}, // the Friday before they go back
		{"2026-10-26T07:30:00Z", true},  // the Monday after
		{"2026-10-26T08:30:00+01:00", true},
		{"2026-07-03T23:30:00Z", true}, // Saturday by British clocks
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := outOfHours(at); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.at, got, tt.want)
		}
	}
	// The rule agrees with the zone database.
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Date(2024, 1, 1, 0, 30, 0, 0, time.UTC); at.Year() < 2032; at = at.Add(time.Hour) {
		if got, want := inLondon(at).Format(time.DateTime), at.In(london).Format(time.DateTime); got != want {
			t.Fatalf("%s: %s, want %s", at, got, want)
		}
	}
}

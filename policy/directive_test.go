package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func denial(id byte, version uint64, s federation.Scope, except ...federation.Scope) Directive {
	return Directive{ID: federation.DirectiveID{id}, Effect: federation.Object, Version: version, By: "RAS", Scope: s, Except: except}
}

func consent(id byte, version uint64, s federation.Scope, except ...federation.Scope) Directive {
	d := denial(id, version, s, except...)
	d.Effect = federation.Consent
	return d
}

// Each field of a scope: what it covers, what it does not, and what is taken against the requester when it is not known.
func TestEachFieldOfAScopeCoversWhatItSays(t *testing.T) {
	base, _ := good(t)
	base.Document.Category, base.Document.Sensitivity = "734163000", []string{"PSY"}
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	other := federation.NewDocumentID("RYJ", federation.DocumentKey{9})
	for _, tt := range []struct {
		name   string
		scope  federation.Scope
		change func(*Request)
		want   coverage
	}{
		{"everything", federation.Scope{}, nil, inside},
		{"trust", federation.Scope{Trust: "RAS"}, nil, inside},
		{"another trust", federation.Scope{Trust: "RXX"}, nil, outside},
		{"role", federation.Scope{Role: "doctor"}, nil, inside},
		{"group of the role", federation.Scope{Role: "clinician"}, nil, inside},
		{"another role", federation.Scope{Role: "nurse"}, nil, outside},
		{"a role is not its group", federation.Scope{Role: "doctor"}, func(r *Request) { r.User.Role = "clinician" }, outside},
		{"a role that this program does not know", federation.Scope{Role: "healer"}, nil, perhaps},
		{"person", federation.Scope{Trust: "RAS", Person: "u1"}, nil, inside},
		{"the same person, typed in another case", federation.Scope{Trust: "RAS", Person: "U1"}, nil, perhaps},
		{"the same person, with spaces", federation.Scope{Trust: "RAS", Person: " u1"}, nil, perhaps},
		{"another person", federation.Scope{Trust: "RAS", Person: "u2"}, nil, outside},
		{"the same staff id at another trust", federation.Scope{Trust: "RXX", Person: "u1"}, nil, outside},
		{"person without trust", federation.Scope{Person: "u2"}, nil, perhaps},
		{"custodian", federation.Scope{Custodian: "RYJ"}, nil, inside},
		{"another custodian", federation.Scope{Custodian: "RXX"}, nil, outside},
		{"type", federation.Scope{Type: "373942005"}, nil, inside},
		{"another type", federation.Scope{Type: "x"}, nil, outside},
		{"type not known", federation.Scope{Type: "x"}, func(r *Request) { r.Document.Type = "" }, perhaps},
		{"category", federation.Scope{Category: "734163000"}, nil, inside},
		{"another category", federation.Scope{Category: "x"}, nil, outside},
		{"category not known", federation.Scope{Category: "x"}, func(r *Request) { r.Document.Category = "" }, perhaps},
		{"label", federation.Scope{Sensitivity: "PSY"}, nil, inside},
		{"group of the label", federation.Scope{Sensitivity: "BH"}, nil, inside},
		{"group of the group", federation.Scope{Sensitivity: "BH"}, func(r *Request) { r.Document.Sensitivity = []string{"OPIOIDUD"} }, inside},
		{"another label", federation.Scope{Sensitivity: "HIV"}, nil, outside},
		{"no label", federation.Scope{Sensitivity: "HIV"}, func(r *Request) { r.Document.Sensitivity = nil }, outside},
		{"labels not known", federation.Scope{Sensitivity: "HIV"}, func(r *Request) { r.Document.Sensitivity, r.Document.Sealed = nil, true }, perhaps},
		{"a label that this program does not know", federation.Scope{Sensitivity: "X"}, nil, perhaps},
		{"a document's label that this program does not know", federation.Scope{Sensitivity: "HIV"}, func(r *Request) { r.Document.Sensitivity = []string{"X"} }, perhaps},
		{"document", federation.Scope{Document: base.Document.ID}, nil, inside},
		{"another document", federation.Scope{Document: other}, nil, outside},
		{"another version", federation.Scope{Document: other}, func(r *Request) { r.Document.Versions = []federation.DocumentID{other} }, perhaps},
		{"versions not known", federation.Scope{Document: other}, func(r *Request) { r.Document.MoreVersions = true }, perhaps},
		{"versions not known, of another custodian", federation.Scope{Document: federation.NewDocumentID("RXX", federation.DocumentKey{9})}, func(r *Request) { r.Document.MoreVersions = true }, outside},
		{"from the day", federation.Scope{From: now}, nil, inside},
		{"from later", federation.Scope{From: day(1)}, nil, outside},
		{"until later", federation.Scope{To: day(1)}, nil, inside},
		{"until the day", federation.Scope{To: now}, nil, outside},
		{"between", federation.Scope{From: day(-1), To: day(1)}, nil, inside},
		{"undated", federation.Scope{From: day(-1)}, func(r *Request) { r.Document.Date = time.Time{} }, perhaps},
		{"range backwards", federation.Scope{From: day(2), To: day(1)}, nil, perhaps},
		{"purpose", federation.Scope{Purpose: "TREAT"}, nil, inside},
		{"another purpose", federation.Scope{Purpose: "HRESCH"}, nil, outside},
		{"a purpose that this program does not know", federation.Scope{Purpose: "X"}, nil, perhaps},
		{"all of several", federation.Scope{Trust: "RAS", Role: "doctor", Type: "373942005"}, nil, inside},
		{"one of several fails", federation.Scope{Trust: "RAS", Role: "nurse", Type: "373942005"}, nil, outside},
		{"failing beats not known", federation.Scope{Type: "x", Role: "nurse"}, func(r *Request) { r.Document.Type = "" }, outside},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := base
			if tt.change != nil {
				tt.change(&r)
			}
			if got := cover(&tt.scope, &r); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			// What may cover refuses as an objection and does not permit as a consent.
			_, f := good(t)
			f.Directives = []Directive{denial(1, 5, tt.scope)}
			if got := wishesOf(&r, &f).refusal != nil; got != (tt.want != outside) {
				t.Errorf("an objection refuses: %v", got)
			}
			f.Directives = []Directive{consent(1, 5, tt.scope)}
			if got := wishesOf(&r, &f).consent != nil; got != (tt.want == inside) {
				t.Errorf("a consent counts: %v", got)
			}
			f.Directives = []Directive{denial(1, 5, federation.Scope{}, tt.scope)}
			if got := wishesOf(&r, &f).refusal == nil; got != (tt.want == inside) {
				t.Errorf("an exception of an objection lets through: %v", got)
			}
			f.Directives = []Directive{consent(1, 5, federation.Scope{}, tt.scope)}
			if got := wishesOf(&r, &f).refusal != nil; got != (tt.want != outside) {
				t.Errorf("an exception of a consent refuses: %v", got)
			}
		})
	}
}

func TestDirectivesOfOneRequest(t *testing.T) {
	ras, nurses, hiv := federation.Scope{Trust: "RAS"}, federation.Scope{Role: "nurse"}, federation.Scope{Sensitivity: "HIV"}
	ended := func(d Directive, until time.Time) Directive { d.Until = until; return d }
	inPlaceOf := func(d Directive, id byte) Directive { d.Supersedes = federation.DirectiveID{id}; return d }
	for _, tt := range []struct {
		name   string
		change func(*Request, *Facts)
		want   Outcome
	}{
		{"another trust is refused", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, federation.Scope{Trust: "RXX"})} }, Permit},
		{"this trust is refused", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, ras)} }, Denied},
		{"a newer consent to the same", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, ras), consent(2, 6, ras)} }, Permit},
		{"an older consent to the same", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, ras), consent(2, 4, ras)} }, Denied},
		{"a consent at the same place", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, ras), consent(2, 5, ras)} }, Denied},
		{"a newer consent to more", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), consent(2, 6, federation.Scope{})}
		}, Denied},
		{"a newer consent to less", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, federation.Scope{}), consent(2, 6, ras)}
		}, Denied},
		{"a consent that has run out", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), ended(consent(2, 6, ras), now)}
		}, Denied},
		{"a consent that was withdrawn", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), consent(2, 6, ras), withdrawalOf(2, 7)}
		}, Denied},
		{"a consent that is withdrawn here", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{denial(1, 5, ras), consent(2, 6, ras)}, []Directive{withdrawalOf(2, 0)}
		}, Denied},
		{"a consent that an objection replaces here", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{denial(1, 5, ras), consent(2, 6, ras)}, []Directive{inPlaceOf(denial(3, 0, nurses), 2)}
		}, Denied},
		{"an objection here after a consent to the same", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{consent(2, 6, ras)}, []Directive{denial(3, 0, ras)}
		}, Denied},
		{"a consent here does not count", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{denial(1, 5, ras)}, []Directive{consent(2, 9, ras)}
		}, Denied},
		{"an objection here of other scope", func(_ *Request, f *Facts) { f.LocalRefusals = []Directive{denial(3, 0, nurses)} }, Permit},
		{"an objection here that has run out", func(_ *Request, f *Facts) { f.LocalRefusals = []Directive{ended(denial(3, 0, ras), now)} }, Permit},
		{"an objection that has run out", func(_ *Request, f *Facts) { f.Directives = []Directive{ended(denial(1, 5, ras), now)} }, Permit},
		{"an objection that ends later", func(_ *Request, f *Facts) { f.Directives = []Directive{ended(denial(1, 5, ras), now.Add(1))} }, Denied},
		{"replaced by a narrower one", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), inPlaceOf(denial(2, 6, nurses), 1)}
		}, Permit},
		{"replaced here only", func(_ *Request, f *Facts) {
			f.Directives, f.LocalRefusals = []Directive{denial(1, 5, ras)}, []Directive{inPlaceOf(denial(2, 0, nurses), 1)}
		}, Denied},
		{"what replaced it was withdrawn", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), inPlaceOf(denial(2, 6, ras), 1), withdrawalOf(2, 7)}
		}, Permit},
		{"marked as withdrawn", func(_ *Request, f *Facts) {
			d := denial(1, 5, ras)
			d.Withdrawn = true
			f.Directives = []Directive{d}
		}, Permit},
		{"marked as superseded", func(_ *Request, f *Facts) {
			d := denial(1, 5, ras)
			d.Superseded = true
			f.Directives = []Directive{d}
		}, Permit},
		{"withdrawing one leaves another", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, ras), denial(2, 6, ras), withdrawalOf(1, 7)}
		}, Denied},
		{"within an exception", func(_ *Request, f *Facts) { f.Directives = []Directive{denial(1, 5, federation.Scope{}, nurses, ras)} }, Permit},
		{"within an exception of one of two", func(_ *Request, f *Facts) {
			f.Directives = []Directive{denial(1, 5, federation.Scope{}, ras), denial(2, 4, federation.Scope{})}
		}, Denied},
		{"a consent refuses within its exception", func(_ *Request, f *Facts) { f.Directives = []Directive{consent(1, 5, federation.Scope{}, ras)} }, Denied},
		{"a consent says nothing outside its scope", func(_ *Request, f *Facts) { f.Directives = []Directive{consent(1, 5, nurses, ras)} }, Permit},
		{"label of the document", func(r *Request, f *Facts) {
			r.Document.Sensitivity, f.Directives = []string{"HIV"}, []Directive{denial(1, 5, hiv)}
		}, Denied},
		{"own staff and an objection to sharing", func(r *Request, f *Facts) {
			r.User.Trust, f.Directives = "RYJ", []Directive{denial(1, 5, federation.Scope{}), denial(2, 5, federation.Scope{Role: "doctor"})}
		}, Permit},
		{"own staff whose trust is named", func(r *Request, f *Facts) {
			r.User.Trust, f.Directives = "RYJ", []Directive{denial(1, 5, federation.Scope{Trust: "RYJ"})}
		}, Denied},
		{"one of own staff who is named", func(r *Request, f *Facts) {
			r.User.Trust, f.Directives = "RYJ", []Directive{denial(1, 5, federation.Scope{Trust: "RYJ", Person: "u1"})}
		}, Denied},
		{"own staff named in a consent's exception", func(r *Request, f *Facts) {
			r.User.Trust, f.Directives = "RYJ", []Directive{consent(1, 5, federation.Scope{}, federation.Scope{Trust: "RYJ"})}
		}, Denied},
		{"own staff and an exception about documents", func(r *Request, f *Facts) {
			r.User.Trust, f.Directives = "RYJ", []Directive{consent(1, 5, federation.Scope{}, federation.Scope{Type: "373942005"})}
		}, Permit},
		{"own staff when directives cannot be read", func(r *Request, f *Facts) { r.User.Trust, f.Complete = "RYJ", false }, Unavailable},
		{"a legal class", func(r *Request, f *Facts) {
			r.Document.LegalClass = "HFEA"
			f.Directives = []Directive{consent(1, 5, federation.Scope{})}
		}, Denied},
		{"a legal class in an emergency", func(r *Request, _ *Facts) { r.Document.LegalClass, r.BreakGlass = "GRA", true }, Denied},
		{"a legal class that this program does not know", func(r *Request, _ *Facts) { r.Document.LegalClass, r.BreakGlass = "?", true }, Denied},
		{"break-glass passes any directive", func(r *Request, f *Facts) {
			r.BreakGlass, f.Directives, f.LocalRefusals = true, []Directive{denial(1, 5, ras)}, []Directive{denial(2, 0, federation.Scope{Document: r.Document.ID})}
		}, Permit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, f := good(t)
			tt.change(&r, &f)
			if d := Decide(r, f); d.Outcome != tt.want {
				t.Errorf("got %s, want %s: %v", d.Outcome, tt.want, d.Chain)
			}
		})
	}
}

// To be told "the patient has dissented" of one document and "there is no such document" of another would tell them apart.
func TestOnlyObjectionsThatLookAtNoDocumentAreTold(t *testing.T) {
	r, f := good(t)
	for _, tt := range []struct {
		name string
		all  []Directive
		want Outcome
	}{
		{"everything", []Directive{denial(1, 5, federation.Scope{})}, Denied},
		{"people and purpose", []Directive{denial(1, 5, federation.Scope{Trust: "RAS", Role: "doctor", Person: "u1", Purpose: "TREAT"})}, Denied},
		{"one document", []Directive{denial(1, 5, federation.Scope{Document: r.Document.ID})}, NotFound},
		{"a type", []Directive{denial(1, 5, federation.Scope{Type: r.Document.Type})}, NotFound},
		{"an exception about documents", []Directive{denial(1, 5, federation.Scope{}, federation.Scope{Type: "x"})}, NotFound},
		{"both kinds", []Directive{denial(1, 5, federation.Scope{Type: r.Document.Type}), denial(2, 9, federation.Scope{})}, NotFound},
		{"what a consent leaves out", []Directive{consent(1, 5, federation.Scope{}, federation.Scope{Type: r.Document.Type})}, NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.Directives = tt.all
			if d := Decide(r, f); d.Outward() != tt.want {
				t.Errorf("got %s, want %s", d.Outward(), tt.want)
			}
		})
	}
}

func TestAConsentIsOnlyWhatAnAgreementMakesOfIt(t *testing.T) {
	r, f := good(t)
	f.Agreement = mustCompile(t, `@id("asked") permit (principal, action, resource) when { context.consented };`)
	if d := Decide(r, f); d.Permitted() {
		t.Fatalf("permitted without consent: %v", d.Chain)
	}
	f.Directives = []Directive{consent(4, 8, federation.Scope{Role: "clinician"})}
	d := Decide(r, f)
	if !d.Permitted() || d.Chain[0].Rule != ruleDirective || d.Chain[0].Version != 8 {
		t.Fatalf("%v", d.Chain)
	}
	for name, here := range map[string]Directive{"withdrawn": withdrawalOf(4, 0), "replaced": {ID: federation.DirectiveID{5}, Effect: federation.Object, Scope: federation.Scope{Trust: "RXX"}, Supersedes: federation.DirectiveID{4}}} {
		g := f
		g.LocalRefusals = []Directive{here}
		if d := Decide(r, g); d.Permitted() {
			t.Errorf("%s here, and still a consent: %v", name, d.Chain)
		}
	}
	f.Agreement = mustCompile(t, `@id("nobody") forbid (principal, action, resource);`)
	if d := Decide(r, f); d.Permitted() {
		t.Fatalf("a consent widens the agreement: %v", d.Chain)
	}
}

// TestWhatAConsentExceptsIsNotConsentedTo where no directive refuses it: for the custodian's own staff, and in an emergency.
func TestWhatAConsentExceptsIsNotConsentedTo(t *testing.T) {
	for name, change := range map[string]func(*Request){
		"own staff": func(r *Request) { r.User.Trust = "RYJ" },
		"emergency": func(r *Request) { r.BreakGlass, r.Purpose = true, "BTG" },
	} {
		r, f := good(t)
		change(&r)
		f.Agreement = mustCompile(t, `@id("asked") permit (principal, action, resource) when { context.consented };`)
		for _, except := range [][]federation.Scope{nil, {{Type: r.Document.Type}}} {
			f.Directives = []Directive{consent(4, 8, federation.Scope{Role: "clinician"}, except...)}
			if d := Decide(r, f); d.Permitted() != (except == nil) {
				t.Errorf("%s, %d exceptions: %v", name, len(except), d.Chain)
			}
		}
	}
}

func TestTheNewestRefusalIsNamed(t *testing.T) {
	r, f := good(t)
	f.Directives = []Directive{denial(1, 5, federation.Scope{}), denial(2, 9, federation.Scope{Trust: "RAS"}, federation.Scope{Role: "nurse"}), denial(3, 7, federation.Scope{})}
	reason := Decide(r, f).Chain[0]
	want := "the patient objects to sharing of trust=RAS, except role=nurse (directive 02000000000000000000000000000000), and 2 more refuse"
	if reason.Text != want || reason.Version != 9 || reason.Precedence() != 3 {
		t.Errorf("got %+v, want %q", reason, want)
	}
	f.LocalRefusals = []Directive{denial(9, 0, federation.Scope{})}
	if reason := Decide(r, f).Chain[0]; reason.Version != 0 || reason.Text != "the patient objects to sharing; recorded here, not agreed on yet (directive 09000000000000000000000000000000), and 3 more refuse" {
		t.Errorf("got %+v", reason)
	}
}

func TestPrecedenceIsOneTable(t *testing.T) {
	rules := Precedence()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range rules {
		if line := fmt.Sprintf("//  %d. %s: %s\n", rule.Number, rule.Name, rule.Text); !strings.Contains(string(doc), line) {
			t.Errorf("doc.go does not say %q", line)
		}
		if rule.Number != i+1 || rule.Name == "" || rule.Text == "" || (Reason{Rule: rule.Name}).Precedence() != rule.Number {
			t.Errorf("row %d: %+v", i, rule)
		}
	}
	if (Reason{Rule: "agreement/direct-care"}).Precedence() != 4 || (Reason{Rule: checkLease}).Precedence() != 0 {
		t.Error("a reason is not of its rule")
	}
	rules[0].Name = "changed"
	if Precedence()[0].Name != ruleStanding {
		t.Error("the caller's copy is the table")
	}
	if i := slices.IndexFunc(Precedence(), func(r Rule) bool { return r.Name == ruleLegal }); Precedence()[i].Glass {
		t.Error("breaking the glass passes the legal bar")
	}
}

var benchOutcome Outcome

func BenchmarkDecideWith64Directives(b *testing.B) {
	r, f := good(b)
	for i := range 64 {
		f.Directives = append(f.Directives, denial(byte(i), uint64(i+1), federation.Scope{Trust: "RXX", Role: "nurse", Sensitivity: "HIV"}, federation.Scope{Type: "x"}))
	}
	for _, n := range []int{0, 64} {
		g := f
		g.Directives = f.Directives[:n]
		b.Run(map[int]string{0: "none", 64: "64"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchOutcome = Decide(r, g).Outcome
			}
		})
	}
}

func TestDirectivesThatDoNotMatchCostNoMemory(t *testing.T) {
	r, f := good(t)
	for i := range 64 {
		s := federation.Scope{Trust: "RXX"}
		if i%2 == 0 {
			s = federation.Scope{Role: "nurse", Sensitivity: "HIV"}
		}
		f.Directives = append(f.Directives, denial(byte(i), uint64(i+1), s, federation.Scope{Type: "x"}))
	}
	if n := testing.AllocsPerRun(100, func() {
		if wishesOf(&r, &f).refusal != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

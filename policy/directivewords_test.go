package policy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

var updateWords = flag.Bool("update-words", false, "write the golden file of directives in plain words")

func trustName(t federation.TrustID) string {
	return map[federation.TrustID]string{"RAS": "Hillingdon", "RYJ": "Imperial"}[t]
}

func dayOf(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err) // a constant of this test
	}
	return t
}

// fieldSets are the fields of a scope, each with a value.
var fieldSets = []struct {
	name string
	set  func(*federation.Scope)
}{
	{"trust", func(s *federation.Scope) { s.Trust = "RAS" }},
	{"role", func(s *federation.Scope) { s.Role = "nurse" }},
	{"person", func(s *federation.Scope) { s.Trust, s.Person = "RAS", "jsmith7" }},
	{"custodian", func(s *federation.Scope) { s.Custodian = "RYJ" }},
	{"type", func(s *federation.Scope) { s.Type = "823681000000100" }},
	{"category", func(s *federation.Scope) { s.Category = "734163000" }},
	{"sensitivity", func(s *federation.Scope) { s.Sensitivity = "HIV" }},
	{"document", func(s *federation.Scope) { s.Document = federation.NewDocumentID("RYJ", federation.DocumentKey{1}) }},
	{"from", func(s *federation.Scope) { s.From = dayOf("2019-03-01") }},
	{"to", func(s *federation.Scope) { s.To = dayOf("2021-01-01") }},
	{"purpose", func(s *federation.Scope) { s.Purpose = "HRESCH" }},
}

func scopeOf(fields int) (s federation.Scope, name string) {
	var names []string
	for i, f := range fieldSets {
		if fields&(1<<i) != 0 {
			f.set(&s)
			names = append(names, f.name)
		}
	}
	return s, strings.Join(names, "+")
}

func TestDirectivesInPlainWords(t *testing.T) {
	var out strings.Builder
	write := func(name string, d federation.Directive) {
		fmt.Fprintf(&out, "%s\n  %s\n", name, strings.ReplaceAll(ReadBack(d, trustName), Risk, "[risk]"))
	}
	fmt.Fprintf(&out, "[risk]\n  %s\n", Risk)
	everything := 1<<len(fieldSets) - 1
	for _, e := range []struct {
		name   string
		effect federation.DirectiveEffect
	}{{"refuse", federation.Object}, {"agree", federation.Consent}} {
		for fields := 0; fields <= everything; fields++ {
			bits := 0
			for b := fields; b > 0; b &= b - 1 {
				bits++
			}
			if bits > 2 && fields != everything {
				continue
			}
			s, name := scopeOf(fields)
			write(e.name+" "+name, federation.Directive{Effect: e.effect, Scope: s})
			if bits == 1 || fields == everything {
				write(e.name+" all except "+name, federation.Directive{Effect: e.effect, Except: []federation.Scope{s}})
			}
		}
		write(e.name+" HIV letters at Hillingdon except pharmacists, care plans", federation.Directive{
			Effect: e.effect, Scope: federation.Scope{Trust: "RAS", Type: "823681000000100", Sensitivity: "HIV"},
			Except: []federation.Scope{{Role: "pharmacist"}, {Category: "734163000"}, {To: dayOf("2015-01-01"), Purpose: "ETREAT"}},
			Until:  dayOf("2027-04-01").Add(-time.Hour), Supersedes: federation.DirectiveID{0xAB, 0xCD},
		})
		write(e.name+" until an hour", federation.Directive{Effect: e.effect, Until: dayOf("2027-01-01").Add(9 * time.Hour)})
		write(e.name+" codes that are not known", federation.Directive{Effect: e.effect, Scope: federation.Scope{Trust: "RXX", Role: "healer", Type: "x", Category: "y", Sensitivity: "z", Purpose: "p"}})
	}
	write("withdraw", federation.Directive{Effect: federation.Withdrew, Target: federation.DirectiveID{1, 2, 3, 4}})
	write("unknown effect", federation.Directive{Effect: 9})
	path := filepath.Join("testdata", "directives.txt")
	if *updateWords {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
}

// clumsy is what stands in a text where a part of it is missing.
func clumsy(text string) bool {
	return slices.ContainsFunc([]string{"  ", "..", ",.", " ,", ":.", "%!", "nil", "0001"}, func(s string) bool { return strings.Contains(text, s) })
}

// A patient confirms what they hear: two directives that differ must not sound the same.
func TestEveryCombinationHasWordsOfItsOwn(t *testing.T) {
	heard := map[string]string{}
	for _, effect := range []federation.DirectiveEffect{federation.Object, federation.Consent} {
		for _, except := range []bool{false, true} {
			for fields := range 1 << len(fieldSets) {
				s, name := scopeOf(fields)
				if fields&1 != 0 && s.Person != "" {
					continue // a person has a trust: with or without naming it, one scope
				}
				d := federation.Directive{Effect: effect, Scope: s}
				if except {
					if fields == 0 {
						continue
					}
					d = federation.Directive{Effect: effect, Except: []federation.Scope{s}}
				}
				text := ReadBack(d, trustName)
				name = fmt.Sprint(effect, except, " ", name)
				if other, twice := heard[text]; twice {
					t.Fatalf("%s and %s both read %q", other, name, text)
				}
				heard[text] = name
				if clumsy(text) {
					t.Fatalf("%s: %q", name, text)
				}
			}
		}
	}
}

func TestReadBackNeedsNoNames(t *testing.T) {
	d := federation.Directive{Effect: federation.Object, Scope: federation.Scope{Trust: "RXX"}}
	for _, names := range []func(federation.TrustID) string{nil, trustName} {
		if text := ReadBack(d, names); !strings.HasPrefix(text, "Nobody at RXX may see your records.") {
			t.Errorf("%q", text)
		}
	}
}

func TestParsedDirectives(t *testing.T) {
	got, err := ParseDirective(DirectiveFields{
		Effect: "deny", By: "staff-1", Evidence: "in person", Until: "2026-06-30", Supersedes: "0102030405060708090a0b0c0d0e0f10",
		Scope:  ScopeFields{Trust: "ras", Role: "nurse", Person: "u1", Sensitivity: "HIV", From: "2019-01-01", To: "2019-12-31", Purpose: "TREAT"},
		Except: []ScopeFields{{Type: "734163000"}, {From: "2019-06-01"}},
	}, now)
	want := federation.Directive{
		Effect: federation.Object, By: "staff-1", Evidence: "in person", Until: time.Date(2026, 6, 30, 23, 0, 0, 0, time.UTC), // midnight in summer
		Supersedes: federation.DirectiveID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		Scope:      federation.Scope{Trust: "RAS", Role: "nurse", Person: "u1", Sensitivity: "HIV", From: dayOf("2019-01-01"), To: dayOf("2020-01-01"), Purpose: "TREAT"},
		Except:     []federation.Scope{{Type: "734163000"}, {From: dayOf("2019-06-01")}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWhatCannotBeRecordedIsSaidClearly(t *testing.T) {
	plain := DirectiveFields{Effect: "deny", By: "staff-1"}
	for _, tt := range []struct {
		name   string
		change func(*DirectiveFields)
		want   string
	}{
		{"effect", func(f *DirectiveFields) { f.Effect = "maybe" }, `effect: "maybe" is neither deny nor permit`},
		{"nobody", func(f *DirectiveFields) { f.By = "" }, "by: who records the directive must be named"},
		{"role", func(f *DirectiveFields) { f.Scope.Role = "docter" }, `role: "docter" is not a role that exists; there are clinician, doctor`},
		{"label", func(f *DirectiveFields) { f.Scope.Sensitivity = "hiv" }, `sensitivity: "hiv" is not a label that exists; there are HIV`},
		{"purpose", func(f *DirectiveFields) { f.Scope.Purpose = "care" }, `purpose: "care" is not a purpose that exists; there are TREAT`},
		{"trust", func(f *DirectiveFields) { f.Scope.Trust = "Hillingdon Hospitals" }, `trust: "Hillingdon Hospitals": not an ODS code`},
		{"range", func(f *DirectiveFields) { f.Scope.From, f.Scope.To = "2020-02-01", "2020-01-31" }, "to: 2020-01-31 is before 2020-02-01: the range runs backwards"},
		{"day", func(f *DirectiveFields) { f.Scope.From = "1.2.2020" }, `from: "1.2.2020" is not a day such as 2020-12-31`},
		{"person", func(f *DirectiveFields) { f.Scope.Person = "u1" }, `person: "u1" needs a trust`},
		{"document", func(f *DirectiveFields) { f.Scope.Document = "x" }, `document: "x": not a document id`},
		{"document elsewhere", func(f *DirectiveFields) {
			f.Scope.Document, f.Scope.Custodian = string(federation.NewDocumentID("RYJ", federation.DocumentKey{1})), "RAS"
		}, "is not held at RAS"},
		{"until", func(f *DirectiveFields) { f.Until = "2026-03-03" }, "until: 2026-03-03 has passed"},
		{"supersedes", func(f *DirectiveFields) { f.Supersedes = "xyz" }, `supersedes: "xyz" is not the id of a directive`},
		{"too many exceptions", func(f *DirectiveFields) { f.Except = make([]ScopeFields, 17) }, "exceptions: 17 of them, at most 16"},
		{"exception of everything", func(f *DirectiveFields) { f.Except = make([]ScopeFields, 1) }, "exception 1: covers everything"},
		{"exception of all there is", func(f *DirectiveFields) {
			f.Scope.Role, f.Except = "nurse", []ScopeFields{{Type: "x"}, {Role: "clinician"}}
		}, "exception 2: covers all that the directive is about"},
		{"exception of nothing", func(f *DirectiveFields) { f.Scope.Trust, f.Except = "RAS", []ScopeFields{{Trust: "RYJ"}} }, "exception 1: is about nothing that the directive is about"},
		{"fault of an exception", func(f *DirectiveFields) { f.Except = []ScopeFields{{Role: "nurse"}, {Role: "x"}} }, `exception 2: role: "x"`},
		{"long evidence", func(f *DirectiveFields) { f.Evidence = strings.Repeat("x", 1025) }, "evidence: 1025 bytes, at most 1024"},
		{"control character", func(f *DirectiveFields) { f.Scope.Type = "a\x00" }, "type: has a character that is no text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := plain
			tt.change(&f)
			d, err := ParseDirective(f, now)
			if !errors.Is(err, ErrDirective) || !strings.Contains(err.Error(), tt.want) || d.Effect != 0 {
				t.Errorf("got %v, %v, want %q", d.Effect, err, tt.want)
			}
		})
	}
	two := plain
	two.Effect, two.Scope.Role = "", "x"
	var all *DirectiveError
	if _, err := ParseDirective(two, now); !errors.As(err, &all) || len(all.Faults) != 2 {
		t.Errorf("%v", err)
	}
}

func TestScopesAsPeopleTypeThem(t *testing.T) {
	got, err := ParseScope("trust=RAS, role = nurse,from=2020-01-01,")
	if diff := cmp.Diff(ScopeFields{Trust: "RAS", Role: "nurse", From: "2020-01-01"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"colour=red": "colour: is none of trust, role", "role": "role: needs a value", "role=": "role: needs a value",
		"role=nurse,role=doctor": "role: is said twice",
	} {
		if _, err := ParseScope(text); !errors.Is(err, ErrDirective) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What was typed must be what replicas can read.
func FuzzParseDirective(f *testing.F) {
	f.Add("deny", "RAS", "nurse", "u1", "x", "HIV", "2019-01-01", "2019-12-31", "2030-01-01", "RYJ")
	f.Fuzz(func(t *testing.T, effect, trust, role, person, kind, label, from, to, until, except string) {
		d, err := ParseDirective(DirectiveFields{
			Effect: effect, Scope: ScopeFields{Trust: trust, Role: role, Person: person, Type: kind, Sensitivity: label, From: from, To: to},
			Until: until, Except: []ScopeFields{{Trust: except}}, By: "x",
		}, now)
		if err != nil {
			if !errors.Is(err, ErrDirective) {
				t.Fatal(err)
			}
			return
		}
		d.ID, d.Subject = federation.DirectiveID{1}, federation.Subject{1}
		b, err := federation.DecodeBody(federation.Statement{Trust: "RYJ", Kind: federation.KindDirective, Body: federation.EncodeBody(d)})
		if diff := cmp.Diff(federation.Body(d), b); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func TestConflictsNameTheWinner(t *testing.T) {
	hiv, nurses, ras := federation.Scope{Sensitivity: "HIV"}, federation.Scope{Role: "nurse"}, federation.Scope{Trust: "RAS"}
	over := func(d Directive) Directive { d.Until = now; return d }
	for _, tt := range []struct {
		name   string
		all    []Directive
		winner byte
		want   string
	}{
		{"nothing said", nil, 0, ""},
		{"two refusals", []Directive{denial(1, 1, hiv), denial(2, 2, nurses)}, 0, ""},
		{"a newer consent to the same", []Directive{denial(1, 1, hiv), consent(2, 2, hiv)}, 2, "The consent wins: it is the newer of two about exactly the same."},
		{"a newer refusal of the same", []Directive{consent(1, 1, hiv), denial(2, 2, hiv)}, 2, "is the newer of two"},
		{"a narrower consent", []Directive{denial(1, 1, federation.Scope{}), consent(2, 2, ras)}, 1, "The refusal wins."},
		{"scopes that cross", []Directive{denial(1, 1, nurses), consent(2, 2, ras)}, 1, "make it an exception"},
		{"scopes that never meet", []Directive{denial(1, 1, ras), consent(2, 2, federation.Scope{Trust: "RYJ"})}, 0, ""},
		{"roles that never meet", []Directive{denial(1, 1, nurses), consent(2, 2, federation.Scope{Role: "doctor"})}, 0, ""},
		{"a person whose staff id was typed in another way", []Directive{denial(1, 1, federation.Scope{Trust: "RAS", Person: "A.Mensah"}), consent(2, 2, federation.Scope{Trust: "RAS", Person: "a.mensah "})}, 1, "The refusal wins."},
		{"two persons", []Directive{denial(1, 1, federation.Scope{Trust: "RAS", Person: "a.mensah"}), consent(2, 2, federation.Scope{Trust: "RAS", Person: "b.mensah"})}, 0, ""},
		{"a role and its group", []Directive{denial(1, 1, nurses), consent(2, 2, federation.Scope{Role: "clinician"})}, 1, "nurses"},
		{"dates that never meet", []Directive{denial(1, 1, federation.Scope{To: now}), consent(2, 2, federation.Scope{From: now})}, 0, ""},
		{"documents of different custodians", []Directive{
			denial(1, 1, federation.Scope{Document: federation.NewDocumentID("RYJ", federation.DocumentKey{1})}), consent(2, 2, federation.Scope{Custodian: "RAS"}),
		}, 0, ""},
		{"an exception of the refusal", []Directive{denial(1, 1, federation.Scope{}, ras), consent(2, 2, federation.Scope{Trust: "RAS", Role: "nurse"})}, 0, ""},
		{"an exception of the consent", []Directive{denial(1, 1, ras), consent(2, 2, federation.Scope{}, ras)}, 0, ""},
		{"what one consent leaves out", []Directive{consent(1, 1, federation.Scope{}, nurses), consent(2, 2, ras)}, 1, "stays refused"},
		{"one has run out", []Directive{over(denial(1, 1, hiv)), consent(2, 2, hiv)}, 0, ""},
		{"one was withdrawn", []Directive{denial(1, 1, hiv), consent(2, 2, hiv), withdrawalOf(2, 3)}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Conflicts(tt.all, now, nil)
			if tt.winner == 0 {
				if len(got) != 0 {
					t.Fatalf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Winner != (federation.DirectiveID{tt.winner}) || !strings.Contains(got[0].Text, tt.want) {
				t.Fatalf("got %+v, want %d: %s", got, tt.winner, tt.want)
			}
		})
	}
}

package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

func TestTextIsRefusedWithItsPlace(t *testing.T) {
	tests := []struct {
		name, text   string
		line, column int
		says         string
	}{
		{"empty", "", 1, 1, "no rule"},
		{"syntax", "permit (principal, action, resource)\nwhen { true } }", 2, 15, `} stands where ";" must`},
		{"a word too many", "permit (principal, action,\n  resource) whenever { true };", 2, 13, `whenever stands where ";" must`},
		{"a word in another script", "// für\npermit (principal \"é\"); // \"é\"", 2, 19, `"é" stands where "," must`},
		{"ends in the head", "permit (principal", 1, 18, `the text ends where "," must follow`},
		{"ends in a condition", "permit (principal, action, resource) when {\n", 2, 1, "the text ends too early: a value must follow"},
		{"no value", "permit (principal, action, resource) when {\n  context.purpose ==\n};", 3, 1, "} stands where a value must"},
		{"a word that is nothing", "permit (principal, action, resource) when { true && foobar };", 1, 53, "foobar stands where a value must"},
		{"a form", "name: x\nblocks:\n", 1, 1, "name stands where a rule must begin, with permit or forbid"},
		{"no comma in a set", `permit (principal, action in [Action::"see" Action::"open"], resource);`, 1, 45, `Action stands where "," must`},
		{"misspelt attribute", "\n permit (principal, action, resource) when { resource.kind == \"x\" };", 2, 2, "kind"},
		{"unknown action", `permit (principal, action == Action::"read", resource);`, 1, 1, "read"},
		{"unknown role", "permit (principal, action, resource) when {\n  principal in Role::\"docter\" };", 2, 16, "docter"},
		{"unknown role in the head", `permit (principal in Role::"docter", action, resource);`, 1, 22, "docter"},
		{"unknown role in a set", `permit (principal, action, resource) when { principal.role in [Role::"nurse", Role::"nurs"] };`, 1, 79, "nurs"},
		{"unknown purpose", `permit (principal, action, resource) unless { context.purpose == Purpose::"direct" };`, 1, 66, "direct"},
		{"unknown level", `permit (principal, action, resource) when { resource.confidentiality in Confidentiality::"X" };`, 1, 73, "X"},
		{"not an ODS code", `permit (principal in Trust::"ryj", action, resource);`, 1, 22, "ryj"},
		{"user of no trust", `permit (principal == User::"u1", action, resource);`, 1, 22, "u1"},
		{"type error", `permit (principal, action, resource) when { resource.type > 3 };`, 1, 1, ""},
		{"two rules of one id", "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);", 2, 1, "two rules"},
		{"deep", "permit (principal, action, resource) when { " + strings.Repeat("(", 100), 1, 76, "nested"},
		{"long rule", "permit (principal, action, resource) when { " + strings.Repeat("true || ", 4000), 1, 16386, "longer"},
		{"not UTF-8", "\xff", 1, 1, "UTF-8"},
		{"large", strings.Repeat(" ", maxText+1), 1, 1, "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.text)
			var te *TextError
			if !errors.Is(err, ErrAgreement) || !errors.As(err, &te) {
				t.Fatalf("got %v", err)
			}
			if f := te.Faults[0]; f.Line != tt.line || f.Column != tt.column || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %d:%d %q", err, tt.line, tt.column, tt.says)
			}
		})
	}
}

func TestDefaultAgreementCompiles(t *testing.T) {
	a := mustCompile(t, DefaultAgreement("RYJ"))
	if got := fmt.Sprint(a.Rules()); got != "[direct-care own-records break-glass]" {
		t.Errorf("rules %s", got)
	}
}

func TestEntitiesConformToTheSchema(t *testing.T) {
	r, _ := good(t)
	r.Document.Date = now
	a := &Agreement{uses: usesEverything}
	e := a.entitiesOf(&r)
	v := validate.New(resolvedSchema())
	for _, entity := range []cedar.Entity{e.user, e.document} {
		if err := v.Entity(entity); err != nil {
			t.Error(err)
		}
	}
	for _, action := range allActions {
		if err := v.Request(cedar.Request{Principal: e.user.UID, Action: uid(typeAction, action), Resource: e.document.UID, Context: a.contextOf(&r).attributes}); err != nil {
			t.Error(err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(DefaultAgreement("RYJ"))
	f.Add(`@id("x") forbid (principal == User::"RYJ/a", action in [Action::"see"], resource is Document) unless { if true then context.now > datetime("2026-01-01") else false };`)
	f.Add(`permit (principal, action, resource) when { "\"(" like "*" };//(((`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Compile(text)
		if err != nil {
			var te *TextError
			if !errors.As(err, &te) || len(te.Faults) == 0 || te.Faults[0].Line < 1 || te.Faults[0].Column < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		r, facts := good(t)
		facts.Agreement = a
		if d := Decide(r, facts); d.Outcome == 0 || len(d.Chain) == 0 {
			t.Fatalf("%+v", d)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	for _, others := range []int{0, 50, 1000} {
		b.Run(fmt.Sprintf("rules-for-others-%d", others), func(b *testing.B) {
			r, f := good(b)
			f.Agreement = mustCompile(b, largeAgreement(others))
			b.ReportAllocs()
			for b.Loop() {
				if !Decide(r, f).Permitted() {
					b.Fatal("refused")
				}
			}
		})
	}
	b.Run("form-with-limits", func(b *testing.B) {
		r, f := good(b)
		r.Link, r.Document.Date = Relationship{Kind: Referral, Verified: true}, now
		f.Agreement = compileForm(b, ownBlock+rasBlock+glassBlock+"  - block: need-relationship\n  - {block: last-years, years: 10}\n  - {block: hide-sensitive, labels: HIV}\n")
		b.ReportAllocs()
		for b.Loop() {
			if !Decide(r, f).Permitted() {
				b.Fatal("refused")
			}
		}
	})
}

// largeAgreement is the default one with rules for the staff of other trusts and in other roles than a doctor of RAS.
func largeAgreement(others int) string {
	text := DefaultAgreement("RYJ")
	for i := range others {
		if i%2 == 0 {
			text += fmt.Sprintf("permit (principal in Trust::\"X%04d\", action, resource) when { resource.type == \"a\" };\n", i)
		} else {
			text += fmt.Sprintf("permit (principal in Role::\"social-worker\", action, resource) when { resource.type == \"a%d\" };\n", i)
		}
	}
	return text
}

func TestRulesForOtherRolesAreNotEvaluated(t *testing.T) {
	a := mustCompile(t, largeAgreement(100))
	if c := a.candidates(actionOpen, User{Trust: "RAS", Role: "doctor"}); len(c.general)+len(c.named) != 1 {
		t.Errorf("%d rules for everybody, %d for the trust", len(c.general), len(c.named))
	}
	if c := a.candidates(actionOpen, User{Trust: "X0002", Role: "social-worker"}); len(c.general) != 50 || len(c.named) != 1 {
		t.Errorf("%d rules for everybody, %d for the trust", len(c.general), len(c.named))
	}
}

func TestRulesForOtherTrustsAreNotEvaluated(t *testing.T) {
	a := mustCompile(t, DefaultAgreement("RYJ")+`@id("other") permit (principal in Trust::"RXX", action, resource);`)
	var got []string
	for id := range a.candidates(actionOpen, User{Trust: "RAS", Role: "doctor"}).All() {
		got = append(got, string(id))
	}
	if fmt.Sprint(got) != "[direct-care]" {
		t.Errorf("got %v", got)
	}
}

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// basis is an agreement in which nothing is found, for rules to be added to.
const basis = `@id("own") permit (principal in Trust::"RYJ", action in [Action::"see", Action::"open"], resource)
when { principal in Role::"clinician" && resource.confidentiality in Confidentiality::"R" };
@id("glass") permit (principal in Role::"clinician", action == Action::"open_break_glass", resource)
when { context.purpose == Purpose::"ETREAT" && resource.confidentiality in Confidentiality::"R" };
`

func TestFindings(t *testing.T) {
	lines := strings.Count(basis, "\n")
	checker := Checker{
		Own: "RYJ", Trusts: []federation.TrustID{"RYJ", "RAS"}, Types: []string{"373942005", "local-1"},
		Now: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC),
	}
	care := ` && context.purpose == Purpose::"TREAT" && resource.confidentiality in Confidentiality::"N"`
	tests := []struct{ name, rule, want string }{
		{"a rule that can apply", `@id("x") permit (principal in Role::"nurse", action == Action::"see", resource) when { resource.type == "local-1"` + care + ` };`, ""},
		{"a role that is not in the group", `@id("x") permit (principal in Role::"clinician", action, resource) when { principal.role == Role::"admin" };`, "never"},
		{"two exact types", `@id("x") permit (principal, action, resource) when { resource.type == "local-1" && resource.type == "373942005" };`, "never"},
		{"two types, either", `@id("x") permit (principal in Role::"nurse", action, resource) when { (resource.type == "local-1" || resource.type == "373942005")` + care + ` };`, ""},
		{"type in two sets that share none", `@id("x") permit (principal, action, resource) when { ["local-1"].contains(resource.type) && ["373942005"].contains(resource.type) };`, "never"},
		{"two purposes", `@id("x") forbid (principal, action, resource) when { context.purpose == Purpose::"TREAT" && context.purpose == Purpose::"BTG" };`, "never"},
		{"when and unless the same", `@id("x") forbid (principal, action, resource) when { context.consented } unless { context.consented };`, "never"},
		{"two trusts", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { principal.trust == Trust::"RYJ" };`, "never"},
		{"another's documents", `@id("x") forbid (principal, action, resource in Trust::"RAS");`, "never"},
		{"own documents", `@id("x") forbid (principal in Role::"admin", action, resource in Trust::"RYJ");`, ""},
		{"levels that do not meet", `@id("x") forbid (principal, action, resource) when { resource.confidentiality in Confidentiality::"L" && resource.confidentiality == Confidentiality::"N" };`, "never"},
		{"a label and not the label", `@id("x") forbid (principal, action, resource) when { resource.sensitivity.contains(Sensitivity::"HIV") && !resource.sensitivity.containsAny([Sensitivity::"HIV", Sensitivity::"STD"]) };`, "never"},
		{"two labels", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.sensitivity.containsAll([Sensitivity::"HIV", Sensitivity::"STD"]) };`, ""},
		{"dates that do not meet", `@id("x") forbid (principal, action, resource) when { context.now > datetime("2027-01-01") && context.now < datetime("2026-12-01") };`, "never"},
		{"dates that meet", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { context.now > datetime("2026-12-01") && context.now < datetime("2027-01-01") };`, ""},
		{"a date in the past", `@id("x") forbid (principal, action, resource) when { context.now < datetime("2026-11-01") };`, "past"},
		{"a clinical date in the past", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.date < datetime("2001-11-01") };`, ""},
		{"always false", `@id("x") forbid (principal, action, resource) when { false };`, "never"},
		{"overflow refuses, so that it applies", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { 9223372036854775807 + 1 == 0 };`, ""},
		{"a pattern", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.author like "*smith" && resource.author like "dr*" };`, ""},
		{"a pattern of another literal", `@id("x") forbid (principal, action, resource) when { resource.author == "dr jones" && resource.author like "*smith" };`, "never"},
		{"two attributes that may agree", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.author == principal.id };`, ""},
		{"a literal by way of a condition", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.type == (if context.consented then "a" else "b") && resource.type != "local-1" };`, ""},
		{"user of another trust", `@id("x") forbid (principal == User::"RAS/a", action, resource) when { principal in Trust::"RYJ" };`, "never"},
		{"a user", `@id("x") forbid (principal == User::"RAS/a", action, resource) when { principal in Trust::"RAS" };`, ""},
		{"forbidden wholly", `@id("x") permit (principal in Trust::"RAS", action == Action::"open", resource) when { principal in Role::"nurse"` + care + ` }; @id("f") forbid (principal, action == Action::"open", resource) when { principal.trust != Trust::"RYJ" };`, "contradiction"},
		{"forbidden by two together", `@id("x") permit (principal in Trust::"RAS", action == Action::"open", resource) when { principal in Role::"nurse"` + care + ` };
			@id("f") forbid (principal in Trust::"RAS", action, resource) when { context.consented }; @id("g") forbid (principal in Trust::"RAS", action, resource) unless { context.consented };`, "contradiction"},
		{"forbidden in part", `@id("x") permit (principal in Trust::"RAS", action == Action::"open", resource) when { principal in Role::"nurse"` + care + ` }; @id("f") forbid (principal, action == Action::"open", resource) when { principal.trust != Trust::"RYJ" && resource.type != "local-1" };`, ""},
		{"forbidden for another action", `@id("x") permit (principal in Trust::"RAS", action in [Action::"see", Action::"open"], resource) when { principal in Role::"nurse"` + care + ` }; @id("f") forbid (principal, action == Action::"open", resource) when { principal.trust != Trust::"RYJ" };`, ""},
		{"adds nothing", `@id("x") permit (principal in Trust::"RYJ", action == Action::"see", resource) when { principal in Role::"nurse"` + care + ` };`, "redundant"},
		{"locks out its own", `@id("x") forbid (principal in Trust::"RYJ", action == Action::"open", resource) when { principal in Role::"clinician" };`, "locks-out-own"},
		{"locks out its own by what all have", `@id("x") forbid (principal, action == Action::"open", resource) when { resource.confidentiality in Confidentiality::"V" };`, "locks-out-own"},
		{"locks out its own nurses", `@id("x") forbid (principal in Trust::"RYJ", action == Action::"open", resource) when { principal in Role::"nurse" };`, "locks-out-role"},
		{"locks out nobody for consent", `@id("x") forbid (principal in Trust::"RYJ", action == Action::"open", resource) when { !context.consented };`, ""},
		{"administrators", `@id("x") permit (principal, action == Action::"see", resource) when { principal.role != Role::"system" && principal.role != Role::"researcher"` + care + ` };`, "administrator"},
		{"administrators but for a forbid", `@id("x") permit (principal, action == Action::"see", resource) when { resource.type == "local-1"` + care + ` }; @id("f") forbid (principal, action, resource) when { [Role::"admin", Role::"system", Role::"researcher"].contains(principal.role) };`, ""},
		{"researchers", `@id("x") permit (principal in Role::"researcher", action == Action::"see", resource) when { resource.type == "local-1"` + care + ` };`, "research"},
		{"research", `@id("x") permit (principal in Role::"nurse", action == Action::"see", resource) when { resource.confidentiality in Confidentiality::"N" };`, "research"},
		{"very restricted", `@id("x") permit (principal in Role::"nurse", action == Action::"see", resource) when { context.purpose == Purpose::"TREAT" };`, "confidential"},
		{"a trust that is not in the region", `@id("x") forbid (principal in Trust::"RXX", action, resource);`, "unknown-trust"},
		{"a code that is none", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.type == "373942006" };`, "unknown-code"},
		{"a code that is not in use", `@id("x") forbid (principal in Trust::"RAS", action, resource) when { resource.type == "local-2" };`, "unknown-code"},
		{"no id", `forbid (principal in Trust::"RAS", action, resource);`, "no-id"},
		{"unknown role", `@id("x") forbid (principal in Role::"docter", action, resource);`, "text"},
		{"empty set", `@id("x") forbid (principal, action, resource) when { [].contains(resource.type) };`, "text"},
		{"syntax", `@id("x") forbid (principal, action resource);`, "text"},
	}
	if found := checker.Check(basis); len(found) != 0 {
		t.Fatalf("in the basis: %v", found)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := checker.Check(basis + tt.rule)
			var codes []string
			for _, f := range found {
				codes = append(codes, f.Code)
				if f.Line < 1 || f.Column < 1 || f.Line <= lines && f.Rule == "x" {
					t.Errorf("place of %v", f)
				}
			}
			if got := strings.Join(slices.Compact(codes), " "); got != tt.want {
				t.Errorf("got %q, want %q: %v", got, tt.want, found)
			}
		})
	}
}

// TestABlockThatTakesAwayAsWellIsNotCalledRedundant: whoever leaves it out, because it is said to add nothing, gives more.
func TestABlockThatTakesAwayAsWellIsNotCalledRedundant(t *testing.T) {
	all := ownBlock + "  - {block: direct-care, trusts: all}\n  - block: break-glass\n  - {block: pharmacist-medications, types: [local-1]"
	for blocks, want := range map[string]bool{all + "}\n": true, all + ", only: yes}\n": false} {
		found := Checker{Own: "RYJ"}.CheckForm(mustForm(t, "name: x\nblocks:\n"+blocks))
		if got := slices.ContainsFunc(found, func(f Finding) bool { return f.Code == "redundant" }); got != want {
			t.Errorf("redundant %v, want %v, in\n%s", got, want, blocks)
		}
	}
}

func TestNoBreakGlassIsFound(t *testing.T) {
	found := (Checker{Own: "RYJ"}).Check(strings.Split(basis, `@id("glass")`)[0])
	if len(found) != 1 || found[0].Code != "no-break-glass" || found[0].Severity != SeverityWarning {
		t.Errorf("got %v", found)
	}
}

func TestDefaultAgreementHasNoErrors(t *testing.T) {
	for _, f := range (Checker{Own: "RYJ"}).Check(DefaultAgreement("RYJ")) {
		t.Errorf("%v", f)
	}
}

func TestFindingsOfAFormStandAtItsBlock(t *testing.T) {
	f := mustForm(t, "name: x\nblocks:\n  - block: own-records\n    roles: admin\n  - block: break-glass\n")
	found := Checker{Own: "RYJ"}.CheckForm(f)
	if !slices.ContainsFunc(found, func(f Finding) bool { return f.Code == "administrator" && f.Line == 3 && f.Column == 5 }) {
		t.Errorf("got %v", found)
	}
}

// Who wrote the name of a trust that is not in the region, or a code that is wrong, is led to that word and not to its block.
func TestFindingsOfAFormStandAtTheirWord(t *testing.T) {
	f := mustForm(t, "name: x\nblocks:\n  - block: own-records\n  - block: direct-care\n    trusts: [RAS, XYZ]\n  - block: direct-care\n    trusts:\n      - RAS\n      - QQQ\n  - block: break-glass\n")
	found := Checker{Own: "RYJ", Trusts: []federation.TrustID{"RYJ", "RAS"}}.CheckForm(f)
	for _, want := range []string{"5:19: warning: no trust XYZ is in the region (unknown-trust)", "9:9: warning: no trust QQQ is in the region (unknown-trust)"} {
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.String() == want }) {
			t.Errorf("want %s, got %v", want, found)
		}
	}
}

func TestLargestAgreementIsCheckedInTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(basis)
	for i := range 250 {
		fmt.Fprintf(&b, "@id(\"p%d\") permit (principal in Role::\"nurse\", action == Action::\"see\", resource) when { resource.type == \"a%d\" && context.purpose == Purpose::\"TREAT\" };\n", i, i)
	}
	start := time.Now()
	found := (Checker{Own: "RYJ"}).Check(b.String())
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	for _, f := range found {
		if f.Severity == SeverityError {
			t.Error(f)
		}
	}
}

// drawCondition draws a condition that the schema allows.
func drawCondition(depth int) *rapid.Generator[string] {
	leaves := []string{
		`principal in Role::"clinician"`, `principal.role == Role::"nurse"`, `principal in Trust::"RAS"`, `principal.trust == resource.custodian`,
		`[Purpose::"TREAT", Purpose::"BTG"].contains(context.purpose)`, `context.purpose == Purpose::"HRESCH"`,
		`resource.confidentiality in Confidentiality::"N"`, `resource.confidentiality == Confidentiality::"R"`, `context.consented`, `context.relationship_verified`,
		`context.relationship_kind == Relationship::"referral"`, `resource.type == "a"`, `["a", "b"].contains(resource.type)`, `resource.type like "b*"`,
		`resource.author == principal.id`, `resource.sensitivity.contains(Sensitivity::"HIV")`, `resource.sensitivity.containsAny([Sensitivity::"HIV", Sensitivity::"PSY"])`,
		`resource.sensitivity.isEmpty()`, `resource.dated`, `resource.date < datetime("2020-01-01")`, `context.now > datetime("2026-01-01")`,
		`resource.date > context.now.offset(duration("-30d"))`, `principal == User::"RAS/u"`, `principal in [Role::"doctor", Role::"admin"]`, `resource in Trust::"RYJ"`,
		`resource.type == (if context.out_of_hours then "a" else resource.category)`, `context.break_glass`, `action == Action::"see"`, `resource has type`, `9223372036854775807 + 1 == 0`,
		`principal is User`, `["a", resource.category].contains(resource.type)`, `resource.sensitivity.containsAll([Sensitivity::"HIV", Sensitivity::"BH"])`,
	}
	if depth == 0 {
		return rapid.SampledFrom(leaves)
	}
	return rapid.Custom(func(t *rapid.T) string {
		x := drawCondition(depth-1).Draw(t, "x")
		switch rapid.IntRange(0, 4).Draw(t, "form") {
		case 0:
			return "!(" + x + ")"
		case 1:
			return "(" + x + " && " + drawCondition(depth-1).Draw(t, "y") + ")"
		case 2:
			return "(" + x + " || " + drawCondition(depth-1).Draw(t, "y") + ")"
		case 3:
			return "(if " + x + " then " + drawCondition(depth-1).Draw(t, "y") + " else " + drawCondition(depth-1).Draw(t, "z") + ")"
		default:
			return x
		}
	})
}

func drawRule(t *rapid.T) string {
	effect := rapid.SampledFrom([]string{"permit", "forbid"}).Draw(t, "effect")
	principal := rapid.SampledFrom([]string{"principal", `principal in Role::"clinician"`, `principal in Trust::"RAS"`, `principal is User in Trust::"RYJ"`, `principal == User::"RAS/u"`}).Draw(t, "principal")
	action := rapid.SampledFrom([]string{"action", `action == Action::"open"`, `action in [Action::"see", Action::"open"]`}).Draw(t, "action")
	return fmt.Sprintf("%s (%s, %s, resource) when { %s } unless { %s };", effect, principal, action, drawCondition(2).Draw(t, "when"), drawCondition(1).Draw(t, "unless"))
}

func drawWide(t *rapid.T) Request {
	r := drawRequest(t)
	r.Document.LegallyRestricted = false
	r.User.ID = rapid.SampledFrom([]string{"u", "a"}).Draw(t, "user")
	r.User.Role = rapid.SampledFrom(roleTable).Draw(t, "role").Code
	r.Purpose = rapid.SampledFrom(purposeTable).Draw(t, "purpose").Code
	r.Document.Type = rapid.SampledFrom([]string{"", "a", "b", "bc", "c"}).Draw(t, "type")
	r.Document.Category = rapid.SampledFrom([]string{"a", "c"}).Draw(t, "category")
	r.Document.Author = rapid.SampledFrom([]string{"u", "x"}).Draw(t, "author")
	r.Document.Sensitivity = rapid.SampledFrom([][]string{nil, {"HIV"}, {"PSY"}, {"HIV", "PSY"}, {"STD"}}).Draw(t, "labels")
	r.Document.Date = rapid.SampledFrom([]time.Time{{}, now.AddDate(-10, 0, 0), now.AddDate(0, 0, -1)}).Draw(t, "date")
	r.Link = Relationship{Kind: rapid.SampledFrom([]RelationshipKind{"", Referral, MDT}).Draw(t, "kind"), Verified: rapid.Bool().Draw(t, "verified")}
	r.consented = rapid.Bool().Draw(t, "consented")
	return r
}

// worldOf says all that is known of a request.
func worldOf(r Request, action string) *world {
	a := &Agreement{uses: usesEverything}
	e, c := a.entitiesOf(&r), a.contextOf(&r).attributes
	w := &world{own: uid(typeTrust, string(r.Document.Custodian))}
	w.values[varAction] = uid(typeAction, action)
	for name, v := range attributeVariables {
		of, attribute, _ := strings.Cut(name, ".")
		record := c
		switch of {
		case "principal":
			record = e.user.Attributes
		case "resource":
			record = e.document.Attributes
		}
		w.values[v], _ = record.Get(cedar.String(attribute))
	}
	labels, _ := e.document.Attributes.Get("sensitivity")
	for i, s := range sensitivityTable {
		set, _ := labels.(cedar.Set)
		w.values[varLabel+variable(i)] = cedar.Boolean(set.Contains(uid(typeSensitivity, s.Code)))
	}
	return w
}

// What the check's evaluator claims to know is what Cedar decides: with all that is known of a request, and with some of
// it left out.
func TestEvaluatorOfTheCheckAgreesWithCedar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawRule(t)
		a, err := Compile(text)
		if err != nil {
			t.Skip("conditions that Cedar's validator sees through")
		}
		r := drawWide(t)
		action := rapid.SampledFrom(allActions[:]).Draw(t, "action")
		e := a.entitiesOf(&r)
		// As it was written and without the index, which another property is about.
		one := cedar.NewPolicySet()
		one.Add("1", a.rules[0].policy)
		_, diag := cedar.Authorize(one, e, cedar.Request{Principal: e.user.UID, Action: uid(typeAction, action), Resource: e.document.UID, Context: a.contextOf(&r).attributes})
		applies, failed := len(diag.Reasons) > 0, len(diag.Errors) > 0
		w := worldOf(r, action)
		for i := range w.values {
			if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
				w.values[i] = nil
			}
		}
		o := w.rule((*ast.Policy)(a.rules[0].policy.AST()))
		if failed && !o.fails || isTrue(o) && !applies && !failed || isFalse(o) && applies {
			t.Fatalf("claims %+v, Cedar says applies %v, errors %v", o, applies, diag.Errors)
		}
		if c := a.candidates(action, r.User); applies && len(c.general)+len(c.named) == 0 {
			t.Fatal("the index leaves out a rule that applies")
		}
	})
}

// A rule that is said never to apply does not, and of a contradiction nothing is permitted.
func TestClaimsOfTheCheckHold(t *testing.T) {
	claims := 0
	rapid.Check(t, func(t *rapid.T) {
		text := `@id("a") ` + drawRule(t) + ` @id("b") ` + drawRule(t)
		a, err := Compile(text)
		if err != nil {
			t.Skip("not valid")
		}
		found := (Checker{Own: "RYJ"}).Check(text)
		for _, f := range found {
			if f.Code != "never" && f.Code != "contradiction" && f.Code != "locks-out-own" {
				continue
			}
			claims++
			for range 8 {
				r := drawWide(t)
				action := rapid.SampledFrom(allActions[:]).Draw(t, "action")
				permit, why := a.evaluate(&r, action, 1)
				switch {
				case f.Code == "never" && slices.ContainsFunc(why, func(w Reason) bool {
					return w.Rule == "agreement/"+f.Rule && !strings.HasPrefix(w.Text, "failed")
				}):
					t.Fatalf("%v, but %v", f, why)
				case f.Code == "contradiction" && permit && slices.ContainsFunc(why, func(w Reason) bool { return w.Rule == "agreement/"+f.Rule }):
					t.Fatalf("%v, but %v", f, why)
				case f.Code == "locks-out-own" && permit && action == actionOpen && r.own() && fixedEntities[uid(typeRole, r.User.Role)].Parents.Len() > 0:
					t.Fatalf("%v, but %v", f, why)
				}
			}
		}
	})
	if claims == 0 {
		t.Error("nothing was claimed")
	}
}

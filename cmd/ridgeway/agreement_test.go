package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

var update = flag.Bool("update", false, "write the golden files")

const ownOnly = "name: Nothing to others\nblocks:\n  - block: own-records\n  - block: break-glass\n"

// TestAgreementFromDraftToRollback runs an agreement's life as an operator types it.
func TestAgreementFromDraftToRollback(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	p.write(t, "letter.pdf", letter("one"))
	p.json(t, append([]string{"ingest", "--data", "d1", "letter.pdf"}, particulars(patient)...)...)
	id := p.json(t, "locate", "--data", "d1", patient).list(t, "documents")[0]["document"].(string)

	p.json(t, "agreement", "init", "first.yaml")
	p.fails(t, admin.CodeBadInput, []string{"there already", "--force"}, "agreement", "init", "first.yaml")
	if o := p.json(t, "agreement", "check", "--data", "d1", "first.yaml"); o["errors"] != float64(0) || o["roster"] != true || !strings.Contains(o["cedar"].(string), `Trust::"RYJ"`) {
		t.Errorf("the starter form: %v", o)
	}
	p.write(t, "own.yaml", ownOnly)
	p.fails(t, admin.CodeBadInput, []string{"--user"}, "agreement", "propose", "--data", "d1", "own.yaml")
	p.write(t, "closed.cedar", "@id(\"none\")\nforbid(principal, action, resource);\n")
	p.fails(t, admin.CodeBadInput, []string{"cannot be proposed", "locks-out-own"}, "agreement", "propose", "--data", "d1", "closed.cedar", "--user", "a.mensah")
	p.fails(t, admin.CodeBadInput, []string{"--expires", "not after --effective"}, "agreement", "propose", "--data", "d1", "own.yaml", "--user", "a.mensah", "--effective", "2999-01-02", "--expires", "2999-01-01")
	p.fails(t, admin.CodeBadInput, []string{"--effective", "in the past"}, "agreement", "propose", "--data", "d1", "own.yaml", "--user", "a.mensah", "--effective", "2001-01-02")
	p.fails(t, admin.CodeBadInput, []string{"--expires", "such as 2027-01-31"}, "agreement", "propose", "--data", "d1", "own.yaml", "--user", "a.mensah", "--expires", "soon")

	o := p.json(t, "agreement", "simulate", "--data", "d1", "own.yaml")
	if matrix := o["matrix"].(map[string]any); matrix["lost"] == float64(0) || len(matrix["examples"].([]any)) == 0 || o["audited"].(map[string]any)["lost"] != float64(0) {
		t.Errorf("simulated: %v", o)
	}
	o = p.json(t, "agreement", "propose", "--data", "d1", "own.yaml", "--user", "a.mensah", "--note", "trial")
	proposal := o["proposal"].(string)
	p.fails(t, admin.CodeInUse, []string{"another proposal waits", "a.mensah", "agreement approve " + proposal, "--reject"}, "agreement", "propose", "--data", "d1", "first.yaml", "--user", "b.singh")
	p.fails(t, admin.CodeDenied, []string{"rejects another's proposal"}, "agreement", "approve", "--data", "d1", proposal, "--user", "it1", "--role", "admin", "--reject")
	if o := p.json(t, "agreement", "approve", "--data", "d1", proposal, "--user", "A.Mensah", "--role", "records-staff", "--reject"); o["state"] != "rejected" {
		t.Errorf("who proposed it, in whatever role, takes it back: %v", o)
	}
	proposal = p.json(t, "agreement", "propose", "--data", "d1", "own.yaml", "--user", "a.mensah", "--note", "trial")["proposal"].(string)
	p.fails(t, admin.CodeDenied, []string{"a.mensah", "second person"}, "agreement", "approve", "--data", "d1", proposal, "--user", "a.mensah")
	p.fails(t, admin.CodeDenied, []string{"governance-lead or privacy-officer"}, "agreement", "approve", "--data", "d1", proposal, "--user", "j.okafor", "--role", "admin")
	p.fails(t, admin.CodeNotFound, []string{"no proposal"}, "agreement", "approve", "--data", "d1", "4b1f", "--user", "j.okafor")
	if o := p.json(t, "agreement", "show", "--data", "d1"); len(o.list(t, "versions")) != 1 || len(o.list(t, "proposals")) != 1 {
		t.Errorf("before the approval: %v", o)
	}
	if o := p.json(t, "agreement", "approve", "--data", "d1", proposal, "--user", "j.okafor"); o["committed"] != true || o["version"] != float64(2) {
		t.Errorf("approved: %v", o)
	}
	if v := p.json(t, "agreement", "show", "--data", "d1").list(t, "versions")[0]; v["proposer"] != "a.mensah" || v["approver"] != "j.okafor" || v["note"] != "trial" || v["version"] != float64(2) || v["statement"] == "" {
		t.Errorf("in force: %v", v)
	}

	if o := p.json(t, "why", "--data", "d1", id, "--by", "j.okafor"); o["outcome"] != "PERMIT" || o["agreement"] != float64(2) || !strings.Contains(strings.Join(texts(o["chain"]), "\n"), "own-records") {
		t.Errorf("why: %v", o)
	}
	if o := p.json(t, "why", "--data", "d1", id, "--role", "researcher", "--purpose", "HRESCH", "--by", "j.okafor", "--as", "records-staff"); o["outcome"] == "PERMIT" || o["told"] == "" {
		t.Errorf("why not: %v", o)
	}
	p.fails(t, admin.CodeDenied, []string{"nurse"}, "why", "--data", "d1", id, "--as", "nurse")
	p.fails(t, admin.CodeDenied, []string{"nurse"}, "who", "--data", "d1", id, "--as", "nurse")
	p.fails(t, admin.CodeNotFound, []string{"RXX"}, "why", "--data", "d1", id, "--trust", "RXX")
	if all := p.json(t, "who", "--data", "d1", id).list(t, "access"); len(all) == 0 || all[0]["trust"] != "RYJ" || all[0]["open"] != true {
		t.Errorf("who: %v", all)
	}

	p.fails(t, admin.CodeBadInput, []string{"in force already"}, "agreement", "rollback", "--data", "d1", "2", "--user", "a.mensah")
	p.fails(t, admin.CodeNotFound, []string{"no version 7"}, "agreement", "rollback", "--data", "d1", "7", "--user", "a.mensah")
	back := p.json(t, "agreement", "rollback", "--data", "d1", "1", "--user", "a.mensah")["proposal"].(string)
	p.json(t, "agreement", "approve", "--data", "d1", back, "--user", "j.okafor")
	var states []string
	for _, v := range p.json(t, "agreement", "history", "--data", "d1").list(t, "versions") {
		states = append(states, v["state"].(string))
	}
	if got := strings.Join(states, " "); got != "in_force superseded superseded" {
		t.Errorf("history: %s", got)
	}
}

// TestDraftsThatAreWrong are checked where no node runs, and fail with their place.
func TestDraftsThatAreWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deep := "permit(principal, action, resource) when { " + strings.Repeat("(", 400) + "true" + strings.Repeat(")", 400) + " };"
	for _, c := range []struct {
		name, file, text string
		words            []string
	}{
		{"an unknown role", "a.yaml", "name: x\nblocks:\n  - block: own-records\n    roles: [docter]\n", []string{"a.yaml:4:", "error", "docter"}},
		{"an unknown block", "a.yaml", "name: x\nblocks:\n  - block: everything\n", []string{"a.yaml:3:", "everything"}},
		{"an alias that loops", "a.yaml", "name: x\nblocks: &b\n  - *b\n", []string{"a.yaml:2:", "error"}},
		{"deep nesting", "a.yaml", "name: x\nblocks: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\n", []string{"a.yaml:", "error"}},
		{"deep Cedar", "a.cedar", deep, []string{"a.cedar:1:", "error"}},
		{"no Cedar", "a.cedar", "permit(principal\n", []string{"a.cedar:", "error"}},
		{"Cedar with an unknown role", "a", "@id(\"x\")\npermit(principal in Role::\"docter\", action, resource);\n", []string{"a:2:", "docter"}},
		{"own staff locked out", "a.cedar", "@id(\"x\")\nforbid(principal, action, resource);\n", []string{"locks-out-own"}},
		{"too large a form", "a.yaml", "name: " + strings.Repeat("x", 70<<10) + "\n", []string{"a.yaml:1:1", "at most"}},
		{"too large Cedar", "a.cedar", strings.Repeat("// x\n", 50<<10), []string{"a.cedar:", "error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.file)
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			e := here("agreement", "check", path, "--trust", "RYJ")
			if e.status != 2 {
				t.Errorf("status %d: %v", e.status, e)
			}
			for _, w := range c.words {
				if !strings.Contains(e.out, w) {
					t.Errorf("the answer lacks %q:\n%s", w, clip(e.out, 2000))
				}
			}
			if o := here("agreement", "check", path, "--trust", "RYJ", "--json").only(t); o["errors"] == float64(0) {
				t.Errorf("got %v", o)
			}
		})
	}
	if e := here("agreement", "check", "--trust", "RYJ", "--data", dir, "draft.yaml"); e.status != 2 || !strings.Contains(e.errOut, "check --trust' makes no use of --data") {
		t.Errorf("a node is named, and a trust instead of one: %v", e)
	}
	for _, args := range [][]string{{"nowhere.yaml"}, {dir}, {os.DevNull}} {
		here(append([]string{"agreement", "check", "--json"}, args...)...).failure(t, admin.CodeBadInput)
	}
	if e := typed(t, ownOnly, "agreement", "check", "-", "--cedar"); e.status != 0 || !strings.HasPrefix(e.out, "//") || !strings.Contains(e.errOut, "-: 0 errors") {
		t.Errorf("from standard input: %v", e)
	}
}

// TestStarterFormAndEveryBlockCheck so that what is shown to begin with is right.
func TestStarterFormAndEveryBlockCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "first.yaml")
	if e := here("agreement", "init", path); e.status != 0 {
		t.Fatal(e)
	}
	if o := here("agreement", "check", path, "--trust", "RYJ", "--json").only(t); o["errors"] != float64(0) || o["warnings"] != float64(0) {
		t.Errorf("got %v", o)
	}
	for _, b := range here("agreement", "blocks", "--json").only(t).list(t, "blocks") {
		text := "name: x\nblocks:\n  - block: own-records\n    id: own\n"
		for l := range strings.Lines(b["example"].(string)) {
			text += "  " + l
		}
		if e := typed(t, text, "agreement", "check", "-", "--trust", "RYJ"); e.status != 0 {
			t.Errorf("%s: %v", b["name"], e)
		}
	}
}

// TestSchemaIsPrintedAsEditorsReadIt, the same in both forms.
func TestSchemaIsPrintedAsEditorsReadIt(t *testing.T) {
	t.Parallel()
	plain := here("agreement", "schema")
	if plain.status != 0 || !strings.Contains(plain.out, "\nentity User in [Trust, Role] {") || !strings.Contains(plain.out, "\naction see, open, open_break_glass, export appliesTo {") {
		t.Errorf("got %v", plain)
	}
	if o := here("agreement", "schema", "--json").only(t); o["schema"] != plain.out {
		t.Errorf("got %v", o)
	}
}

// TestAnswersAboutAgreementsKeepTheirForm and fit 80 columns.
func TestAnswersAboutAgreementsKeepTheirForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC).UnixMicro()
	later := time.Date(2027, 12, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	for name, show := range map[string]func(*app){
		"simulate": func(a *app) {
			a.showImpact("What was asked for since 2026-11-01T00:00:00Z: 1,204 requests", &admin.Impact{
				Decided: 1204, Before: 1100, After: 1010, Gained: 10, Lost: 100, Skipped: 3,
				Counts: []*admin.ImpactCount{
					{By: "role", Value: "nurse", Lost: 90}, {By: "role", Value: "pharmacist", Gained: 10, Lost: 10}, {By: "trust", Value: "any other trust", Gained: 10, Lost: 100},
				},
				Examples: []*admin.ImpactExample{{
					Request: "nurse of RAS opens RYJ-4K7QZ2M9X1B3C5D7 for TREAT (confidentiality N; type 373942005; category 734163000)",
					Before:  []string{"Permitted.", "agreement/direct-care of RYJ, version 3: direct care by clinician of any trust of the region"}, After: []string{"Refused."},
				}},
			})
			a.showImpact("What could be asked for", &admin.Impact{Decided: 10, Before: 5, After: 5})
		},
		"history": func(a *app) {
			a.showHistory(&admin.AgreementsReply{
				Versions: []*admin.AgreementVersion{
					{Version: 2, State: "in_force", Effective: at, Expires: later, Proposer: "a.mensah", Approver: "j.okafor", Note: "yearly review"},
					{Version: 1, State: "superseded", Effective: at},
				},
				Proposals: []*admin.AgreementProposal{{Id: "4b1f22c09a7e", State: "rejected", At: at, By: "a.mensah", DecidedBy: "j.okafor", Note: "too wide"}},
			})
		},
		"show": func(a *app) {
			a.showAgreements(&admin.AgreementsReply{
				Trust: "RYJ", Warnings: []string{"version 2 of the agreement expires on 1 December 2027 00:00 UTC, and none follows: from then on nothing that RYJ holds is released"},
				Versions: []*admin.AgreementVersion{{
					Trust: "RYJ", Version: 2, State: "in_force", Effective: at, Expires: later, Proposer: "a.mensah", Approver: "j.okafor", Note: "yearly review", Signed: at, Index: 77,
					Statement: strings.Repeat("ab", 32), Cedar: "// nothing\n",
				}},
				Proposals: []*admin.AgreementProposal{{Id: "4b1f22c09a7e", State: "proposed", At: at, By: "a.mensah", Note: "wider"}},
			})
		},
		"why": func(a *app) {
			a.showWhy(&admin.WhyReply{
				Question: "nurse of RAS opens RYJ-4K7QZ2M9X1B3C5D7 for TREAT (confidentiality N; type 373942005; category 734163000)", Outcome: "DENIED", Told: "There is no such document.",
				Chain: []string{"Refused.", "The user is told: There is no such document.", "3 directive: the patient objects, recorded by RAS, agreed at 12", "4 agreement/direct-care of RYJ, version 3: direct care by clinician of any trust"},
			})
		},
		"who": func(a *app) {
			a.showWho(&admin.WhoReply{Access: []*admin.Access{
				{Trust: "RAS", Role: "doctor", Purpose: "TREAT", See: true, Open: true},
				{Trust: "RAS", Role: "doctor", Purpose: "COC", See: true, Open: true},
				{Trust: "RAS", Role: "nurse", Purpose: "TREAT", See: true, Open: true},
				{Trust: "RAS", Role: "nurse", Purpose: "COC", See: true, Open: true},
				{Trust: "R1K", Role: "doctor", Purpose: "BTG", Glass: true, Relationships: []string{"referral", "mdt"}},
				{Trust: "RYJ", Role: "nurse", Purpose: "COC", See: true, Rule: "a"},
				{Trust: "RYJ", Role: "nurse", Purpose: "TREAT", See: true, Rule: "b"},
				{Trust: "RYJ", Role: "doctor", Purpose: "TREAT", See: true, Rule: "b"},
				{Trust: "RYJ", Role: "doctor", Purpose: "COC", See: true, Rule: "b"},
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			show(&app{terminal: terminal{out: &out}, data: "d1"})
			path := filepath.Join("testdata", "agreement-"+name+".golden")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || out.String() != string(want) {
				t.Errorf("%v; want\n%s\ngot\n%s", err, want, out.String())
			}
			for l := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > screenWidth {
					t.Errorf("%d columns: %s", n, l)
				}
			}
		})
	}
}

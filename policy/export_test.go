package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func TestExportIsDecidedByTheAgreement(t *testing.T) {
	for _, tt := range []struct {
		name, blocks string
		action       Action
		glass        bool
		want         Outcome
	}{
		{"open where open is shared", rasBlock, Open, false, Permit},
		{"export where open is shared", rasBlock, Export, false, Denied},
		{"export where export is shared", "  - {block: direct-care, trusts: RAS, actions: [see, open, export]}\n", Export, false, Permit},
		{"export where a limit takes it away", "  - {block: direct-care, trusts: RAS, actions: [see, open, export]}\n  - {block: only-types, types: [b], actions: [export]}\n", Export, false, Denied},
		{"export in an emergency", glassBlock, Export, true, Denied},
		{"open in an emergency", glassBlock, Open, true, Permit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, f := good(t)
			f.Agreement, r.Action, r.BreakGlass = compileForm(t, tt.blocks), tt.action, tt.glass
			if d := Decide(r, f); d.Outcome != tt.want {
				t.Errorf("got %v", Explain(d))
			}
		})
	}
	r, f := good(t)
	f.Agreement, r.Action = compileForm(t, "  - {block: direct-care, trusts: RAS, actions: [see, open, export]}\n"), Export
	f.LeaseAge = f.LeaseLimit + 1
	if d := Decide(r, f); d.Outcome != StalePolicy {
		t.Errorf("an export needs no lease: %v", Explain(d))
	}
}

func TestMatrixAsksForExportWhereARulePermitsIt(t *testing.T) {
	count := func(blocks string) (n int) {
		for c := range Matrix("RYJ", now, compileForm(t, blocks)) {
			if c.Request.Action == Export {
				n++
			}
		}
		return n
	}
	if count(rasBlock+"  - {block: only-types, types: [b]}\n") != 0 || count("  - {block: direct-care, trusts: RAS, actions: [export]}\n") == 0 {
		t.Error("the matrix does not follow the agreements")
	}
}

func TestWhoSaysWhoMayExport(t *testing.T) {
	r, f := good(t)
	f.Agreement = compileForm(t, "  - {block: direct-care, trusts: [RAS, RXX], roles: doctor}\n  - {block: direct-care, trusts: RAS, roles: doctor, purposes: TREAT, actions: [export]}\n")
	var found []string
	for _, a := range Who(r.Document, f, []federation.TrustID{"RAS", "RXX"}, now) {
		if a.Action == "export" {
			found = append(found, string(a.Trust)+" "+commas(a.Roles)+" "+commas(a.Purposes))
		}
	}
	if !slices.Equal(found, []string{"RAS doctor TREAT"}) {
		t.Errorf("got %q", found)
	}
}

// TestChainSaysWhetherARelationshipWasVerified wants each form to be told apart, and none to be told as more than it is.
func TestChainSaysWhetherARelationshipWasVerified(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		link       Relationship
		says       string
		isVerified bool
		need       Outcome // under an agreement that needs a verified referral
	}{
		"none":                {Relationship{}, "", false, Denied},
		"stated":              {Relationship{Kind: Referral}, "referral: stated by the user, without evidence", false, Denied},
		"with evidence":       {Relationship{Kind: Referral, Evidence: "x"}, "referral: stated by the user; the evidence that they name was found in nobody's records", false, Denied},
		"verified":            {Relationship{Kind: Referral, Evidence: "x", Verified: true, By: "RAS", At: at}, "referral: RAS found the evidence in its records at 05:06 on 4 March 2026", true, Permit},
		"verified, and other": {Relationship{Kind: SelfClaimed, Evidence: "x", Verified: true, By: "RAS", At: at}, "self-claimed: RAS found", true, Denied},
	} {
		t.Run(name, func(t *testing.T) {
			r, f := good(t)
			r.Link = tt.link
			f.Agreement = compileForm(t, rasBlock+"  - {block: need-relationship, kinds: referral}\n")
			d := Decide(r, f)
			if d.Outcome != tt.need {
				t.Errorf("decided %s", d.Outcome)
			}
			var chain []string
			for _, reason := range d.Chain {
				chain = append(chain, reason.String())
			}
			lines, said := strings.Join(chain, "\n"), strings.Join(Explain(d), "\n")
			if !strings.Contains(said, tt.says) || VerifiedIn(lines) != tt.isVerified || (tt.says == "") != !strings.Contains(said, "The relationship with the patient") {
				t.Errorf("chain %q, explained %q", lines, said)
			}
		})
	}
	if VerifiedIn("relationship-stated: relationship-verified: x") {
		t.Error("what a user has written is taken for the word of a node")
	}
}

func TestConflictOfRulesShowsBothSides(t *testing.T) {
	r, f := good(t)
	f.Agreement, f.AgreementVersion, r.Document.Type = compileForm(t, rasBlock+"  - {block: only-types, types: [b]}\n"), 7, "a"
	d := Decide(r, f)
	if d.Permitted() || decisive(d) != "agreement/only-types" {
		t.Fatalf("decided by %v", Explain(d))
	}
	lost := Overruled(r, f)
	if len(lost) != 1 || lost[0].Rule != "agreement/direct-care" || lost[0].Version != 7 {
		t.Fatalf("overruled %v", lost)
	}
	if said := ExplainOverruled(lost); len(said) != 1 || !strings.Contains(said[0], "version 7, rule direct-care permits open") || !strings.HasSuffix(said[0], "wins over any that permits.") {
		t.Errorf("in words %q", said)
	}
	for name, blocks := range map[string]string{"nothing permits": ownBlock, "nothing forbids": rasBlock} {
		f.Agreement = compileForm(t, blocks)
		if lost := Overruled(r, f); len(lost) != 0 {
			t.Errorf("%s: %v", name, lost)
		}
	}
}

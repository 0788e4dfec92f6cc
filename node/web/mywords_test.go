package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// A patient is told in plain words which of two choices counts, and nothing that they cannot do here. The words that are put in plain
// ones are those of the rules themselves.
func TestPatientsReadWhichChoiceCounts(t *testing.T) {
	names := func(t federation.TrustID) string { return "Hospital " + string(t) }
	at := func(v uint64, no bool, s federation.Scope) policy.Directive {
		effect := federation.Consent
		if no {
			effect = federation.Object
		}
		return policy.Directive{ID: federation.DirectiveID{byte(v)}, Effect: effect, Version: v, By: "RYJ", Scope: s}
	}
	for name, c := range map[string]struct {
		a, b policy.Directive
		says string
	}{
		"a no that covers more": {at(1, true, federation.Scope{}), at(2, false, federation.Scope{Trust: "RAS"}), "counts first. Where it says no, this does not change it"},
		"a newer yes":           {at(1, true, federation.Scope{Trust: "RAS"}), at(2, false, federation.Scope{Trust: "RAS"}), "is newer, so it counts"},
	} {
		all := policy.Conflicts([]policy.Directive{c.a, c.b}, time.Unix(1, 0), names)
		if len(all) != 1 {
			t.Fatalf("%s: %d conflicts", name, len(all))
		}
		got := againstWords(all[0].Text)
		if !strings.Contains(got, c.says) {
			t.Errorf("%s: %q", name, got)
		}
		for _, clumsy := range []string{"exception", "refusal", "consent", `"`} {
			if strings.Contains(got, clumsy) {
				t.Errorf("%s: says %q: %q", name, clumsy, got)
			}
		}
	}
}

func TestPatientsReadWhatADocumentIsCalled(t *testing.T) {
	sharing := &Shares{Trusts: []SharedTrust{{Named: Named{Code: "R1K", Name: "London"}, Documents: []SharedDocument{{ID: "R1K-SD3NCAGAC6KCRNAH", Title: "A summary", Date: time.Date(2024, 1, 20, 0, 0, 0, 0, time.UTC)}}}}}
	for text, want := range map[string]string{
		"Nobody may see the one document R1K-SD3NCAGAC6KCRNAH. This stays.": "R1K-SD3NCAGAC6KCRNAH is “A summary” of 20 January 2024. London keeps it.",
		"Nobody may see the one document R1K-0000000000000000.":             "",
		"Nobody may see your records.":                                      "",
	} {
		if got := strings.Join(documentWords(text, sharing), "|"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// What a choice names by its number is named in words on the page that reads it back, in what it differs from too.
func TestTheReadBackNamesTheDocuments(t *testing.T) {
	g := newRig(t)
	g.region.shares = []SharedDocument{{ID: "RYJ-SD3NCAGAC6KCRNAH", Title: "A summary"}}
	g.region.against = []string{`The refusal wins. "Nobody may see the one document RYJ-SD3NCAGAC6KCRNAH." counts before "You agree." It does so wherever both apply.`}
	b := g.browser()
	token := field(t, tokenField, b.signOnAsPatient(numberA).body)
	b.post("/my/choices/new", url.Values{"token": {token}, "kind": {"agree"}, "allowed": {"RYJ"}}).wants(t, 200, "RYJ-SD3NCAGAC6KCRNAH is “A summary”", "counts first", `href="/my/choices">Your choices`)
}

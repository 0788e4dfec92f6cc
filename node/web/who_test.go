package web

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestWhoClaimsNoMoreThanItWasTold: what one role may for one purpose and another role for another is not what both may for both,
// and "any registered health professional" is not said where a kind of them is kept out.
func TestWhoClaimsNoMoreThanItWasTold(t *testing.T) {
	p := &Portal{config: Config{Names: func(t federation.TrustID) string { return string(t) }}}
	var all []*admin.Access
	add := func(role, purpose string) {
		all = append(all, &admin.Access{Trust: "RAS", Role: role, Purpose: purpose, See: true, Rule: "direct-care"})
	}
	for _, r := range policy.Roles() {
		if (r.Code == "clinician" || r.Group == "clinician") && r.Code != "pharmacist" {
			add(r.Code, "TREAT")
		}
	}
	add("doctor", "COC")
	rows := p.accessRows(all)
	if len(rows) != 2 {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	for _, r := range rows {
		for _, role := range []string{"Any registered health professional in direct care", "Pharmacist or pharmacy technician"} {
			if strings.Contains(r.Roles, role) {
				t.Errorf("%q named for %q", r.Roles, r.Purposes)
			}
		}
		if both := strings.Contains(r.Purposes, purposeName("COC")); both != (r.Roles == "Doctor") {
			t.Errorf("%q may for %q", r.Roles, r.Purposes)
		}
	}
}

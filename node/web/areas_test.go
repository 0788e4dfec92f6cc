package web

import (
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestRolesReachTheirAreasOnly pins who is let into which part of the portal.
func TestRolesReachTheirAreasOnly(t *testing.T) {
	want := map[string][]string{
		"doctor":          {"/find"},
		"nurse":           {"/find"},
		"records-staff":   {"/find", "/documents", "/wishes", "/labels", "/audit", "/why", "/region"},
		"governance-lead": {"/agreements", "/wishes", "/reviews", "/labels", "/audit", "/why", "/suspensions", "/region"},
		"privacy-officer": {"/agreements", "/wishes", "/reviews", "/labels", "/audit", "/why", "/suspensions", "/region"},
		"admin":           {"/region"},
		"researcher":      nil,
		"system":          nil,
		"no-such-role":    nil,
	}
	for role, paths := range want {
		var got []string
		for _, a := range areasOf(role) {
			got = append(got, a.Path)
		}
		if !slices.Equal(got, paths) {
			t.Errorf("%s reaches %v, want %v", role, got, paths)
		}
	}
	for _, a := range areas() {
		for _, role := range a.roles {
			if !slices.ContainsFunc(policy.Roles(), func(r policy.Role) bool { return r.Code == role }) {
				t.Errorf("%s is for %q, which is no role", a.Path, role)
			}
		}
	}
}

// TestPagesOfOtherRolesAreRefused signs people on and has them type addresses that are not theirs.
func TestPagesOfOtherRolesAreRefused(t *testing.T) {
	g := newRig(t)
	for who, to := range map[string]string{"t.hughes": "/find", "n.ferreira": "/patients/any"} {
		b := g.browser()
		b.signOn(who)
		b.get(to).wants(t, 403, "not for your role")
	}
}

// TestPeopleBeginWhereTheirWorkWaits: the page after a sign-on is that of the role's first duty.
func TestPeopleBeginWhereTheirWorkWaits(t *testing.T) {
	for role, want := range map[string]string{
		"doctor": "/find", "pharmacist": "/find", "records-staff": "/find", "governance-lead": "/agreements", "privacy-officer": "/reviews", "admin": "/region", "no-such-role": nothingPath,
	} {
		if got := beginning(role); got != want {
			t.Errorf("%s begins at %s, want %s", role, got, want)
		}
	}
}

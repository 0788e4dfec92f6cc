package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestASuspendedUserIsOutAtOnce(t *testing.T) {
	g := governed(t)
	nurse, lead := g.browser(), g.browser()
	nurse.signOn("j.price").wants(t, 200, "Find a patient")
	other := g.browser()
	other.signOn("j.price")
	lead.signOn("n.ferreira")
	token := lead.token()
	lead.post("/suspensions", url.Values{"token": {token}, "do": {"user"}, "user": {"j.price"}}).wants(t, 422, "Say why")
	nurse.get("/find").wants(t, 200)
	lead.follow(lead.post("/suspensions", url.Values{"token": {token}, "do": {"user"}, "user": {"j.price"}, "user-reason": {"badge stolen"}})).wants(t, 200, "The member of staff is suspended", "badge stolen")
	for _, b := range []*browser{nurse, other} {
		if got := b.get("/find"); got.StatusCode == http.StatusOK {
			t.Errorf("a suspended user still gets pages: %d", got.StatusCode)
		}
	}
	// A suspension that was made elsewhere ends the sessions too.
	fresh := g.browser()
	fresh.signOn("j.price").wants(t, 403, "Your access is suspended")
	g.region.govern.Lock()
	g.region.shut = map[string]string{"a.okafor": "made at the command line"}
	g.region.govern.Unlock()
	fresh.signOn("j.price").wants(t, 200, "Find a patient")
	doctor := g.browser()
	doctor.signOn("a.okafor").wants(t, 403, "Your access is suspended")
	lead.post("/suspensions", url.Values{"token": {token}, "do": {"user"}, "user": {"n.ferreira"}, "user-reason": {"r"}}).wants(t, 422, "cannot suspend themselves")
	lead.follow(lead.post("/suspensions", url.Values{"token": {token}, "do": {"lift-user"}, "user": {"a.okafor"}})).wants(t, 200, "Nobody is suspended")
	doctor.signOn("a.okafor").wants(t, 200, "Find a patient")
}

func TestASessionEndsWhenItsUserIsSuspended(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("a.okafor")
	path := b.open(numberA)
	g.region.govern.Lock()
	g.region.shut = map[string]string{"a.okafor": "made at the command line"}
	g.region.govern.Unlock()
	r := b.request("GET", path, nil)
	r.Header.Set("HX-Request", "true")
	if got := b.do(r); got.StatusCode != http.StatusUnauthorized || got.Header.Get("HX-Redirect") != "/sign-on" {
		t.Errorf("a script of a suspended user gets %d", got.StatusCode)
	}
	g.region.govern.Lock()
	g.region.shut = nil
	g.region.govern.Unlock()
	b.get(path).wants(t, 303) // the session does not come to life again
}

// What does not go through the ordinary door asks by itself: uploads, and pages that are kept up to date.
func TestSuspendedStaffTakeNothingInAndSeeNothingLive(t *testing.T) {
	for name, ask := range map[string]func(b *browser, path, token string) visit{
		"an upload": func(b *browser, path, token string) visit {
			return b.upload(path+"/take", nil, say("token", token), say("type", "373942005"), say("date", "2026-03-01"), part{"files", "a.txt", strings.NewReader("x")})
		},
		"the live page": func(b *browser, _, _ string) visit { return b.get("/region/events") },
	} {
		t.Run(name, func(t *testing.T) {
			g := governed(t)
			b, path, token := g.filer()
			g.region.govern.Lock()
			g.region.shut = map[string]string{"s.lindqvist": "made at the command line"}
			g.region.govern.Unlock()
			if got := ask(b, path, token); got.StatusCode != http.StatusForbidden && got.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s answers %d: %.200s", path, got.StatusCode, got.body)
			}
		})
	}
}

func TestATrustIsSuspendedByProposal(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	b := g.browser()
	b.signOn("d.banerjee")
	b.get("/suspensions").wants(t, 200, "stolen keys", "1 of 2 trusts have approved", "Lift it")
	token := b.token()
	b.post("/suspensions", url.Values{"token": {token}, "do": {"trust"}, "trust": {"RYJ"}, "trust-reason": {"lost keys"}}).wants(t, 422, "Confirm that you know what this does")
	if len(f.suspends) != 0 {
		t.Fatal("a trust was suspended that nobody was sure of")
	}
	b.follow(b.post("/suspensions", url.Values{"token": {token}, "do": {"trust"}, "trust": {"RYJ"}, "trust-reason": {"lost keys"}, "sure": {"1"}})).wants(t, 200, "takes effect when enough trusts have approved")
	b.follow(b.post("/suspensions", url.Values{"token": {token}, "do": {"lift-trust"}, "trust": {"R1K"}})).wants(t, 200)
	b.post("/suspensions", url.Values{"token": {token}, "do": {"approve"}, "proposal": {"p-77"}}).wants(t, 303)
	if q := f.suspends[0]; q.GetBy().GetUser() != "d.banerjee" || q.GetReason() != "lost keys" || !f.suspends[1].GetLift() || f.approvals[0].GetProposal() != "p-77" || f.approvals[0].GetBy().GetRole() != "governance-lead" {
		t.Errorf("asked for %v and %v", f.suspends, f.approvals)
	}
	b.post("/suspensions", url.Values{"token": {token}}).wants(t, 422, "Choose what to do")
}

package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// fakeAttending keeps what is written down of who comes and goes.
type fakeAttending struct {
	coming sync.Mutex
	came   []Attendance
	shutUp bool // nothing more can be written
}

func (f *fakeAttending) Attend(_ context.Context, a *Attendance) error {
	f.coming.Lock()
	defer f.coming.Unlock()
	if f.shutUp {
		return admin.Errorf(admin.CodeUnavailable, "the audit log cannot be written")
	}
	f.came = append(f.came, *a)
	return nil
}

// told returns what was written since it was asked last.
func (f *fakeAttending) told() (out []string) {
	f.coming.Lock()
	defer f.coming.Unlock()
	for _, a := range f.came {
		way := "in"
		if a.Out {
			way = "out"
		}
		if a.Refused {
			way = "refused"
		}
		out = append(out, fmt.Sprintf("%s %s/%s/%s: %s", way, a.User, a.Role, a.Patient, a.What))
	}
	f.came = nil
	return out
}

func wrote(t *testing.T, g *rig, want ...string) {
	t.Helper()
	got := g.region.told()
	if !slices.Equal(got, want) {
		t.Errorf("written down: %q, want %q", got, want)
	}
}

func TestWhoComesAndGoesIsWrittenDown(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOn("a.okafor")
	wrote(t, g, "in a.okafor/doctor/: signed on")
	g.clock.move(11 * time.Minute)
	if to := b.get("/find").Header.Get("Location"); to != "/locked" {
		t.Fatalf("an idle session leads to %q", to)
	}
	wrote(t, g, "out a.okafor/doctor/: locked: not used for 10 minutes")
	b.signOn("a.okafor")
	wrote(t, g, "in a.okafor/doctor/: proved again who they are: the session was locked")
	b.signOn("j.price")
	wrote(t, g, "in j.price/nurse/: signed on", "out a.okafor/doctor/: signed out: another person signed on in their browser")
	second := g.browser()
	second.signOn("j.price")
	g.region.told()
	token := field(t, tokenField, second.get("/find").body)
	second.post("/log-out", url.Values{"token": {"forged"}})
	wrote(t, g)
	second.post("/log-out", url.Values{"token": {token}, "everywhere": {"1"}})
	wrote(t, g, "out j.price/nurse/: signed out on all devices: 2 sessions")
	second.post("/log-out", url.Values{"token": {token}})
	wrote(t, g)
	b.signOn("j.price")
	g.region.told()
	b.post("/log-out", url.Values{"token": {field(t, tokenField, b.get("/find").body)}})
	wrote(t, g, "out j.price/nurse/: signed out")
}

func TestRefusedSignOnsAreWrittenDown(t *testing.T) {
	g := newRig(t)
	for name, attack := range map[string]func(b *browser) visit{
		"without the browser's cookie": func(b *browser) visit { return g.browser().get(b.callback()) },
		"too late":                     func(b *browser) visit { to := b.callback(); g.clock.move(signOnTime + time.Second); return b.get(to) },
	} {
		attack(g.browser())
		if got := g.region.told(); len(got) > 0 { // whoever sends a request could fill the log
			t.Errorf("%s: nothing of this portal was under way, and written down is %q", name, got)
		}
	}
	b := g.browser()
	u, _ := url.Parse(b.callback())
	q := u.Query()
	q.Set("state", "forged")
	b.get(u.Path+"?"+q.Encode()).wants(t, http.StatusForbidden)
	wrote(t, g, "refused //: refused: the answer is to another question")

	delete(g.portal.signOn.settings.Roles, "nurse") // a role that this trust does not map
	b.signOn("j.price")
	wrote(t, g, "refused j.price//: refused: your role is not one that may use this portal")
	g.portal.signOn.settings.Assurance = []string{"aal3"}
	b.signOn("a.okafor") // a step-up that the provider did not do
	wrote(t, g, "refused a.okafor//: refused: this service asks for a stricter sign-on than you used, such as with a smartcard or a second step")
	g.portal.signOn.settings.Assurance = nil

	b.signOn("a.okafor")
	g.region.told()
	g.region.shut = map[string]string{"a.okafor": "badge stolen"}
	b.get("/find").wants(t, http.StatusForbidden, "suspended")
	wrote(t, g, "out a.okafor//: signed out: their access is suspended, and 1 sessions were ended")
	b.signOn("a.okafor").wants(t, http.StatusForbidden, "suspended")
	wrote(t, g, "refused a.okafor/doctor/: refused: their access is suspended")
}

func TestPatientsStandInTheLogOnceTheyAreProved(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	b.signOnAsPatient(numberA)
	wrote(t, g, "in //"+numberA+": signed on; checked as strictly as P9.Cp.Cd")
	b.post("/my/log-out", url.Values{"token": {field(t, tokenField, b.get("/my").body)}})
	wrote(t, g, "out //"+numberA+": signed out")
	g.portal.patients.personas.people[0].claims["identity_proofing_level"] = "P5"
	b.signOnAsPatient(numberA).wants(t, http.StatusForbidden, "You are not signed in")
	wrote(t, g, "refused //: refused: you have not yet proved who you are with your papers, such as a passport. Do this in your NHS login, then come back")
	g.region.coming.Lock()
	defer g.region.coming.Unlock()
	if strings.Contains(g.log.String(), numberA) {
		t.Error("the portal's log has the number")
	}
}

func TestNobodyComesInUnseen(t *testing.T) {
	g := newRig(t)
	b, mine := g.browser(), g.browser()
	b.signOn("a.okafor")
	g.region.shutUp = true
	other := g.browser()
	other.signOn("j.price").wants(t, http.StatusServiceUnavailable, "You cannot sign on at the moment")
	if other.session() != "" {
		t.Error("a session was begun that is not written down")
	}
	mine.signOnAsPatient(numberA).wants(t, http.StatusServiceUnavailable, "You cannot sign in now")
	if to := mine.get("/my").Header.Get("Location"); to != "/my/sign-on" {
		t.Errorf("a patient who is not written down is led to %q", to)
	}
	// But everybody goes out.
	b.post("/log-out", url.Values{"token": {field(t, tokenField, b.get("/find").body)}})
	if to := b.get("/find").Header.Get("Location"); to != "/sign-on" {
		t.Errorf("after signing out /find leads to %q", to)
	}
}

func TestStrangersCannotFillTheLog(t *testing.T) {
	var x turnedAway
	now := time.Now()
	written, counted := 0, 0
	for i := range 1000 {
		missed, write := x.next("", now.Add(time.Duration(i)*10*time.Millisecond))
		if write {
			written++
			counted += missed
		}
	}
	if written < refusalsAtOnce || written > refusalsAtOnce+11 {
		t.Errorf("%d of 1,000 refusals within 10 s are written down", written)
	}
	if missed, write := x.next("", now.Add(time.Hour)); !write || missed+counted+written != 1000 {
		t.Errorf("%d are written down, %d counted and %d counted in the end", written, counted, missed)
	}
}

func TestStrangersKeepNobodysRefusalOutOfTheLog(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	for range 2 * refusalsAtOnce {
		g.portal.refused(b.request("GET", "/", nil), Attendance{}, "the answer is to another question")
	}
	if got := g.region.told(); len(got) != refusalsAtOnce {
		t.Errorf("%d refusals of strangers are written down", len(got))
	}
	g.region.shut = map[string]string{"a.okafor": "badge stolen", "j.price": "badge stolen"}
	b.signOn("a.okafor").wants(t, http.StatusForbidden, "suspended")
	wrote(t, g, "refused a.okafor/doctor/: refused: their access is suspended")
	for range 2 * ownAtOnce {
		b.signOn("a.okafor").wants(t, http.StatusForbidden, "suspended")
	}
	if got := g.region.told(); len(got) != ownAtOnce-1 {
		t.Errorf("%d more refusals of one person are written down", len(got))
	}
	b.signOn("j.price").wants(t, http.StatusForbidden, "suspended") // nor does one person another's
	wrote(t, g, "refused j.price/nurse/: refused: their access is suspended")
	g.clock.move(ownEvery)
	g.region.shutUp = true
	b.signOn("a.okafor").wants(t, http.StatusForbidden, "suspended")
	g.clock.move(ownEvery)
	g.region.shutUp = false
	b.signOn("a.okafor").wants(t, http.StatusForbidden, "suspended")
	wrote(t, g, fmt.Sprintf("refused a.okafor/doctor/: refused: their access is suspended. %d more refused sign-ons before this one were not written down each", ownAtOnce+2))
}

func TestWhoIsForgottenStaysCounted(t *testing.T) {
	var x turnedAway
	now := time.Now()
	for range ownAtOnce + 5 {
		x.next("a.okafor", now)
	}
	for i := range 2 * maxAddresses {
		x.next(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if missed, write := x.next("", now); !write || missed != 5 || len(x.proved) > maxAddresses {
		t.Errorf("%d were missed, and %d people are known", missed, len(x.proved))
	}
}

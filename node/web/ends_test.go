package web

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

func TestSessionsThatEndByThemselvesAreWrittenDown(t *testing.T) {
	g := newRig(t)
	round := func(want ...string) {
		t.Helper()
		g.portal.round(t.Context(), false)
		wrote(t, g, want...)
	}
	b, own := g.browser(), g.browser()
	b.signOn("a.okafor")
	own.signOnAsPatient(numberA)
	g.region.told()
	g.clock.move(9 * time.Minute)
	round()
	g.clock.move(time.Minute) // nobody asks for anything
	g.region.shutUp = true
	round()
	g.region.shutUp = false
	round("out a.okafor/doctor/: locked: not used for 10 minutes", "out //"+numberA+": signed out: not used for 10 minutes")
	round() // once
	if to := own.get("/my").Header.Get("Location"); to != "/my/sign-on" {
		t.Errorf("a patient whose session has ended is led to %q", to)
	}

	// The browser comes straight back from the provider: what is written stands in its order.
	b.signOn("a.okafor")
	g.region.told()
	g.clock.move(11 * time.Minute)
	b.signOn("a.okafor")
	wrote(t, g, "out a.okafor/doctor/: locked: not used for 10 minutes", "in a.okafor/doctor/: proved again who they are: the session was locked")

	// It is locked by the very request in which it goes on: that stands first all the same.
	begun := b.get("/sign-on/start")
	g.region.told()
	g.clock.move(defaultIdle - personaTime + time.Minute)
	picker := b.follow(begun)
	chosen := b.post("/personas", url.Values{"request": {field(t, requestField, picker.body)}, "persona": {"a.okafor"}})
	g.clock.move(personaTime - time.Minute)
	b.follow(chosen)
	wrote(t, g, "out a.okafor/doctor/: locked: not used for 10 minutes", "in a.okafor/doctor/: proved again who they are: the session was locked")

	for range maxOfUser + 1 {
		g.clock.move(time.Second)
		g.browser().signOn("j.price")
	}
	var out []string
	for _, line := range g.region.told() {
		if line != "in j.price/nurse/: signed on" {
			out = append(out, line)
		}
	}
	if len(out) != 1 || out[0] != fmt.Sprintf("out j.price/nurse/: signed out: they have signed on in more than %d places", maxOfUser) {
		t.Errorf("written down of the one too many: %q", out)
	}
	life := g.portal.sessions.life
	for range int(life/(5*time.Minute)) + 1 { // one that is used all the time
		g.clock.move(5 * time.Minute)
		b.get("/find")
	}
	g.portal.round(t.Context(), false)
	ended := 0
	for _, line := range g.region.told() {
		if line == "out a.okafor/doctor/: "+g.portal.sessions.outlived() {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("that the session has lasted %s is written down %d times", life, ended)
	}
}

func TestSessionThatMakesRoomForAnotherIsWrittenDown(t *testing.T) {
	c := &clock{at: time.Now()}
	s := newSessions(time.Minute, time.Hour, c.now)
	for i := range maxSessions {
		x := &session{key: keyOf(fmt.Sprint(i)), user: person{ID: fmt.Sprint(i)}, begun: c.at.Add(time.Duration(i))}
		s.byKey[x.key] = x
	}
	s.begin(person{ID: "one more"}, nil)
	if list := s.ends.take(); len(list) != 1 || list[0].session.user.ID != "0" || list[0].what != "signed out: too many people are signed on" {
		t.Errorf("%d sessions have ended", len(list))
	}
}

func TestWhatWasOnlyCountedIsWrittenDownAtLast(t *testing.T) {
	g := newRig(t)
	refuse := func(user string, n int) {
		for range n {
			g.portal.refused(g.browser().request("GET", "/", nil), Attendance{User: user}, "the answer is to another question")
		}
	}
	refuse("", refusalsAtOnce+7)
	refuse("a.okafor", ownAtOnce+2)
	g.region.told()
	g.portal.round(t.Context(), false) // no allowance yet
	wrote(t, g)
	g.clock.move(ownEvery)
	g.portal.round(t.Context(), false)
	wrote(t, g, "refused a.okafor//: refused: 2 refused sign-ons were not written down each", "refused //: refused: 7 refused sign-ons were not written down each")
	g.portal.round(t.Context(), false)
	wrote(t, g)

	refuse("", refusalsAtOnce+4)
	for i := range maxCounted + 5 {
		refuse(fmt.Sprintf("p%03d", i), ownAtOnce+1)
	}
	g.region.told()
	g.region.shutUp = true
	g.portal.round(t.Context(), true)
	g.region.shutUp = false
	g.stop() // what could not be written is not forgotten
	got := g.region.told()
	left := refusalsAtOnce + 4 - int(ownEvery/time.Second)*refusalsASecond + 1 + 5
	if want := fmt.Sprintf("refused //: refused: %d refused sign-ons were not written down each", left); len(got) != maxCounted+1 || got[maxCounted] != want {
		t.Errorf("%d entries, the last %q, want %q", len(got), got[len(got)-1], want)
	}
}

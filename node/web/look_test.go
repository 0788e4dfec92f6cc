package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestColoursAreKeptInACookie(t *testing.T) {
	b := newRig(t).browser()
	b.get("/sign-on").wants(t, 200, `media="screen and (prefers-color-scheme: dark)"`, `content="light dark"`)
	from := func(look, referer string) string {
		r := b.request("POST", "/look", url.Values{"look": {look}})
		r.Header.Set("Referer", referer)
		return b.do(r).Header.Get("Location")
	}
	if to := from("dark", b.portal.Origin()+"/sign-on?left=1"); to != "/sign-on?left=1" {
		t.Errorf("after the choice it goes on at %q", to)
	}
	for _, page := range []string{"/sign-on", "/my/sign-on"} { // patients have pages of their own
		b.get(page).wants(t, 200, `media="screen"`, `content="dark"`, "As my device")
	}
	from("light", b.portal.Origin()+"/sign-on")
	if page := b.get("/sign-on"); strings.Contains(page.body, "dark.css") {
		t.Error("the light form loads the dark one")
	}
	from("<script>", b.portal.Origin()+"/sign-on")
	b.get("/sign-on").wants(t, 200, `content="light dark"`)
	for _, evil := range []string{"https://evil.example/x", "//evil.example", "javascript:alert(1)", "", b.portal.Origin() + "//evil.example/", b.portal.Origin() + "@evil.example/"} {
		if to := from("dark", evil); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
			t.Errorf("from %q it leads to %q", evil, to)
		}
	}
}

func TestPrintsSayWhoPrinted(t *testing.T) {
	b := newRig(t).browser()
	b.signOn("a.okafor").wants(t, 200, `class="rw-printed">Printed by Dr Amara Okafor (a.okafor), Doctor, The Hillingdon Hospitals`, "Uncontrolled copy")
}

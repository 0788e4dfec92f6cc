package web

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// late sends a form from a page, as a browser does whose session is no longer good for it, and returns where it is led.
func late(b *browser, page string, form url.Values) string {
	r := b.request(http.MethodPost, page, form)
	r.Header.Set("Referer", b.portal.Origin()+page)
	return b.do(r).Header.Get("Location")
}

// What is sent when the session is locked or over comes back to who sent it, once, on its page; and to nobody else.
func TestWhatWasSentTooLateComesBack(t *testing.T) {
	const mark = "data-rw-late="
	for name, c := range map[string]struct {
		passes time.Duration
		to     string
	}{"locked": {defaultIdle + time.Second, "/locked"}, "over": {defaultSession + time.Second, "/sign-on"}} {
		t.Run(name, func(t *testing.T) {
			g := governed(t)
			b := g.browser()
			b.signOn("p.osei")
			form := url.Values{"token": {b.token()}, "outcome": {"not_justified"}, "note": {`asked the "ward" <b>`}}
			g.clock.move(c.passes)
			if to := late(b, "/reviews/RAS-1", form); to != c.to {
				t.Fatalf("led to %q", to)
			}
			page := b.signOn("p.osei")
			page.wants(t, 200, "was not taken", mark, "Judge it")
			if said := html.UnescapeString(page.body); !strings.Contains(said, `{"note":["asked the \"ward\" \u003cb\u003e"],"outcome":["not_justified"]}`) {
				t.Error("what was typed has not come back")
			}
			if strings.Contains(b.get("/reviews/RAS-1").body, mark) {
				t.Error("it comes back twice")
			}
		})
	}
}

func TestWhatWasSentTooLateComesBackToNobodyElse(t *testing.T) {
	const mark = "data-rw-late="
	for name, c := range map[string]struct {
		token, note, who string
	}{
		"another person":  {"", "asked the ward", "n.ferreira"},
		"a forged form":   {"forged", "asked the ward", "p.osei"},
		"more than a bit": {"", strings.Repeat("asked the ward ", maxUnsent/10), "p.osei"},
	} {
		t.Run(name, func(t *testing.T) {
			g := governed(t)
			b := g.browser()
			b.signOn("p.osei")
			form := url.Values{"token": {b.token()}, "outcome": {"justified"}, "note": {c.note}}
			if c.token != "" {
				form.Set("token", c.token)
			}
			g.clock.move(defaultIdle + time.Second)
			late(b, "/reviews/RAS-1", form)
			for _, page := range []visit{b.signOn(c.who), b.get("/reviews/RAS-1")} {
				if page.StatusCode != http.StatusOK || strings.Contains(page.body, mark) {
					t.Errorf("%s: %d, or it has come back", page.Request.URL.Path, page.StatusCode)
				}
			}
		})
	}
}

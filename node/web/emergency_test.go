package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestWhatAnEmergencyOpenedIsSaidToBeClosedByItsEnd: who was reading a document is not told that there is none, nor that its custodian
// has lost touch with the region; who was not is told as before.
func TestWhatAnEmergencyOpenedIsSaidToBeClosedByItsEnd(t *testing.T) {
	g := newRig(t)
	id := g.region.add(numberA, "RYJ", 1, &admin.Located{Title: "Kept letter", ContentType: "image/png", Pages: 1}, pngOf(t))
	unread := g.region.add(numberA, "RYJ", 2, &admin.Located{Title: "Unread letter", ContentType: "text/plain"}, []byte("y"))
	b := g.browser()
	token := field(t, tokenField, b.signOn("j.price").body)
	path := b.open(numberA)
	b.post(path+"/emergency", url.Values{"token": {token}, "reason": {"unconscious in resus, no history"}, "understood": {"1"}}).wants(t, 303)
	doc, other := path+"/documents/"+id, path+"/documents/"+unread
	b.get(doc).wants(t, 200, "Kept letter", "opened with your emergency access")
	g.clock.move(8 * time.Minute)
	b.get(doc).wants(t, 200)
	for _, err := range []*admin.Error{admin.Errorf(admin.CodeNotFound, "none"), admin.Errorf(admin.CodeStale, "no proof"), admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: It is not shared.", id)} {
		g.region.docs[id].fail, g.region.docs[unread].fail = err, err
		if got := b.get(doc); strings.Contains(got.body, "access has ended") {
			t.Errorf("%s: it is said to have ended before it has", err.Code)
		}
	}
	g.clock.move(8 * time.Minute)
	for _, err := range []*admin.Error{admin.Errorf(admin.CodeNotFound, "none"), admin.Errorf(admin.CodeStale, "no proof"), admin.Errorf(admin.CodeDenied, "RYJ refuses to release %s: It is not shared.", id)} {
		g.region.docs[id].fail, g.region.docs[unread].fail = err, err
		b.get(doc).wants(t, 403, "The emergency access has ended", "Try again", path+"/emergency")
		r := b.request("GET", doc+"/page", nil)
		r.Header.Set("Sec-Fetch-Mode", "cors")
		b.do(r).wants(t, 403, "The emergency access has ended.")
		if got := b.get(other); strings.Contains(got.body, "access has ended") {
			t.Errorf("%s: a document that was never opened is said to have been", err.Code)
		}
	}
	g.region.docs[id].fail = admin.Errorf(admin.CodeDenied, "%s cannot be fetched: RYJ is suspended from the region", id)
	b.get(doc).wants(t, 403, "is suspended by the region")
	g.region.docs[id].fail = admin.Errorf(admin.CodeUnavailable, "RYJ is away")
	b.get(doc).wants(t, 502, "does not answer")
	g.region.docs[id].fail = nil
	b.get(doc).wants(t, 200, "Kept letter") // shared without it: from now on like any other
	g.region.docs[id].fail = admin.Errorf(admin.CodeNotFound, "none")
	b.get(doc).wants(t, 404, "There is no such document")
}

// TestTheListSaysThatAnEmergencyHasEnded: to who declared it, about that patient, for an hour, and not while it lasts or another does.
func TestTheListSaysThatAnEmergencyHasEnded(t *testing.T) {
	g := newRig(t)
	b := g.browser()
	token := field(t, tokenField, b.signOn("j.price").body)
	path, other := b.open(numberA), b.open(numberB)
	declare := func() {
		b.post(path+"/emergency", url.Values{"token": {token}, "reason": {"unconscious in resus, no history"}, "understood": {"1"}}).wants(t, 303)
	}
	says := func(where string, want bool) {
		t.Helper()
		page := b.get(where)
		page.wants(t, 200)
		if strings.Contains(page.body, "Your emergency access ended at") != want {
			t.Errorf("the end of the emergency is said: %v, want %v", !want, want)
		}
	}
	says(path, false)
	declare()
	says(path, false)
	g.clock.move(8 * time.Minute)
	says(path, false)
	g.clock.move(8 * time.Minute)
	says(path, true)
	says(other, false)
	b.get(path).wants(t, 200, path+`/emergency">give a reason once more</a>`)
	g.clock.move(9 * time.Minute)
	declare()
	says(path, false)
	for range 10 {
		g.clock.move(8 * time.Minute)
		b.get("/find").wants(t, 200)
	}
	says(path, false) // over for more than an hour
}

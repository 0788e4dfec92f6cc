package web

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestRecordsAreWatched(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	g.region.people = map[string]Person{numberA: {Number: numberA, Family: "Moss", Given: "Pat", Born: "1950-02-03"}}
	b := g.browser()
	b.signOn("p.osei")
	b.get("/reviews").wants(t, 200, `href="/reviews/watched"`)
	b.get("/reviews/watched").wants(t, 200, "No record is watched", "Nobody is kept from the record")
	token := b.token()
	ask := func(kv ...string) visit {
		form := url.Values{"token": {token}}
		for i := 0; i < len(kv); i += 2 {
			form.Set(kv[i], kv[i+1])
		}
		return b.post("/reviews/watched", form)
	}
	for name, c := range map[string]struct {
		kv   []string
		says string
	}{
		"no number":   {[]string{"do", "mark", "kind", "protected", "reason", "r"}, "Enter an NHS number"},
		"no kind":     {[]string{"do", "mark", "number", numberA, "reason", "r"}, "Select whose looks are reviewed"},
		"no staff id": {[]string{"do", "mark", "number", numberA, "kind", "near", "reason", "r"}, "Enter the staff id"},
		"no reason":   {[]string{"do", "mark", "number", numberA, "kind", "protected"}, "Say why"},
		"no mark":     {[]string{"do", "lift", "number", numberA, "kind", "protected"}, "That person bears no such mark."},
	} {
		if got := ask(c.kv...); got.StatusCode != 422 || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %d, and it does not say %q", name, got.StatusCode, c.says)
		}
	}
	f.protected = nil
	b.follow(ask("do", "mark", "number", "999 000 0018", "kind", "staff", "staff", "j.price", "reason", "works here")).wants(t, 200, "watched from now on")
	f.marked = []*admin.ProtectedPerson{
		{Patient: "999 000 0018", Kind: "staff", Staff: "j.price", Reason: hostile, By: "p.osei", At: 1},
		{Patient: strings.Repeat("ab", 16), Kind: "protected", Reason: "known to the press", By: "p.osei", At: 1},
	}
	page := b.get("/reviews/watched")
	page.wants(t, 200, "MOSS, Pat", "j.price", "&lt;script&gt;", "of whom this trust holds no records", "Take this mark back")
	b.follow(ask("do", "lift", "number", "999 000 0018", "kind", "staff", "staff", "j.price")).wants(t, 200, "The mark was taken back")
	if len(f.protected) != 2 {
		t.Fatalf("asked %v", f.protected)
	}
	if q := f.protected[0]; q.GetPatient() != numberA || q.GetStaff() != "j.price" || q.GetLift() || q.GetReason() != "works here" || q.GetAsker().GetUser() != "p.osei" || q.GetAsker().GetRole() != "privacy-officer" {
		t.Errorf("marked %v", q)
	}
	if q := f.protected[1]; !q.GetLift() || q.GetStaff() != "j.price" || q.GetNear() != "" {
		t.Errorf("lifted %v", q)
	}
	if bytes.Contains(g.log.Bytes(), []byte(numberA)) {
		t.Error("a patient stands in the log")
	}
}

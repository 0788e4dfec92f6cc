package web

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestAWishHasAsManyExceptionsAsThePatientMakes fills the form in, one exception after the other, to the most that there are.
func TestAWishHasAsManyExceptionsAsThePatientMakes(t *testing.T) {
	g := governed(t)
	f := &g.region.fakeGoverning
	b := g.browser()
	b.signOn("s.lindqvist")
	to := b.wishKey(numberA) + "/record"
	lacks := func(page visit, text string) {
		t.Helper()
		if strings.Contains(page.body, text) {
			t.Errorf("the page has %q", text)
		}
	}
	first := b.get(to)
	first.wants(t, 200, `name="except-1-trust"`, `name="except-1-type"`, "Add another exception", `#exception-2"`)
	lacks(first, `name="except-2-trust"`)
	form := url.Values{"token": {b.token()}, "effect": {"deny"}, "evidence": {"in person"}}
	for n := 1; n <= federation.MaxExceptions; n++ {
		form.Set(fmt.Sprintf("except-%d-person", n), fmt.Sprintf("rn%d", n))
		form.Set(fmt.Sprintf("except-%d-trust", n), "RYJ")
		form.Set("do", "more")
		page := b.post(to, form)
		page.wants(t, 200, fmt.Sprintf(`name="except-%d-person"`, min(n+1, federation.MaxExceptions)), fmt.Sprintf(`value="rn%d"`, n))
		form.Set("exceptions", field(t, regexp.MustCompile(`name="exceptions" value="([^"]+)"`), page.body))
	}
	full := b.post(to, form)
	full.wants(t, 200, `value="rn16"`)
	lacks(full, "except-17")
	lacks(full, "Add another exception")
	if len(f.recorded) != 0 {
		t.Fatal("a form that is being filled in was sent to the node")
	}
	form.Del("except-2-person") // what is emptied again is no exception
	form.Del("except-2-trust")
	form.Set("do", "read")
	b.post(to, form).wants(t, 200, "Read this back", `name="except-16-person" value="rn16"`)
	form.Set("do", "confirm")
	b.post(to, form)
	last := f.recorded[len(f.recorded)-1]
	if n := len(last.GetExcept()); n != federation.MaxExceptions-1 || last.GetExcept()[0].GetPerson() != "rn1" || last.GetExcept()[1].GetPerson() != "rn3" || !last.GetConfirm() {
		t.Errorf("%d exceptions: %v", n, last.GetExcept())
	}
	for _, wrong := range []string{"-1", "x", "99999999999999999999", "4000"} {
		form.Set("exceptions", wrong)
		form.Set("do", "change")
		page := b.post(to, form)
		page.wants(t, 200, "except-16-person")
		lacks(page, "except-17")
	}
}

// TestAFaultOfAnExceptionStandsBesideIt: the node counts those that were typed in, the form has empty ones between them.
func TestAFaultOfAnExceptionStandsBesideIt(t *testing.T) {
	form := wishForm{In: map[string]string{"exceptions": "4", "except-2-trust": "RYJ", "except-4-person": "rn7"}}
	err := admin.Errorf(admin.CodeBadInput, "%s", "not a valid directive: role: \"x\" is not a role that exists\nexception 1: trust: there is no trust RYJ in this region: 'ridgeway status' lists them\nexception 2: person: \"rn7\" needs a trust: a staff id is one person's within a trust only\nexception 1: covers everything, so that nothing is left of the directive\nfrom: 2020 is not a day\nsomething else")
	var got []string
	for _, x := range form.faults(err) {
		got = append(got, x.Field+"="+x.Text)
	}
	want := []string{
		"role=\"x\" is not a role", "except-2-trust=There is no trust RYJ", "except-4-person=\"rn7\" needs a trust: a staff id", "except-2-trust=Covers everything", "since=2020 is not a day", "effect=Something else",
	}
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

package web

import (
	"net/url"
	"strings"
	"testing"
)

// TestWhyNobodyIsSignedOnIsSaidPlainly: what goes wrong every day is said in words that need no knowledge of protocols, at both doors.
func TestWhyNobodyIsSignedOnIsSaidPlainly(t *testing.T) {
	for name, c := range map[string]struct {
		answer       url.Values // beside the state
		twice, alone bool       // begun again meanwhile, begun elsewhere
		staff, mine  string
	}{
		"cancelled":      {answer: url.Values{"error": {"access_denied"}}, staff: "you stopped it, or your trust&#39;s sign-on service did not let you in.", mine: "you stopped it, or NHS login did not let you in."},
		"in another tab": {answer: url.Values{"code": {"x"}}, twice: true, staff: "you began again meanwhile, perhaps in another tab.", mine: "you began again meanwhile, perhaps in another tab."},
		"elsewhere":      {answer: url.Values{"code": {"x"}}, alone: true, staff: "it was begun in another browser, or was over already.", mine: "it was begun in another browser, or was over already."},
		"a code of none": {answer: url.Values{"code": {"x"}}, staff: "your trust&#39;s sign-on service did not confirm who you are.", mine: "NHS login did not confirm who you are."},
		"of another":     {answer: url.Values{"code": {"x"}, "iss": {"https://other.example"}}, staff: "cannot be used (the answer is of another identity provider).", mine: "cannot be used. It is not your fault."},
	} {
		for _, door := range []struct{ start, callback, says string }{{"/sign-on/start", callbackPath, c.staff}, {"/my/sign-on/start", myCallbackPath, c.mine}} {
			b := newRig(t).browser()
			to, err := url.Parse(b.get(door.start).Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			q := url.Values{"state": {to.Query().Get("state")}}
			for k, v := range c.answer {
				q[k] = v
			}
			if c.twice {
				b.get(door.start)
			}
			if c.alone {
				b = newRig(t).browser()
			}
			got := b.get(door.callback + "?" + q.Encode())
			got.wants(t, 403, door.says)
			if t.Failed() || strings.Contains(got.body, "question") {
				t.Fatalf("%s at %s", name, door.start)
			}
		}
	}
}

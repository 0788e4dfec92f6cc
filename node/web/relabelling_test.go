package web

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// carried are the hidden fields of a page, as a browser would send them.
func carried(body string) url.Values {
	_, body, _ = strings.Cut(body, `action="/labels"`)
	body, _, _ = strings.Cut(body, "</form>")
	out := make(url.Values)
	for _, m := range hiddenField.FindAllStringSubmatch(body, -1) {
		out.Add(m[1], strings.ReplaceAll(m[2], "&#43;", "+"))
	}
	return out
}

// Nothing is changed before who gains and who loses was shown, and then what was shown is done and nothing else.
func TestManyLabelsAreChangedAfterAPreview(t *testing.T) {
	g := governed(t)
	for _, who := range []string{"s.lindqvist", "n.ferreira"} {
		g.region.labels = nil
		b := g.browser()
		b.signOn(who)
		b.get("/labels").wants(t, 200, "Change the labels of many documents", "before anything is changed")
		form := url.Values{
			"token": {b.token()}, "do": {"preview"}, "which": {"like"}, "type": {"373942005"}, "from": {"2020-01-01"}, "number": {"999 000 0018"}, "confidentiality": {"R"},
			"add": {"HIV", "MH"}, "remove": {"ETH"}, "reason": {"a review of 2026"},
		}
		preview := b.post("/labels", form)
		preview.wants(t, 200, "Nothing is changed yet", "1,234", "1,240", "Somebody loses", "told only that there is something", "Have an earlier version that is open to more people (1)", "By role", "Imperial College Healthcare (RYJ): Open it (Discharge summary, Restricted)", "&lt;i&gt;opens", "RYJ-x &lt;b&gt; is held by RYJ", "Change the labels of 1,234 documents")
		again := carried(preview.body)
		again.Set("do", "again")
		b.post("/labels", again).wants(t, 200, `value="2020-01-01"`, "a review of 2026", `value="999 000 0018"`)
		confirm := carried(preview.body)
		confirm.Set("do", "label")
		b.post("/labels", confirm).wants(t, 200, "The labels were changed", "1,234 documents were changed", "The region knows")
		if len(g.region.labels) != 2 || g.region.labels[0].GetConfirm() || !g.region.labels[1].GetConfirm() {
			t.Fatalf("%s: asked %v", who, g.region.labels)
		}
		q, first := g.region.labels[1], g.region.labels[0]
		if q.GetPlan() != "plan-1" || q.GetChoice().String() != first.GetChoice().String() || q.GetChoice().GetPatient() != numberA || q.GetChoice().GetFrom() != "2020-01-01" || strings.Join(q.GetAdd(), " ") != strings.Join(first.GetAdd(), " ") ||
			len(q.GetAdd()) != 2 || len(q.GetRemove()) != 1 || q.GetConfidentiality() != "R" || q.GetReason() != "a review of 2026" || q.GetBy().GetUser() != who {
			t.Errorf("%s: previewed %v, and did %v", who, first, q)
		}
		stale := carried(preview.body)
		stale.Set("do", "label")
		stale.Set("plan", "plan-0")
		b.post("/labels", stale).wants(t, 422, "nothing was changed. Look at the preview again")
	}
}

func TestManyLabelsNeedAChoiceAChangeAndAReason(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("s.lindqvist")
	token := b.token()
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"nothing chosen":           {url.Values{"which": {"like"}, "confidentiality": {"R"}, "reason": {"r"}}, "at least one thing that the documents have in common"},
		"no ids":                   {url.Values{"which": {"ids"}, "text": {" ,\n"}, "confidentiality": {"R"}, "reason": {"r"}}, "Enter the ids of documents"},
		"neither":                  {url.Values{"which": {""}, "confidentiality": {"R"}, "reason": {"r"}}, "Select which documents"},
		"nothing to change":        {url.Values{"which": {"like"}, "type": {"1"}, "reason": {"r"}}, "Choose what is to change"},
		"no reason":                {url.Values{"which": {"like"}, "type": {"1"}, "confidentiality": {"R"}}, "Say why"},
		"a number that is wrong":   {url.Values{"which": {"like"}, "number": {"9990000027"}, "confidentiality": {"R"}, "reason": {"r"}}, "not a valid NHS number"},
		"added and taken away":     {url.Values{"which": {"like"}, "type": {"1"}, "add": {"HIV"}, "remove": {"HIV"}, "reason": {"r"}}, "choose one"},
		"confirmed without a plan": {url.Values{"which": {"like"}, "type": {"1"}, "confidentiality": {"R"}, "reason": {"r"}, "do": {"label"}}, ""},
	} {
		c.form.Set("token", token)
		g.region.labels = nil
		got := b.post("/labels", c.form)
		if c.says != "" && (got.StatusCode != 422 || !strings.Contains(got.body, c.says) || len(g.region.labels) > 0) {
			t.Errorf("%s: %d, asked %v:\n%.2000s", name, got.StatusCode, g.region.labels, got.body)
		}
		if c.says == "" && (len(g.region.labels) != 1 || g.region.labels[0].GetConfirm() || !strings.Contains(got.body, "Nothing is changed yet")) {
			t.Errorf("%s: labels were changed that nobody has seen: %v", name, g.region.labels)
		}
	}
	g.region.labels = nil
	b.post("/labels", url.Values{"token": {token}, "which": {"ids"}, "text": {"RAS-A\r\nRAS-B, RAS-C"}, "add": {"HIV"}, "reason": {"r"}}).wants(t, 200)
	if len(g.region.labels) != 1 || strings.Join(g.region.labels[0].GetChoice().GetDocuments(), " ") != "RAS-A RAS-B RAS-C" {
		t.Errorf("asked %v", g.region.labels)
	}
}

package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// reportOf is a report in which every name and text is s.
func reportOf(s string, complete bool) *admin.ReportReply {
	at := time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC).UnixMicro()
	return &admin.ReportReply{
		Patient: "9434765919", Made: at, By: s, Role: s, Purpose: s, Trust: "RYJ", TrustName: s, Region: s, Complete: complete,
		Accesses: []*admin.ReportAccess{{At: at, Trust: s, User: s, Title: s, Text: s, BreakGlass: true, Document: s}, {At: at, Text: s, OneSided: s}},
		Emergencies: []*admin.ReportEmergency{{
			Id: s, Trust: s, User: s, Reason: s, At: at, Until: at, Text: s, Reviews: []*admin.ReportReview{{Trust: s, Outcome: s}},
		}},
		Directives: []*admin.DirectiveInfo{{At: at, By: s, Trust: s, Text: s, State: "in_force", Evidence: s}},
		Sites:      []*admin.ReportSite{{Trust: s, Name: s, Answered: true}, {Trust: s, Name: s, Problem: s, Answered: complete}},
	}
}

var tag = regexp.MustCompile(`(?s)<[^>]*>`)

// TestReportShowsHostileNamesAsText has names that are markup, and wants the page to have the very tags that it has without them,
// nothing to fetch, and nothing that turns what stands beside them.
func TestReportShowsHostileNamesAsText(t *testing.T) {
	render := func(s string) string {
		var b strings.Builder
		if err := reportHTML(&b, reportOf(s, false)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	innocent := render("Ada")
	for _, evil := range []string{
		"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, "</style><style>*{display:none}</style>", "<!--", "]]>", "{{.Patient}}",
		"javascript:alert(1)", "<a href=https://evil.example>x</a>", "&lt;script&gt;", "<svg/onload=alert(1)>", "</li></ul></body>", "\x1b[2J\x1b]0;x\x07", "a\u202egnp.\u2066b", "x\x00y\nz",
	} {
		page := render(evil)
		if got, want := tag.FindAllString(page, -1), tag.FindAllString(innocent, -1); !slices.Equal(got, want) {
			t.Errorf("%q makes other tags: %v", evil, got)
		}
		for _, bad := range []string{"\x1b", "\u202e", "\u2066", "\x00", "http:", "src=", "url("} {
			if strings.Contains(tag.ReplaceAllString(page, ""), bad) && !strings.Contains(evil, bad) || strings.Contains(strings.Join(tag.FindAllString(page, -1), ""), bad) {
				t.Errorf("%q brings %q into the page", evil, bad)
			}
		}
		if strings.ContainsAny(page, "\x1b\x00\u202e\u2066") {
			t.Errorf("%q stands in the page as it is", evil)
		}
		var b strings.Builder
		if err := reportText(&b, reportOf(evil, true)); err != nil || strings.ContainsAny(b.String(), "\x1b\x07\x00\u202e\u2066") {
			t.Errorf("%q in the text, %v", evil, err)
		}
	}
	if strings.Contains(innocent, "http") && !strings.Contains(innocent, "http-equiv") || strings.Contains(innocent, "://") || strings.Contains(innocent, "src=") || strings.Contains(innocent, "<script") {
		t.Error("the page is not self-contained")
	}
}

// TestReportSaysWhetherItIsComplete has a trust answer and not answer, in every form.
func TestReportSaysWhetherItIsComplete(t *testing.T) {
	for _, complete := range []bool{true, false} {
		var text, page strings.Builder
		r := reportOf("St Elsewhere", complete)
		if err := reportText(&text, r); err != nil {
			t.Fatal(err)
		}
		if err := reportHTML(&page, r); err != nil {
			t.Fatal(err)
		}
		for form, got := range map[string]string{"text": strings.Join(strings.Fields(text.String()), " "), "html": page.String()} {
			if strings.Contains(got, "is complete") != complete || strings.Contains(got, "NOT COMPLETE. St Elsewhere") == complete || !strings.Contains(got, "Emergencies (1)") {
				t.Errorf("%s, complete %v: %s", form, complete, got)
			}
		}
		if j := reportJSON(r); j["complete"] != complete || len(j["emergencies"].([]map[string]any)) != 1 {
			t.Errorf("%v", j)
		}
	}
}

// Every state in which a directive is listed has words of its own for the patient.
func TestReportHasWordsForEveryStateOfADirective(t *testing.T) {
	seen := make(map[string]string)
	for _, state := range []string{"in_force", "here", "waiting", "withdrawn", "withdrawn_here", "superseded", "expired", "refused"} {
		text := standing(&admin.DirectiveInfo{State: state})
		if text == state || seen[text] != "" {
			t.Errorf("%s and %q are told as %q", state, seen[text], text)
		}
		seen[text] = state
	}
}

// TestReportShowsALookAtChoicesAsOne in the text, the page and the JSON.
func TestReportShowsALookAtChoicesAsOne(t *testing.T) {
	const words = "rn1 (nurse) at Imperial looked at your choices about sharing, to treat you."
	r := reportOf("Ada", true)
	r.Accesses = []*admin.ReportAccess{{At: r.GetMade(), Kind: "choices_listed", Text: words}}
	var text, page, data strings.Builder
	for _, err := range []error{reportText(&text, r), reportHTML(&page, r), emitTo(&data, reportJSON(r))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"text": strings.Join(strings.Fields(text.String()), " "), "page": page.String(), "JSON": data.String()} {
		if !strings.Contains(got, words) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if !strings.Contains(data.String(), `"choices_listed"`) {
		t.Errorf("JSON has no kind: %s", data.String())
	}
}

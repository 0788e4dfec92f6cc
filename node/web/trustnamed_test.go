package web

import (
	"net/url"
	"strings"
	"testing"
)

func TestATrustIsKnownByItsName(t *testing.T) {
	trusts := []choice{
		{Value: "RAS", Label: "The Hillingdon Hospitals (RAS)"},
		{Value: "RYJ", Label: "Imperial College Healthcare (RYJ)"},
		{Value: "R1K", Label: "London North West University Healthcare (R1K)"},
		{Value: "RQM", Label: "Chelsea and Westminster Hospital (RQM)"},
		{Value: "RJZ", Label: "King's College (RJZ)"},
		{Value: "RJY", Label: "King's College Hospital (RJY)"},
		{Value: "RKE", Label: "Ysgol Môn (RKE)"},
		{Value: "RT1", Label: "St Mary's (RT1)"},
		{Value: "RT2", Label: "St Mary’s (RT2)"},
	}
	for typed, want := range map[string]string{
		"": "", " ras ": "RAS", "the hillingdon hospitals (ras)": "RAS", "The Hillingdon Hospitals": "RAS", "Hillingdon": "RAS", "the hill": "RAS",
		"Imperial": "RYJ", "london  north-west": "R1K", "Westminster": "RQM", "mon": "RKE", "MÔN": "RKE",
		"King's College": "RJZ", "kings college hosp": "RJY",
		"RQX": "RQX", "rq9": "RQ9", "8JX12": "8JX12",
	} {
		if code, wrong := trustTyped(typed, trusts); code != want || wrong != "" {
			t.Errorf("%q is taken as %q (%s), want %q", typed, code, wrong, want)
		}
	}
	for typed, want := range map[string]string{
		"Kings":        "“Kings” can be King's College (RJZ) or King's College Hospital (RJY). Choose one of them",
		"healthcare":   "Imperial College Healthcare (RYJ) or London North West University Healthcare (R1K)",
		"h":            "The Hillingdon Hospitals (RAS), Imperial College Healthcare (RYJ)",
		"North London": "No trust of this region is called that",
		"St Mary's":    "can be St Mary's (RT1) or St Mary’s (RT2). Choose one", // two of one name
		"Nowhere":      "No trust of this region is called that",
		"!":            "the ODS code of one that has left, such as RYJ",
		"Kigns":        "No trust of this region is called that",
		"illingdon":    "No trust of this region is called that", // not the beginning of a word
	} {
		if code, wrong := trustTyped(typed, trusts); code != "" || !strings.Contains(wrong, want) {
			t.Errorf("%q is taken as %q (%s), want %q", typed, code, wrong, want)
		}
	}
}

// Whoever searches by the beginning of a name is told whose entries are listed, and asked when it is not one trust's.
func TestASearchSaysWhichTrustItTook(t *testing.T) {
	g := governed(t)
	b := g.browser()
	b.signOn("p.osei")
	token := b.token()
	found := b.get(b.post("/audit", url.Values{"token": {token}, "trust": {"imper"}}).Header.Get("Location"))
	found.wants(t, 200, `value="Imperial College Healthcare (RYJ)" aria-describedby`)
	b.get("/audit?search=1&trust=imper").wants(t, 200, `value="Imperial College Healthcare (RYJ)" aria-describedby`)
	searches := len(g.region.searched)
	b.post("/audit", url.Values{"token": {token}, "trust": {"Nowhere"}}).wants(t, 422, "No trust of this region is called that", `value="Nowhere"`)
	b.get("/audit?search=1&trust=Nowhere").wants(t, 422, "No trust of this region is called that")
	b.post("/audit/export", url.Values{"token": {token}, "trust": {"Nowhere"}}).wants(t, 422, "No trust of this region is called that")
	if len(g.region.searched) != searches {
		t.Error("the log was searched for a trust that nobody knows")
	}
}

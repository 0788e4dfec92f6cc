package web

import (
	"net/http"
	"regexp"
	"strings"
)

var (
	oneDocument = regexp.MustCompile(`the one document ([0-9A-Z]+-[0-9A-Z]+)`)
	noBeforeYes = regexp.MustCompile(`^The refusal wins\. "(.+)" counts before "(.+)" It `)
	yesBeforeNo = regexp.MustCompile(`^The consent wins: it is the newer of two about exactly the same\. "(.+)" If it ends`)
)

// againstWords says in a patient's words which of two choices counts, and what they can do here. What it does not know, it leaves.
func againstWords(text string) string {
	if m := noBeforeYes.FindStringSubmatch(text); m != nil {
		return "“" + m[1] + "” counts first. Where it says no, this does not change it: “" + m[2] + "” If you no longer want the no, take it back."
	}
	if m := yesBeforeNo.FindStringSubmatch(text); m != nil {
		return "“" + m[1] + "” is newer, so it counts. If it ends, your earlier no counts again."
	}
	return text
}

func allAgainstWords(all []string) []string {
	out := make([]string, 0, len(all))
	for _, text := range all {
		out = append(out, againstWords(text))
	}
	return out
}

// documentWords says what the documents are called that a choice names by their number: its words are kept as they are.
func documentWords(text string, sharing *Shares) []string {
	var out []string
	for _, m := range oneDocument.FindAllStringSubmatch(text, -1) {
		for _, t := range sharing.Trusts {
			for _, d := range t.Documents {
				if d.ID != m[1] {
					continue
				}
				name := d.ID + " is “" + d.Title + "”"
				if !d.Date.IsZero() {
					name += " of " + d.Date.Format("2 January 2006")
				}
				out = append(out, name+". "+t.Name+" keeps it.")
			}
		}
	}
	return out
}

// calledInMy returns what the documents in any of the texts are called. Nothing is asked when none names one, and a choice can be
// read without it.
func (p *Portal) calledInMy(r *http.Request, s *session, texts ...string) func(text string) []string {
	none := func(string) []string { return nil }
	if !oneDocument.MatchString(strings.Join(texts, "\n")) {
		return none
	}
	sharing, err := p.config.Region.MySharing(r.Context(), s.patientNumber())
	if err != nil {
		return none
	}
	return func(text string) []string { return documentWords(text, sharing) }
}

package web

import (
	"regexp"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

var (
	codeAlone   = regexp.MustCompile(`[A-Za-z0-9-]+`)
	clockOfLogs = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	codeWas     = regexp.MustCompile(`\b(type|specialty) was "(\d+)"`)
	labelsWere  = regexp.MustCompile(`^labels ([A-Z ]+), were ([A-Z ]+): `)
)

// inWords writes the name before each code of a trust or of a purpose that stands alone in what the node says of its rules.
// A code that stands in brackets already, or is part of a document's number, stays.
func (p *Portal) inWords(text string) string {
	var out strings.Builder
	end := 0
	for _, at := range codeAlone.FindAllStringIndex(text, -1) {
		code := text[at[0]:at[1]]
		name := p.codeName(code)
		if name == "" || at[0] > 0 && text[at[0]-1] == '(' {
			continue
		}
		out.WriteString(text[end:at[0]] + name + " (" + code + ")")
		end = at[1]
	}
	return out.String() + text[end:]
}

// codeName names a trust of the region or a purpose of use; empty when the word is neither.
func (p *Portal) codeName(code string) string {
	if name := purposeName(code); name != code {
		return name
	}
	if !federation.TrustID(code).Valid() {
		return ""
	}
	if name := p.config.Names(federation.TrustID(code)); name != code {
		return name
	}
	return ""
}

func (p *Portal) allInWords(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, p.inWords(line))
	}
	return out
}

// britishClock writes the moments of a log, which are in UTC, as British clocks show them.
func britishClock(text string) string {
	return clockOfLogs.ReplaceAllStringFunc(text, func(utc string) string {
		at, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			return utc
		}
		return at.In(britain()).Format("2 January 2006 at 15:04")
	})
}

// britain is the zone whose clocks people here read.
func britain() *time.Location {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil { // cannot be: the zones are in the program
		return time.UTC
	}
	return zone
}

// changeWords is an entry of a document's history with its codes in words.
func (p *Portal) changeWords(text string) string {
	text = codeWas.ReplaceAllStringFunc(text, func(said string) string {
		m := codeWas.FindStringSubmatch(said)
		if m[1] == "type" {
			return m[1] + " was " + typeName(m[2])
		}
		return m[1] + " was " + p.specialtyName(m[2])
	})
	m := labelsWere.FindStringSubmatch(text)
	if m == nil {
		return britishClock(text)
	}
	return "labels changed from " + marksWords(m[2]) + " to " + marksWords(m[1]) + ": " + text[len(m[0]):]
}

// marksWords names confidentiality and labels, which stand apart by spaces.
func marksWords(codes string) string {
	var out []string
	for _, code := range strings.Fields(codes) {
		if name := confidentialityName(code); name != code {
			out = append(out, name)
			continue
		}
		out = append(out, labelName(code))
	}
	return strings.Join(out, ", ")
}

// capital begins a choice of a form with a capital letter.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// relationshipName says a kind of relationship in words, and what proves it as it was given.
func relationshipName(text string) string {
	kind, evidence, _ := strings.Cut(text, ":")
	name := labelOf(relationshipsOfOthers(), string(policy.RelationshipKind(kind)))
	if evidence == "" {
		return name
	}
	return name + " (" + evidence + ")"
}

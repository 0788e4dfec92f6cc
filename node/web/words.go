package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // clinicians read British clocks, whatever the machine has

	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// wording are the functions that templates use.
func wording(a *assets) template.FuncMap {
	london := britain()
	at := func(layout string) func(time.Time) string {
		return func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.In(london).Format(layout)
		}
	}
	return template.FuncMap{
		"asset": a.url, "before": before, "day": at("2 Jan 2006"), "clock": at("15:04"), "clockseconds": at("15:04:05"), "daytime": at("2 January 2006 at 15:04"), "machine": at(time.RFC3339),
		"has": func(faults []fault, field string) string {
			if i := slices.IndexFunc(faults, func(f fault) bool { return f.Field == field }); i >= 0 {
				return faults[i].Text
			}
			return ""
		},
		"purposeLabel":      func(v string) string { return labelOf(purposes(), v) },
		"relationshipLabel": func(v policy.RelationshipKind) string { return labelOf(relationships(), string(v)) },
		"age":               Person.age,
		"breaths":           breaths,
		"add":               func(a, b int) int { return a + b },
		"count":             countOf,
		"typename":          typeName, "rolename": roleName, "size": sizeName, "digits": digitsOf,
	}
}

// breaths breaks what a choice means into paragraphs: what it says, what it risks, and what an emergency is.
func breaths(text string) []string {
	text, risky := strings.CutSuffix(text, " "+policy.Risk)
	out := paragraphs(text)
	if at := strings.Index(policy.Risk, "In an emergency "); risky && at > 0 {
		out = append(out, strings.TrimSpace(policy.Risk[:at]), policy.Risk[at:])
	}
	return out
}

func relationshipKind(text string) policy.RelationshipKind { return policy.RelationshipKind(text) }

// countOf writes a number with thousands apart.
func countOf(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// roleName is what agreements call a role, in words.
func roleName(code string) string {
	for _, r := range policy.Roles() {
		if r.Code == code {
			return r.Description
		}
	}
	return code
}

// typeName names the types of documents that the NHS uses most (SNOMED CT UK, record artifact types); any other keeps its
// code, or what a trust calls it.
func typeName(code string) string {
	switch code {
	case "":
		return "Not stated"
	case "373942005":
		return "Discharge summary"
	case "823681000000100":
		return "Outpatient letter"
	case "16521000000101":
		return "Lloyd George record folder"
	case "1363501000000100":
		return "NEWS2 chart"
	case "887181000000106":
		return "Clinical summary"
	case "721981007":
		return "Diagnostic studies report"
	case "823651000000106":
		return "Clinical note"
	case "824321000000109":
		return "Summary record"
	case "419891008":
		return "Record artifact"
	case "1102421000000108":
		return "Observations"
	case "103693007":
		return "Diagnostic procedure"
	}
	if local, ok := strings.CutPrefix(code, "local:"); ok {
		return local
	}
	return "Type " + code
}

// specialtyNames names the treatment functions that letters come from most (NHS Data Dictionary, Treatment Function Code).
func specialtyNames() map[string]string {
	return map[string]string{
		"": "", "100": "General surgery", "101": "Urology", "110": "Trauma and orthopaedics", "120": "Ear, nose and throat", "130": "Ophthalmology",
		"140": "Oral surgery", "150": "Neurosurgery", "160": "Plastic surgery", "170": "Cardiothoracic surgery", "171": "Paediatric surgery",
		"180": "Emergency medicine", "190": "Anaesthetics", "191": "Pain management", "192": "Intensive care medicine", "300": "General internal medicine", "301": "Gastroenterology",
		"302": "Endocrinology", "303": "Clinical haematology", "307": "Diabetes", "314": "Rehabilitation medicine", "315": "Palliative medicine",
		"320": "Cardiology", "328": "Stroke medicine", "330": "Dermatology", "340": "Respiratory medicine", "350": "Infectious diseases", "360": "Genitourinary medicine",
		"361": "Renal medicine", "370": "Medical oncology", "400": "Neurology", "410": "Rheumatology", "420": "Paediatrics", "430": "Elderly medicine",
		"501": "Obstetrics", "502": "Gynaecology", "650": "Physiotherapy", "651": "Occupational therapy", "654": "Dietetics", "710": "Adult mental health",
		"711": "Child and adolescent psychiatry", "715": "Old age psychiatry", "800": "Clinical oncology", "811": "Interventional radiology", "812": "Diagnostic imaging",
		"1060971000000108": "General practice", "788002001": "Adult mental health",
	}
}

// specialtyName names a specialty; one that is not known keeps its code.
func (p *Portal) specialtyName(code string) string {
	if name, known := p.specialties[code]; known {
		return name
	}
	if local, ok := strings.CutPrefix(code, "local:"); ok {
		return local
	}
	return "Specialty " + code
}

// formatName is what kind of file a document is, for people.
func formatName(contentType string) string {
	switch media.FormatOf(contentType) {
	case media.FormatTIFF:
		return "Scan"
	case media.FormatJPEG, media.FormatPNG, media.FormatGIF:
		return "Picture"
	case media.FormatCDA:
		return "Structured"
	case media.FormatText:
		return "Text"
	case media.FormatBinary:
		return "Other file"
	default:
		return media.FormatOf(contentType).String()
	}
}

// sizeName writes a number of bytes.
func sizeName(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%d KB", n/1000)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
}

// ago says how long ago a moment was.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Minute:
		return "1 minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", int(d.Minutes()))
	case d < 2*time.Hour:
		return "1 hour ago"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	}
}

// plainSignOn is what a refused sign-on says to the user: our own words, never the provider's.
func plainSignOn(err error) string {
	text := err.Error()
	if i := strings.Index(text, ErrSignOn.Error()+": "); i >= 0 {
		text = text[i+len(ErrSignOn.Error())+2:]
	}
	text, _, _ = strings.Cut(text, ": ")
	text, _, _ = strings.Cut(text, "\n")
	if errors.Is(err, ErrSignOn) && text != "" {
		return text
	}
	return "it did not work"
}

// address makes an address of a path and a query.
func address(path string, query url.Values) string {
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

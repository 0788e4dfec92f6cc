package node

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/node/web"
)

// saysItself is a structured document that says whose it is behind more than one chunk of something else.
func saysItself(number, given, family string) string {
	id := ""
	if number != "" {
		id = `<id root="2.16.840.1.113883.2.1.4.1" extension="` + number + `"/>`
	}
	return `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>T</title>` + strings.Repeat("<!-- "+strings.Repeat("x", 990)+" -->", 3*federation.ChunkSize/1000) +
		fmt.Sprintf(`<recordTarget><patientRole>%s<patient><name><given>%s</given><family>%s</family></name></patient></patientRole></recordTarget>`, id, given, family) +
		`<component><structuredBody><component><section><title>Plan</title><text>Rest</text></section></component></structuredBody></component></ClinicalDocument>`
}

func structured(text, patient string) func(*ingest.Item) {
	return func(i *ingest.Item) {
		i.Patient = patient
		i.Parts[0] = ingest.Part{Name: "plan.xml", Info: media.Info{ContentType: media.FormatCDA.ContentType(), Format: media.FormatCDA}, Size: int64(len(text)), Content: strings.NewReader(text)}
	}
}

// A structured document that is larger than what is read of it, that breaks off behind its beginning, or holds more than anybody would
// show, still says whose it is; one that breaks off before it has said so does not.
func TestTheBeginningOfAFileSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	whole := saysItself(patientA, "Ann", "Hart")
	said := strings.Index(whole, "</recordTarget>") + len("</recordTarget>")
	for _, tt := range []struct {
		name, head string
		size       int64
		refused    bool
	}{
		{"whole", whole, int64(len(whole)), true},
		{"larger than what is read", whole[:said+20], ingest.OwnWords + 1, true},
		{"broken behind it", whole[:said] + "<component></title>", int64(said) + 20, true},
		{"too much to show", whole[:said] + strings.Repeat("<a/>", 300_000) + "</ClinicalDocument>", int64(said), true},
		{"breaks off in it", whole[:said-len("</family></name></patient></patientRole></recordTarget>")], ingest.OwnWords + 1, false},
	} {
		what := Contradicts(media.FormatCDA, []byte(tt.head), tt.size, patientB, ingest.Person{Family: "Reed", Given: "Tom"})
		if (what != "") != tt.refused || tt.refused && !strings.Contains(what, "943 476 5919") {
			t.Errorf("%s: %q", tt.name, what)
		}
	}
}

// TestAMoveLooksWhoseAFileSaysItIs moves a file that names a number, and one that names a person:
//
//	A: "of A"        -> B  refused
//	A: "of Ann Hart" -> B, who is Tom Reed: refused; -> C, who is Ann Hart: moved, and not back to B
func TestAMoveLooksWhoseAFileSaysItIs(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	const patientC = "9000000017"
	for number, p := range map[string]ingest.Person{patientB: {Family: "Reed", Given: "Tom"}, patientC: {Family: "Hart", Given: "Ann"}} {
		mustTake(t, n, "Letter", "of "+p.Given, func(i *ingest.Item) { i.Patient, i.Person = number, p })
	}
	refused := func(name string, id federation.DocumentID, words ...string) {
		t.Helper()
		filed, err := move(t.Context(), n, id, patientB)
		if admin.CodeOf(err) != admin.CodeBadInput {
			t.Fatalf("%s: %+v, %v", name, filed, err)
		}
		for _, want := range append(words, "about another patient", "Nothing was changed", "Move the document to the patient that it is about") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
		if doc, err := n.records.Document(t.Context(), id); err != nil || ownState(&doc) == web.OwnWithdrawn {
			t.Errorf("%s: %v, %v", name, ownState(&doc), err)
		}
	}
	numbered := mustTake(t, n, "Plan", "", structured(saysItself(patientA, "Ann", "Hart"), patientA)).Document
	refused("a number", numbered, "943 476 5919")
	named := mustTake(t, n, "Plan of a person", "", structured(saysItself("", "Ann", "Hart"), patientA)).Document
	refused("a name", named, "REED")
	filed, err := move(t.Context(), n, named, patientC)
	if err != nil {
		t.Fatalf("moved to whom it is about: %v", err)
	}
	refused("a name, after a move", federation.DocumentID(filed.Document), "REED")
	if _, err := correct(t, n, numbered, func(f *web.Particulars) { f.Type = "823681000000100" }); err != nil {
		t.Errorf("a correction is no move: %v", err)
	}
}

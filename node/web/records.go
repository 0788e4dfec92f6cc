package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

const (
	documentsPath = "/documents"
	ownPath       = documentsPath + "/patients/"
)

func (p *Portal) recordsRoutes(mux *http.ServeMux) {
	find := p.find("documents", "Our documents", ownPath)
	mux.HandleFunc("GET "+documentsPath, p.signedOn(find))
	mux.HandleFunc("POST "+documentsPath, p.signedOn(find))
	mux.HandleFunc("GET "+ownPath+"{key}", p.ofPatient(p.showOwn))
	mux.HandleFunc("GET "+ownPath+"{key}/take", p.ofPatient(p.showTake))
	mux.HandleFunc("POST "+ownPath+"{key}/take", p.takeDocuments) // checks who sends before it reads what is sent
	mux.HandleFunc("GET "+ownPath+"{key}/{document}", p.ofOwn(p.showOwnDocument))
	for path, page := range map[string]ownHandler{"correct": p.correctOwn, "labels": p.relabelOwn, "withdraw": p.withdrawOwn, "move": p.moveOwn} {
		mux.HandleFunc("GET "+ownPath+"{key}/{document}/"+path, p.ofOwn(page))
		mux.HandleFunc("POST "+ownPath+"{key}/{document}/"+path, p.ofOwn(page))
	}
}

// filer is who files documents, as the node asks it.
func (s *session) filer() *admin.Asker {
	return &admin.Asker{User: s.user.ID, Role: s.user.Role, Purpose: "PATADMIN"}
}

func ownAddress(of *patient) string { return ownPath + of.Key }

// ownRow is a document of this trust in a list.
type ownRow struct {
	OwnDocument
	Link  string
	Label []string // what keeps it from being seen
}

// ownView is what this trust holds of a patient.
type ownView struct {
	Rows    []ownRow
	Damaged int
	Cut     bool
	Done    string // what was just done
	Take    string
}

func (p *Portal) showOwn(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	list, err := p.config.Region.OwnDocuments(r.Context(), of.Number, s.filer())
	if err != nil {
		p.showFilingFault(w, r, s, of, err)
		return
	}
	list.settle()
	v := ownView{Damaged: list.Damaged, Cut: list.Cut, Done: doneText(r), Take: ownAddress(of) + "/take"}
	for _, d := range list.Documents {
		v.Rows = append(v.Rows, rowOf(of, d))
	}
	p.show(w, r, s, http.StatusOK, view{Name: "own", Title: "Our documents", Of: of, Wide: true, Body: v})
}

func rowOf(of *patient, d OwnDocument) ownRow {
	row := ownRow{OwnDocument: d, Link: ownAddress(of) + "/" + url.PathEscape(d.ID)}
	if d.Confidentiality != "N" {
		row.Label = append(row.Label, confidentialityName(d.Confidentiality))
	}
	for _, code := range d.Labels {
		row.Label = append(row.Label, labelName(code))
	}
	if d.Legal != "" {
		row.Label = append(row.Label, d.Legal)
	}
	return row
}

// doneText is what the page before has done, one of a few sentences: nothing of the address is shown.
func doneText(r *http.Request) string {
	return map[string]string{
		"corrected":   "The document was corrected, and the region lists it so.",
		"correcting":  "The document was corrected here. The region is told as soon as it can be reached.",
		"labelled":    "The labels were changed, and the region knows.",
		"labelling":   "The labels were changed, and count here already. The region is told as soon as it can be reached.",
		"withdrawn":   "The document was withdrawn. Nobody finds it any more.",
		"withdrawing": "The document was withdrawn. Nothing of it leaves this trust any more; it stays in the region's list until the region can be reached.",
		"shared":      "The document is shared again.",
		"sharing":     "The document will be shared again as soon as the region can be reached.",
		"moved":       "The document was moved. It is now listed here, and nobody finds it where it was.",
		"moving":      "The document was moved here. Nothing of it leaves this trust for the other patient; the region's list follows as soon as the region can be reached.",
	}[r.URL.Query().Get("done")]
}

// ownHandler answers about one of this trust's documents.
type ownHandler func(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument)

// ofOwn finds the document in the list of the patient whose key stands in the address, and nowhere else.
func (p *Portal) ofOwn(next ownHandler) http.HandlerFunc {
	return p.ofPatient(func(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
		list, err := p.config.Region.OwnDocuments(r.Context(), of.Number, s.filer())
		if err != nil {
			p.showFilingFault(w, r, s, of, err)
			return
		}
		list.settle()
		i := slices.IndexFunc(list.Documents, func(d OwnDocument) bool { return d.ID == r.PathValue("document") })
		if i < 0 {
			p.show(w, r, s, http.StatusNotFound, view{Name: "message", Title: "There is no such document", Of: of, Body: message{
				Text: []string{"This trust holds no such document of this patient. It may have been moved."}, Link: ownAddress(of), LinkText: "All documents of this patient here",
			}})
			return
		}
		next(w, r, s, of, list.Documents[i])
	})
}

// ownDocumentView is one document with what became of it.
type ownDocumentView struct {
	ownRow
	History       *History
	Done          string
	Back          string
	TypeName      string
	SpecialtyName string
	ReadLink      string
	Newer         string
	Older         string
}

func (p *Portal) showOwnDocument(w http.ResponseWriter, r *http.Request, s *session, of *patient, d OwnDocument) {
	history, err := p.config.Region.Changes(r.Context(), d.ID, s.filer())
	if err != nil {
		p.showFilingFault(w, r, s, of, err)
		return
	}
	for i := range history.Changes {
		history.Changes[i].Text = p.changeWords(history.Changes[i].Text)
	}
	v := ownDocumentView{ownRow: rowOf(of, d), History: history, Done: doneText(r), Back: ownAddress(of), TypeName: typeName(d.Type), SpecialtyName: p.specialtyName(d.Specialty), ReadLink: documentPath(of, d.ID)}
	if d.ReplacedBy != "" {
		v.Newer = ownAddress(of) + "/" + url.PathEscape(d.ReplacedBy)
	}
	if d.Replaces != "" {
		v.Older = ownAddress(of) + "/" + url.PathEscape(d.Replaces)
	}
	p.show(w, r, s, http.StatusOK, view{Name: "owndocument", Title: d.Title, Of: of, Body: v})
}

// showFilingFault says that the node has refused, in its own words where they are for people.
func (p *Portal) showFilingFault(w http.ResponseWriter, r *http.Request, s *session, of *patient, err error) {
	status, title, text := http.StatusBadGateway, "This cannot be done at the moment", "Nothing was changed. Try again; if it goes on, tell the team that looks after this trust's node."
	switch admin.CodeOf(err) {
	case admin.CodeBadInput, admin.CodeNotFound:
		status, title, text = http.StatusUnprocessableEntity, "Nothing was changed", filingWords(err)
	case admin.CodeDenied:
		status, title, text = http.StatusForbidden, "You may not do this", "This is for health records staff. Nothing was changed."
	case admin.CodeDiskFull:
		title, text = "The disk of this trust's node is full", "Nothing can be taken in or changed until there is room. Tell the team that looks after the node."
	default: // as above
	}
	p.show(w, r, s, status, view{Name: "message", Title: title, Of: of, Body: message{Text: []string{text}, Link: ownAddress(of), LinkText: "All documents of this patient here"}})
}

// filingWords are the node's words about what was filled in, as a sentence.
func filingWords(err error) string {
	text, _, _ := strings.Cut(err.Error(), ": 'ridgeway")
	if text == "" {
		return "It cannot be done."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func confidentialityName(code string) string { return labelOf(confidentialities(), code) }

// confidentialities are the codes of HL7 v3-Confidentiality, as people know them.
func confidentialities() []choice {
	return []choice{
		{"N", "Normal", "Other trusts are told its title, type and date, and may open it where this trust shares such documents."},
		{"R", "Restricted", "Other trusts are told only that there is something; this trust decides each time."},
		{"V", "Very restricted", "As restricted, and only for those whom this trust has named."},
		{"M", "Moderate", "Less sensitive than normal."},
		{"L", "Low", "Hardly sensitive."},
		{"U", "Unrestricted", "Not sensitive at all."},
	}
}

func labelName(code string) string { return labelOf(sensitivities(), code) }

// sensitivities are the labels that seal a document.
func sensitivities() []choice {
	var out []choice
	for _, x := range policy.Sensitivities() {
		out = append(out, choice{x.Code, capital(x.Description), ""})
	}
	return out
}

// documentTypes are those that are offered by name.
func documentTypes() []choice {
	var out []choice
	for _, code := range []string{"373942005", "823681000000100", "823651000000106", "721981007", "1363501000000100", "16521000000101", "887181000000106", "824321000000109"} {
		out = append(out, choice{code, typeName(code), ""})
	}
	return out
}

package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// entryPage is one entry of the log with what proves it.
type entryPage struct {
	auditEntry
	Proven bool   // the region has witnessed a log that this entry is in
	Why    string // why not
	Size   uint64
	Root   string
	Place  uint64
	Path   []string
}

func (p *Portal) showEntry(w http.ResponseWriter, r *http.Request, s *session) {
	n, err := strconv.ParseUint(r.PathValue("entry"), 10, 64)
	if err != nil {
		p.missing(w, r, s)
		return
	}
	one := &admin.AuditFilter{Single: true, Entry: n}
	reply, err := p.config.Region.SearchAudit(r.Context(), &admin.SearchAuditRequest{Filter: one, Asker: s.governor(ownDuties)})
	if err != nil || len(reply.GetEntries()) != 1 {
		if err == nil {
			err = admin.Errorf(admin.CodeNotFound, "the log has no such entry")
		}
		p.problem(w, r, s, err)
		return
	}
	body := entryPage{auditEntry: p.auditEntry(reply.GetEntries()[0])}
	p.prove(r, s, one, &body)
	p.show(w, r, s, http.StatusOK, view{Name: "entry", Title: "Entry " + countOf(int(n)) + " of the audit log", Body: body})
}

// prove asks for what proves an entry. The node checks it before it gives it out; whoever downloads it checks it again.
func (p *Portal) prove(r *http.Request, s *session, one *admin.AuditFilter, body *entryPage) {
	var head struct {
		Size      uint64
		Root      string
		Committed uint64
	}
	var event struct {
		Extension []struct {
			Extension []struct{ URL, ValueString string }
		}
	}
	lines := 0
	err := p.config.Region.ExportAudit(r.Context(), &admin.ExportAuditRequest{Filter: one, Proofs: true, Asker: s.governor(ownDuties)}, func(line []byte) error {
		lines++
		if lines == 1 {
			return json.Unmarshal(line, &head)
		}
		return json.Unmarshal(line, &event)
	})
	switch {
	case admin.CodeOf(err) == admin.CodeUnavailable:
		body.Why = "The region has not witnessed this log yet. Look again in a minute."
	case err != nil:
		body.Why = plainWords(err)
	case len(event.Extension) != 1:
		body.Why = "The entry is newer than what the region has witnessed of this log. Look again in a minute."
	default:
		body.Proven, body.Size, body.Root, body.Place = true, head.Size, head.Root, head.Committed
		for _, x := range event.Extension[0].Extension {
			if x.URL == "path" {
				body.Path = append(body.Path, x.ValueString)
			}
		}
	}
}

// sendEntry sends an entry with its proof, as a file that 'ridgeway audit prove' reads.
func (p *Portal) sendEntry(w http.ResponseWriter, r *http.Request, s *session) {
	n, err := strconv.ParseUint(r.PathValue("entry"), 10, 64)
	if err != nil {
		p.missing(w, r, s)
		return
	}
	q := &admin.ExportAuditRequest{Filter: &admin.AuditFilter{Single: true, Entry: n}, Proofs: true, Asker: s.governor(ownDuties)}
	p.sendLines(w, r, s, q, fmt.Sprintf("audit-%s-entry-%d.ndjson", p.config.Trust, n))
}

// exportAudit sends all that a search finds, as FHIR AuditEvents.
func (p *Portal) exportAudit(w http.ResponseWriter, r *http.Request, s *session) {
	body, wrong := p.typedAudit(r, s)
	f, _ := body.filter()
	if len(wrong) > 0 {
		p.show(w, r, s, http.StatusUnprocessableEntity, view{Name: "audit", Title: "Audit", Body: body, Error: wrong, Wide: true})
		return
	}
	q := &admin.ExportAuditRequest{Filter: f, Proofs: r.PostFormValue("proofs") != "", Asker: s.governor(body.purpose())}
	p.sendLines(w, r, s, q, fmt.Sprintf("audit-%s-%s.ndjson", p.config.Trust, p.now().UTC().Format("20060102T150405Z")))
}

// sendLines sends lines as they come. A failure before the first is a page in words; one after it cuts the connection, so that a
// short file never looks whole.
func (p *Portal) sendLines(w http.ResponseWriter, r *http.Request, s *session, q *admin.ExportAuditRequest, name string) {
	begun := false
	timer := http.NewResponseController(w)
	err := p.config.Region.ExportAudit(r.Context(), q, func(line []byte) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", "application/fhir+ndjson")
			w.Header().Set("Content-Disposition", `attachment; filename="`+strings.ReplaceAll(name, `"`, "")+`"`)
			w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
		}
		if err := timer.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		_, err := w.Write(append(bytes.Clone(line), '\n'))
		return err
	})
	switch {
	case err != nil && begun:
		panic(http.ErrAbortHandler)
	case err != nil:
		p.problem(w, r, s, err)
	case !begun:
		p.problem(w, r, s, admin.Errorf(admin.CodeNotFound, "nothing was found to export"))
	}
}

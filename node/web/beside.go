package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// besideTo is the address of two documents side by side.
func besideTo(of *patient, one, other string) string {
	return documentPath(of, one) + "/beside/" + url.PathEscape(other)
}

// placeNames are the fields of an address that say where a document is open, and through which window.
func placeNames() []string { return []string{"part", "page", "level", "width"} }

// readPlace reads where a document is open, out of one field of an address.
func readPlace(text string) url.Values {
	q, err := url.ParseQuery(clip(text, 120))
	out := url.Values{}
	for _, name := range placeNames() {
		if _, ok := decimal(q.Get(name)); ok && err == nil {
			out.Set(name, q.Get(name))
		}
	}
	return out
}

// inPane is a place under the names that it has in a pane.
func inPane(place url.Values, pane string) url.Values {
	out := url.Values{}
	for name, values := range place {
		out[name+pane] = values
	}
	return out
}

// place is where the document is open.
func (d *documentPage) place() url.Values {
	level, width := d.chosen()
	out := url.Values{}
	for name, value := range map[string]string{"part": strconv.Itoa(d.Part), "page": strconv.Itoa(d.Page), "level": level, "width": width} {
		if value != "" && value != "1" {
			out.Set(name, value)
		}
	}
	return out
}

// turnTo looks whether the page that is wanted is one of the document. Of one that is not, the page from which it was wanted stays open.
func (x *reading) turnTo(r *http.Request, pane string) {
	wanted := strings.TrimSpace(r.URL.Query().Get("page" + pane))
	n, err := strconv.Atoi(wanted)
	last := int(x.located.GetPages())
	if wanted != "" && (err != nil || n < 1 || n > 1<<20 || last > 0 && n > last) {
		x.noPage, x.page = clip(wanted, 20), number(r, "from"+pane)
		if last > 0 {
			x.page = min(x.page, last)
		}
	}
}

// Spaced is the patient's NHS number as people read it.
func (d documentPage) Spaced() string { return spaced(d.Number) }

// Alone is the address of the document by itself.
func (d documentPage) Alone() string {
	return documentPath(&patient{Key: d.Key}, d.Entry.Document)
}

// PageURL is the address of the pictures of pages, without which one.
func (d documentPage) PageURL() string { return d.Alone() + "/page" }

// FrameSize is how large the picture of the page is that is still to come, in words; empty when it is there.
func (d documentPage) FrameSize() string {
	if d.FrameBytes == 0 {
		return ""
	}
	return sizeName(uint64(d.FrameBytes))
}

// showBeside opens two documents of a patient side by side, each as it would be by itself: one that cannot be opened does not
// keep the other from being read.
func (p *Portal) showBeside(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	one, other := r.PathValue("document"), r.PathValue("other")
	self := besideTo(of, one, other)
	if one == other {
		http.Redirect(w, r, documentPath(of, one), http.StatusSeeOther)
		return
	}
	var panes []documentPage
	glass := p.emergency(r.Context(), s, of)
	script := ""
	for i, name := range []string{"document", "other"} {
		pane := string(rune('1' + i))
		x, err := p.readPane(r, s, of, name, pane)
		body := documentPage{Self: self, Pane: pane, Query: besides(r.URL.Query(), pane), Glass: !glass.IsZero()}
		if err == nil {
			x.turnTo(r, pane)
			body, err = p.open(r.Context(), s, of, x, body)
		} else {
			body.Key, body.Number, body.Entry = of.Key, of.Number, entry{Document: x.document, Title: "Document", TrustName: p.holder(x.document)}
		}
		if err != nil {
			_, why := p.explain(of, x.document, err)
			body.Refused = &why
		} else if body.script() != "" {
			script = "beside.js"
		}
		if err == nil {
			s.openedUntil(x.document, glass)
		}
		panes = append(panes, body)
	}
	title := strings.Join([]string{panes[0].Entry.Title, panes[1].Entry.Title}, " beside ")
	p.show(w, r, s, http.StatusOK, view{Name: "beside", Title: title, Of: of, Glass: glass, Wide: true, Body: panes, Wait: script})
}

// besides is what an address says of the other pane.
func besides(q url.Values, pane string) url.Values {
	out := url.Values{}
	for _, other := range []string{"1", "2"} {
		for _, name := range placeNames() {
			if value := q.Get(name + other); other != pane && value != "" {
				out.Set(name+other, clip(value, 20))
			}
		}
	}
	return out
}

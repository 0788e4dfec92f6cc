package web

import (
	"net/http"
	"net/url"
)

// recordSystemPath is where the invented record system of a demonstration stands, which is the address that it launches from too.
const recordSystemPath = personaPath + "/record-system"

// recordSystemPatient is a patient who is open there.
type recordSystemPatient struct{ Name, Number, Spaced string }

// showRecordSystem stands in for a trust's own record system, so that a visitor can try how the portal opens out of one. Personas
// are its authorisation server.
func (p *Portal) showRecordSystem(w http.ResponseWriter, r *http.Request) {
	var open []recordSystemPatient
	for _, x := range p.config.Settings.PatientPersonas {
		open = append(open, recordSystemPatient{x.Name, x.Number, spaced(x.Number)})
	}
	p.show(w, r, nil, http.StatusOK, view{Name: "recordsystem", Title: "A record system", Body: open})
}

// leaveRecordSystem launches the portal at a patient, as SMART App Launch has it: the address names no patient.
func (p *Portal) leaveRecordSystem(w http.ResponseWriter, r *http.Request) {
	number, wrong := p.readNumber(r.PostFormValue("number"))
	if wrong != "" {
		http.Redirect(w, r, recordSystemPath, http.StatusSeeOther)
		return
	}
	to := url.Values{"iss": {p.Origin() + recordSystemPath}, "launch": {p.personas.launch(number)}}
	http.Redirect(w, r, "/launch?"+to.Encode(), http.StatusSeeOther)
}

package main

import (
	"encoding/json"
	"html/template"
	"io"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// reportPage needs nothing but itself: no script, no font, no picture from elsewhere, so that opening it tells nobody.
const reportPage = `<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who has seen your health documents</title>
<style>
@page{size:A4;margin:18mm}
body{font:12pt/1.45 Arial,Helvetica,sans-serif;color:#111;background:#fff;max-width:46em;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:1.6em;break-after:avoid}
.made,.when{color:#444}.bad{border:2px solid #a00;padding:.5em 1em;font-weight:bold}
li{margin:.7em 0;break-inside:avoid;overflow-wrap:anywhere}li.alert{border-left:4px solid #a00;padding-left:.6em}
ul{list-style:none;padding:0}footer{margin-top:2em;border-top:1px solid #888;font-size:.9em}
@media print{body{margin:0;max-width:none;padding:0}}
</style></head><body>
<h1>Who has seen your health documents</h1>
<p>NHS number <strong>{{number .Patient}}</strong></p>
<p class="made">{{made .}}</p>
{{range missing .}}<p class="bad">{{.}}</p>{{else}}<p>{{allAnswered}}</p>{{end}}
<h2>Who looked, and when ({{len .Accesses}})</h2>
<ul>{{range .Accesses}}
<li{{if or .BreakGlass .OneSided}} class="alert"{{end}}><span class="when">{{time .At}}</span><br>{{tame .Text}}</li>{{else}}<li>Nobody.</li>{{end}}
</ul>
<h2>Emergencies ({{len .Emergencies}})</h2>
<ul>{{range .Emergencies}}
<li class="alert"><span class="when">{{time .At}} until {{time .Until}}</span><br>{{tame .Text}}</li>{{else}}<li>None.</li>{{end}}
</ul>
<h2>Your choices about sharing ({{len .Directives}})</h2>
<ul>{{range .Directives}}
<li><span class="when">{{time .At}}, written down by {{tame (dash .By)}} at {{tame .Trust}}</span><br>{{tame .Text}}<br><em>{{standing .}}</em></li>{{else}}<li>You have not made a choice.</li>{{end}}
</ul>
<h2>The trusts that we asked</h2>
<ul>{{range .Sites}}<li>{{site .}}</li>{{end}}</ul>
<footer><p>{{help}}</p><p>{{made .}} Made with Ridgeway.</p></footer>
</body></html>
`

func reportHTML(w io.Writer, r *admin.ReportReply) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"time": shownTime, "number": spacedNumber, "missing": missing, "standing": standing, "site": siteLine, "dash": orDash, "tame": tame, "made": madeBy,
		"allAnswered": func() string { return allAnswered }, "help": func() string { return reportHelp },
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := page.Execute(&b, r); err != nil {
		return err
	}
	return writeTame(w, b.String())
}

// emitTo writes one JSON object.
func emitTo(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// reportJSON is the report for programs.
func reportJSON(r *admin.ReportReply) map[string]any {
	accesses := make([]map[string]any, 0, len(r.GetAccesses()))
	for _, x := range r.GetAccesses() {
		accesses = append(accesses, map[string]any{
			"at": stamp(x.GetAt()), "kind": x.GetKind(), "trust": x.GetTrust(), "user": x.GetUser(), "role": x.GetRole(), "purpose": x.GetPurpose(),
			"relationship": x.GetRelationship(), "document": x.GetDocument(), "title": x.GetTitle(), "custodian": x.GetCustodian(), "outcome": x.GetOutcome(),
			"break_glass": x.GetBreakGlass(), "bytes": x.GetBytes(), "text": x.GetText(), "one_sided": x.GetOneSided(),
		})
	}
	directives := make([]map[string]any, 0, len(r.GetDirectives()))
	for _, d := range r.GetDirectives() {
		directives = append(directives, map[string]any{
			"directive": d.GetDirective(), "effect": d.GetEffect(), "state": d.GetState(), "text": d.GetText(), "by": d.GetBy(), "trust": d.GetTrust(),
			"evidence": d.GetEvidence(), "at": stamp(d.GetAt()), "index": d.GetIndex(), "until": stamp(d.GetUntil()), "ended_by": d.GetEndedBy(),
		})
	}
	emergencies := make([]map[string]any, 0, len(r.GetEmergencies()))
	for _, e := range r.GetEmergencies() {
		reviews := make([]map[string]any, 0, len(e.GetReviews()))
		for _, v := range e.GetReviews() {
			reviews = append(reviews, map[string]any{"trust": v.GetTrust(), "outcome": v.GetOutcome(), "closed": stamp(v.GetClosed()), "due": stamp(v.GetDue())})
		}
		emergencies = append(emergencies, map[string]any{
			"id": e.GetId(), "trust": e.GetTrust(), "user": e.GetUser(), "role": e.GetRole(), "reason": e.GetReason(), "at": stamp(e.GetAt()), "until": stamp(e.GetUntil()),
			"documents": e.GetDocuments(), "reviews": reviews, "text": e.GetText(),
		})
	}
	return map[string]any{
		"emergencies": emergencies,
		"patient":     r.GetPatient(), "made": stamp(r.GetMade()), "by": r.GetBy(), "role": r.GetRole(), "purpose": r.GetPurpose(), "trust": r.GetTrust(),
		"accesses": accesses, "directives": directives, "sites": reportSites(r.GetSites()), "complete": r.GetComplete(),
	}
}

func reportSites(list []*admin.ReportSite) []map[string]any {
	out := make([]map[string]any, 0, len(list))
	for _, s := range list {
		out = append(out, map[string]any{"trust": s.GetTrust(), "name": s.GetName(), "answered": s.GetAnswered(), "problem": s.GetProblem(), "entries": s.GetEntries()})
	}
	return out
}

package main

import (
	"encoding/json"
	"html/template"
	"io"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// reportPage needs nothing but itself: no script, no font, no picture from elsewhere, so that opening it tells nobody.
const reportPage = `<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer"><title>Who has seen your health documents</title>
<style>
body{font:12pt/1.45 Arial,Helvetica,sans-serif;color:#111;max-width:46em;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:1.6em}
.made,.when{color:#444}.bad{border:2px solid #a00;padding:.5em 1em;font-weight:bold}
li{margin:.7em 0;break-inside:avoid}li.alert{border-left:4px solid #a00;padding-left:.6em}
ul{list-style:none;padding:0}footer{margin-top:2em;border-top:1px solid #888;font-size:.85em}
@media print{body{margin:0;max-width:none}}
</style></head><body>
<h1>Who has seen your health documents</h1>
<p>NHS number <strong>{{number .Patient}}</strong></p>
<p class="made">Made on {{time .Made}} at {{.TrustName}} by {{.By}} ({{.Role}}, {{.Purpose}}).</p>
{{range missing .}}<p class="bad">{{.}}</p>{{else}}<p>Every trust of the region answered. This is complete.</p>{{end}}
<h2>Accesses ({{len .Accesses}})</h2>
<ul>{{range .Accesses}}
<li{{if or .BreakGlass .OneSided}} class="alert"{{end}}><span class="when">{{time .At}}</span><br>{{.Text}}</li>{{else}}<li>Nobody.</li>{{end}}
</ul>
<h2>What you have said about sharing ({{len .Directives}})</h2>
<ul>{{range .Directives}}
<li><span class="when">{{time .At}}, recorded by {{dash .By}} at {{.Trust}}</span><br>{{.Text}}<br><em>{{standing .}}</em></li>{{else}}<li>Nothing.</li>{{end}}
</ul>
<h2>The trusts that were asked</h2>
<ul>{{range .Sites}}<li>{{site .}} ({{.Trust}}): {{if .Answered}}answered{{else}}<strong>did not answer</strong>: {{.Problem}}{{end}}</li>{{end}}</ul>
<footer>Made with Ridgeway by {{.By}} ({{.Role}}) of {{.TrustName}} ({{.Trust}}), on {{time .Made}}, for {{.Purpose}}. If you have questions about an
access, ask the trust whose staff it was.</footer>
</body></html>
`

func reportHTML(w io.Writer, r *admin.ReportReply) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"time": shownTime, "number": spacedNumber, "missing": missing, "standing": standing, "site": siteName, "dash": orDash,
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	return page.Execute(w, r)
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
	return map[string]any{
		"patient": r.GetPatient(), "made": stamp(r.GetMade()), "by": r.GetBy(), "role": r.GetRole(), "purpose": r.GetPurpose(), "trust": r.GetTrust(),
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

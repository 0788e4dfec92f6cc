package policy

import (
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// drawScopes draws scopes whose fields often meet those of drawScopedRequest.
func drawScopes(t *rapid.T, label string) federation.Scope {
	var s federation.Scope
	pick := func(name string, of ...string) string {
		if rapid.IntRange(0, 3).Draw(t, label+name+"?") > 0 {
			return ""
		}
		return rapid.SampledFrom(of).Draw(t, label+name)
	}
	s.Trust = federation.TrustID(pick("trust", "RAS", "RYJ", "RXX"))
	s.Role = pick("role", "doctor", "clinician", "admin", "healer")
	if s.Trust != "" {
		s.Person = pick("person", "u", "U", "v")
	}
	s.Custodian = federation.TrustID(pick("custodian", "RYJ", "RXX"))
	s.Type, s.Category = pick("type", "a", "b"), pick("category", "c", "d")
	s.Sensitivity = pick("label", "HIV", "BH", "PSY", "UNKNOWN")
	if pick("document", "x") != "" {
		s.Document = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(rapid.IntRange(1, 2).Draw(t, label+"key"))})
	}
	if pick("from", "x") != "" {
		s.From = now.AddDate(0, 0, rapid.IntRange(-1, 1).Draw(t, label+"from day"))
	}
	if pick("to", "x") != "" {
		s.To = now.AddDate(0, 0, rapid.IntRange(-1, 2).Draw(t, label+"to day"))
	}
	s.Purpose = pick("purpose", "TREAT", "HRESCH", "UNKNOWN")
	return s
}

func drawWish(t *rapid.T, effects ...federation.DirectiveEffect) Directive {
	d := Directive{
		ID: federation.DirectiveID{byte(rapid.IntRange(1, 6).Draw(t, "id"))}, Effect: rapid.SampledFrom(effects).Draw(t, "effect"),
		Version: uint64(rapid.IntRange(1, 9).Draw(t, "version")), By: "RAS",
	}
	if d.Effect == federation.Withdrew {
		d.Target = federation.DirectiveID{byte(rapid.IntRange(1, 6).Draw(t, "target"))}
		return d
	}
	d.Scope = drawScopes(t, "scope ")
	for range rapid.IntRange(0, 2).Draw(t, "exceptions") {
		d.Except = append(d.Except, drawScopes(t, "exception "))
	}
	if rapid.IntRange(0, 4).Draw(t, "ends") == 0 {
		d.Until = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "end")))
	}
	if rapid.IntRange(0, 5).Draw(t, "supersedes") == 0 {
		d.Supersedes = federation.DirectiveID{byte(rapid.IntRange(1, 6).Draw(t, "superseded"))}
	}
	d.Withdrawn, d.Superseded = rapid.IntRange(0, 9).Draw(t, "withdrawn") == 0, rapid.IntRange(0, 9).Draw(t, "closed") == 0
	return d
}

func drawWishes(t *rapid.T, label string, most int) []Directive {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Directive {
		return drawWish(t, federation.Object, federation.Object, federation.Consent, federation.Consent, federation.Withdrew, 9)
	}), 0, most).Draw(t, label)
}

func drawScopedRequest(t *rapid.T) Request {
	r := drawRequest(t)
	r.Document.Type, r.Document.Category = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "type"), rapid.SampledFrom([]string{"", "c"}).Draw(t, "category")
	r.Document.Sensitivity = rapid.SampledFrom([][]string{nil, {"HIV"}, {"PSY"}, {"ETHUD", "HIV"}, {"ODD"}}).Draw(t, "labels")
	r.Document.Sealed = rapid.Bool().Draw(t, "sealed")
	r.Document.Versions = rapid.SampledFrom([][]federation.DocumentID{nil, nil, {federation.NewDocumentID("RYJ", federation.DocumentKey{2})}}).Draw(t, "versions")
	r.Document.MoreVersions = rapid.IntRange(0, 7).Draw(t, "more versions") == 0
	if rapid.Bool().Draw(t, "dated") {
		r.Document.Date = now
	}
	if rapid.IntRange(0, 15).Draw(t, "class") == 0 {
		r.Document.LegalClass = "ADOPTION"
	}
	return r
}

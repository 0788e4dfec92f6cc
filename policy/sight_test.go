package policy

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// namesDocument are rules that tell documents apart which are alike in all else.
var namesDocument = []string{
	`permit (principal, action, resource); forbid (principal, action, resource == Document::"%s");`,
	`permit (principal, action, resource in Document::"%s");`,
	`permit (principal, action, resource is Document in Document::"%s");`,
	`permit (principal, action, resource) when { resource == Document::"%s" };`,
	`permit (principal, action, resource) unless { [Document::"%s"].contains(resource) };`,
	`permit (principal, action, resource) when { resource.id == "%s" };`,
}

func TestASightAnswersAsDecideDoes(t *testing.T) {
	texts := append([]string{DefaultAgreement("RYJ")}, wishTexts...)
	for _, format := range namesDocument {
		texts = append(texts, fmt.Sprintf(format, federation.NewDocumentID("RYJ", federation.DocumentKey{2})))
	}
	var named []*Agreement
	for _, text := range texts {
		if a, err := Compile(text); err == nil { // the schema does not take them all
			named = append(named, a)
		}
	}
	if len(named) < 5 {
		t.Fatalf("%d agreements compile", len(named))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := drawWishFacts(t, named)
		if rapid.Bool().Draw(t, "drawn") {
			a, err := Compile(drawRule(t) + drawRule(t) + `permit (principal, action, resource);`)
			if err != nil {
				t.Skip("not valid")
			}
			f.Agreement = a
		}
		switch rapid.IntRange(0, 7).Draw(t, "facts") {
		case 0:
			f.Agreement = nil
		case 1:
			f.CustodianStanding = federation.Suspended
		case 2, 3, 4:
			f.Directives, f.LocalRefusals = nil, nil
		}
		first := drawWide(t)
		s := NewSight(first, f)
		var others *Sight // of the same user, asked in between about the same documents
		if rapid.Bool().Draw(t, "another custodian") {
			others = NewSight(first, drawWishFacts(t, named))
			s = others.On(f)
		}
		for range rapid.IntRange(1, 12).Draw(t, "documents") {
			r := first
			r.Action = See
			r.Document = rapid.SampledFrom([]Document{drawWide(t).Document, drawScopedRequest(t).Document}).Draw(t, "document")
			r.Document.ID = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(rapid.IntRange(1, 2).Draw(t, "key"))})
			switch rapid.IntRange(0, 9).Draw(t, "fault") {
			case 0:
				r.Document.Confidentiality = 0
			case 1:
				r.Document.Subject = federation.Subject{}
			}
			if others != nil {
				others.Sees(&r.Document)
			}
			d := Decide(r, f)
			if got, want := s.Sees(&r.Document), d.Visible && d.Permitted(); got != want {
				t.Fatalf("%v, Decide says %v: %v", got, want, d.Chain)
			}
		}
	})
}

func TestASightAsksOnceAboutDocumentsThatAreAlike(t *testing.T) {
	r, f := good(t)
	s := NewSight(r, f)
	for i := range 100 {
		r.Document.ID = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(i)})
		r.Document.Confidentiality = federation.Confidentiality(i%2) + federation.Normal
		if got := s.Sees(&r.Document); got != (i%2 == 0) {
			t.Fatalf("document %d: %v", i, got)
		}
	}
	if len(s.known) != 2 {
		t.Errorf("%d answers are known, want 2", len(s.known))
	}
}

// What the agreement of one custodian has answered says nothing of another's, of documents that no rule tells apart.
func TestSightsOfOneUserKnowNothingOfEachOther(t *testing.T) {
	r, f := good(t)
	f.Agreement = mustCompile(t, `permit (principal, action, resource);`)
	one := NewSight(r, f)
	if !one.Sees(&r.Document) {
		t.Fatal("not seen where the agreement permits it")
	}
	f.Agreement = mustCompile(t, `forbid (principal, action, resource);`)
	if one.On(f).Sees(&r.Document) {
		t.Error("seen where the agreement forbids it")
	}
	if !one.Sees(&r.Document) {
		t.Error("not seen any more")
	}
}

func BenchmarkDecideAmong1000Agreements(b *testing.B) {
	r, f := good(b)
	all := make([]*Agreement, 1000)
	for i := range all {
		all[i] = mustCompile(b, DefaultAgreement(federation.TrustID(fmt.Sprintf("R%03d", i))))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i * 7919 % len(all) // another custodian each time, so that none stays in the processor's caches
		r.Document.Custodian = federation.TrustID(fmt.Sprintf("R%03d", at))
		r.Document.ID = federation.NewDocumentID(r.Document.Custodian, federation.DocumentKey{byte(i)})
		f.Agreement = all[at]
		if !Decide(r, f).Permitted() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkSee100Documents(b *testing.B) {
	r, f := good(b)
	b.ReportAllocs()
	for b.Loop() {
		s := NewSight(r, f)
		for i := range 100 {
			r.Document.ID = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(i)})
			if !s.Sees(&r.Document) {
				b.Fatal("hidden")
			}
		}
	}
}

// TestWhatAnAgreementHasShownIsOfThatUserAndRequest: what was decided for one is not told another that a rule can tell apart.
func TestWhatAnAgreementHasShownIsOfThatUserAndRequest(t *testing.T) {
	a := mustCompile(t, `
		permit (principal == User::"RAS/kind", action, resource);
		permit (principal in Role::"doctor", action, resource) when { context.purpose == Purpose::"TREAT" && resource.type == "letter" };`)
	base, f := good(t)
	f.Agreement = a
	for _, c := range []struct {
		id, role, purpose, typ string
		want                   bool
	}{
		{"kind", "nurse", "TREAT", "scan", true},
		{"other", "nurse", "TREAT", "scan", false},
		{"other", "doctor", "TREAT", "letter", true},
		{"other", "doctor", "TREAT", "scan", false},
		{"other", "doctor", "HOPERAT", "letter", false},
		{"other", "nurse", "TREAT", "letter", false},
	} {
		for range 2 { // asked, and remembered
			r := base
			r.User, r.Purpose, r.Document.Type = User{Trust: "RAS", ID: c.id, Role: c.role}, c.purpose, c.typ
			if got := NewSight(r, f).Sees(&r.Document); got != c.want {
				t.Errorf("%+v: %v", c, got)
			}
		}
	}
	if n := len(a.answers.kept); n != 6 {
		t.Errorf("%d decisions are kept, want 6", n)
	}
	timed := mustCompile(t, `permit (principal, action, resource) when { context.now > datetime("2026-01-01") };`)
	for i := range 3 * maxOfAMoment {
		r := base
		r.Now = base.Now.AddDate(-i%2, 0, -i/2)
		f.Agreement = timed
		if got, want := NewSight(r, f).Sees(&r.Document), r.Now.Year() == 2026; got != want {
			t.Fatalf("at %s: %v", r.Now, got)
		}
	}
	if n := len(timed.answers.kept); n > maxOfAMoment {
		t.Errorf("%d decisions that depend on the moment are kept", n)
	}
}

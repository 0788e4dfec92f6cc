package federation

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawScope(t *rapid.T) Scope {
	some := func(label, text string) string {
		if rapid.Bool().Draw(t, label) {
			return text
		}
		return ""
	}
	s := Scope{
		Trust: TrustID(some("trust", "RAS")), Role: some("role", "nurse"), Custodian: TrustID(some("custodian", "RYJ")), Type: some("type", "373942005"),
		Category: some("category", "local^X"), Sensitivity: some("sensitivity", "HIV"), Purpose: some("purpose", "TREAT"),
		Document: DocumentID(some("document", string(testDocument(1)))), From: drawTime(t, "from"), To: drawTime(t, "to"),
	}
	if s.Trust != "" {
		s.Person = some("person", "staff Ä-7")
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		s.To = time.Time{}
	}
	return s
}

func TestAnyDirectiveReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Directive{
			ID: DirectiveID{1, rapid.Byte().Draw(t, "id")}, Subject: Subject{1}, Effect: rapid.SampledFrom([]DirectiveEffect{Object, Withdrew, Consent}).Draw(t, "effect"),
			By: drawText(t, MaxAuthor, "by"), Evidence: drawText(t, maxReason, "evidence"),
		}
		if b.Effect == Withdrew {
			b.Target = DirectiveID{2}
		} else {
			b.Scope, b.Until = drawScope(t), drawTime(t, "until")
			for range rapid.IntRange(0, MaxExceptions).Draw(t, "exceptions") {
				if s := drawScope(t); !s.IsZero() {
					b.Except = append(b.Except, s)
				}
			}
			if rapid.Bool().Draw(t, "supersedes") {
				b.Supersedes = DirectiveID{3}
			}
		}
		raw := EncodeBody(b)
		got, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindDirective, Body: raw})
		if diff := cmp.Diff(Body(b), got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		plain := b.Effect != Consent && b.Scope.IsZero() && len(b.Except) == 0 && b.Until.IsZero() && b.Supersedes == DirectiveID{}
		if plain != (raw[0] == 1) {
			t.Fatalf("version %d of %+v", raw[0], b)
		}
	})
}

// A program that does not know scopes must stop at them: to take a narrow objection for a whole one, or a consent for
// nothing, would be another meaning of the same signature.
func TestPlainDirectivesStayVersionOneAndOthersNever(t *testing.T) {
	plain := Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Object, By: "staff-17"}
	if raw := EncodeBody(plain); raw[0] != 1 {
		t.Errorf("a plain objection is of version %d", raw[0])
	}
	for name, change := range map[string]func(*Directive){
		"consent":    func(d *Directive) { d.Effect = Consent },
		"scope":      func(d *Directive) { d.Scope.Role = "nurse" },
		"exception":  func(d *Directive) { d.Except = []Scope{{Role: "nurse"}} },
		"until":      func(d *Directive) { d.Until = testTime },
		"supersedes": func(d *Directive) { d.Supersedes = DirectiveID{9} },
	} {
		d := plain
		change(&d)
		if raw := EncodeBody(d); raw[0] != 2 {
			t.Errorf("%s: version %d", name, raw[0])
		}
	}
}

func TestDirectivesThatMeanNothingAreRefused(t *testing.T) {
	withdrawal := Directive{ID: DirectiveID{4}, Subject: Subject{1}, Effect: Withdrew, Target: DirectiveID{1}, By: "x"}
	many := make([]Scope, MaxExceptions+1)
	for i := range many {
		many[i].Role = fmt.Sprint(i)
	}
	change := func(f func(*Directive)) Directive {
		d := scopedDirective()
		f(&d)
		return d
	}
	scoped := func(s Scope) Directive { return change(func(d *Directive) { d.Scope = s }) }
	long := string(bytes.Repeat([]byte("x"), MaxAuthor+1))
	withdrawalIn := withdrawal
	withdrawalIn.Scope.Role = "nurse"
	withdrawalUntil := withdrawal
	withdrawalUntil.Until = testTime
	withdrawalFor := withdrawal
	withdrawalFor.Supersedes = DirectiveID{7}
	for name, d := range map[string]Directive{
		"unknown effect":                  change(func(d *Directive) { d.Effect = 4 }),
		"target of an objection":          change(func(d *Directive) { d.Target = DirectiveID{9} }),
		"takes its own place":             change(func(d *Directive) { d.Supersedes = d.ID }),
		"too many exceptions":             change(func(d *Directive) { d.Except = many }),
		"an exception of everything":      change(func(d *Directive) { d.Except = []Scope{{}} }),
		"an exception that is malformed":  change(func(d *Directive) { d.Except = []Scope{{Person: "x"}} }),
		"a withdrawal with a scope":       withdrawalIn,
		"a withdrawal with an end":        withdrawalUntil,
		"a withdrawal in another's stead": withdrawalFor,
		"person without trust":            scoped(Scope{Person: "staff-18"}),
		"no trust":                        scoped(Scope{Trust: "??"}),
		"no custodian":                    scoped(Scope{Custodian: "??"}),
		"no document":                     scoped(Scope{Document: "RYJ-1"}),
		"range backwards":                 scoped(Scope{From: testTime, To: testTime.Add(-1e9)}),
		"empty range":                     scoped(Scope{From: testTime, To: testTime}),
		"long person":                     scoped(Scope{Trust: "RAS", Person: long}),
		"long role":                       scoped(Scope{Role: long}),
		"control character":               scoped(Scope{Type: "\x00"}),
		"year 12000":                      scoped(Scope{From: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)}),
		"until the year 12000":            change(func(d *Directive) { d.Until = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) }),
	} {
		if b, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindDirective, Body: EncodeBody(d)}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

// Bytes that say the same in another way would give one signature two forms, or one form two meanings.
func TestOtherFormsOfADirectiveAreRefused(t *testing.T) {
	decode := func(raw []byte) error {
		_, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindDirective, Body: raw})
		return err
	}
	plain := EncodeBody(Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Object, By: "x"})
	empty := append([]byte{2}, plain[1:]...)
	empty = append(empty, make([]byte, minScope+1)...)
	var until Encoder
	until.Time(time.Time{})
	empty = append(append(empty, until.Bytes()...), make([]byte, 16)...)
	consent := EncodeBody(Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Consent, By: "x"})
	if !bytes.Equal(consent[1+16+16+1:], empty[1+16+16+1:]) {
		t.Fatal("the test has another form in mind than the codec")
	}
	oldConsent := append([]byte{1}, consent[1:len(plain)]...)
	scope := len(plain) // offset of the fields of the scope
	for name, raw := range map[string][]byte{
		"version 2 of a plain objection": empty,
		"version 1 of a consent":         oldConsent,
		"unknown field":                  flip(consent, scope, 0x08),
		"field said to be there":         flip(consent, scope+1, 0x02),
		"a byte more":                    append(bytes.Clone(consent), 0),
	} {
		if err := decode(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := decode(append([]byte{3}, plain[1:]...)); !errors.Is(err, ErrVersion) {
		t.Errorf("version 3: %v", err)
	}
	if _, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindLink, Body: append([]byte{2}, EncodeBody(Link{Prior: Subject{1}, Survivor: Subject{2}})[1:]...)}); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2 of a link: %v", err)
	}
	raw := EncodeBody(scopedDirective())
	for n := range raw {
		if err := decode(raw[:n]); err == nil {
			t.Errorf("cut to %d bytes: no error", n)
		}
	}
}

func flip(b []byte, at int, bit byte) []byte {
	b = bytes.Clone(b)
	b[at] ^= bit
	return b
}

func TestScopesThatAreEqualSayTheSame(t *testing.T) {
	a, b := fullScope(), fullScope()
	b.From = b.From.In(time.FixedZone("", 3600))
	if !a.Equal(b) || a.IsZero() || !(Scope{}).IsZero() {
		t.Errorf("%+v and %+v", a, b)
	}
	for i := range 11 {
		c := fullScope()
		switch i {
		case 0:
			c.Trust = "RAX"
		case 1:
			c.Role = ""
		case 2:
			c.Person = ""
		case 3:
			c.Custodian = ""
		case 4:
			c.Type = ""
		case 5:
			c.Category = ""
		case 6:
			c.Sensitivity = ""
		case 7:
			c.Document = ""
		case 8:
			c.From = time.Time{}
		case 9:
			c.To = time.Time{}
		case 10:
			c.Purpose = ""
		}
		if a.Equal(c) {
			t.Errorf("field %d does not count", i)
		}
	}
}

func FuzzDecodeDirective(f *testing.F) {
	for _, b := range testBodies() {
		if b.Kind() == KindDirective {
			f.Add(EncodeBody(b))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindDirective, Body: raw})
		if err != nil {
			return
		}
		d, ok := b.(Directive)
		if !ok || !bytes.Equal(EncodeBody(d), raw) {
			t.Fatalf("%+v encodes otherwise than %x", b, raw)
		}
		for _, s := range append(d.Except, d.Scope) {
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

package federation

import (
	"crypto/ed25519"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBodiesReadBackAsTheyWere(t *testing.T) {
	for name, body := range testBodies() {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeBody(testStatement(body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(body, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryKindHasABody(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, b := range testBodies() {
		kinds[b.Kind()] = true
	}
	for k := KindCharter; k.Valid(); k++ {
		if !kinds[k] {
			t.Errorf("no sample of %s", k)
		}
	}
}

// A statement is cut, lengthened or changed in each byte: none of it verifies, and nothing but the same bytes decodes to it.
func TestChangedStatementsAreRefused(t *testing.T) {
	key := testKey(1)
	for name, body := range testBodies() {
		if name == "forever" {
			continue
		}
		signed, err := Sign(testStatement(body), key)
		if err != nil {
			t.Fatal(err)
		}
		for i := range signed.Raw {
			changed := Signed{Raw: append([]byte(nil), signed.Raw...), Sig: signed.Sig}
			changed.Raw[i] ^= 1
			if i%16 == 0 && changed.Verify(PublicOf(key)) == nil {
				t.Errorf("%s: verifies with byte %d changed", name, i)
			}
			if s, err := changed.Statement(); err == nil {
				if string(s.Encode()) != string(changed.Raw) {
					t.Errorf("%s: byte %d changed decodes to what encodes otherwise", name, i)
				}
			}
			if _, err := DecodeStatement(signed.Raw[:i]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: cut to %d bytes: %v", name, i, err)
			}
		}
		if _, err := DecodeStatement(append(signed.Raw, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: lengthened: %v", name, err)
		}
	}
}

func TestBodiesCutShortAreRefused(t *testing.T) {
	for name, body := range testBodies() {
		if name == "forever" {
			continue
		}
		s := testStatement(body)
		full := s.Body
		for i := range full {
			s.Body = full[:i]
			if _, err := DecodeBody(s); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut to %d of %d bytes: %v", name, i, len(full), err)
			}
		}
		s.Body = append(append([]byte(nil), full...), 0)
		if _, err := DecodeBody(s); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s lengthened: %v", name, err)
		}
	}
}

func TestSignaturesAreOfOneKeyAndOneContext(t *testing.T) {
	key, other := testKey(1), testKey(2)
	signed, err := Sign(testStatement(Approve{}), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(PublicOf(key)); err != nil {
		t.Error(err)
	}
	if err := signed.Verify(PublicOf(other)); !errors.Is(err, ErrSignature) {
		t.Errorf("another's key: %v", err)
	}
	if err := signed.Verify(PublicKey{}); !errors.Is(err, ErrSignature) {
		t.Errorf("no key: %v", err)
	}
	copy(signed.Sig[:], ed25519.Sign(key, signed.Raw))
	if err := signed.Verify(PublicOf(key)); !errors.Is(err, ErrSignature) {
		t.Errorf("signature without context: %v", err)
	}
}

func TestEnvelopesReadBackAsTheyWere(t *testing.T) {
	signed, err := Sign(testStatement(Approve{}), testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSigned(signed.Encode())
	if err != nil || !cmp.Equal(got, signed) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := DecodeSigned(make([]byte, ed25519.SignatureSize)); !errors.Is(err, ErrMalformed) {
		t.Errorf("signature only: %v", err)
	}
	if _, err := DecodeSigned(make([]byte, MaxStatement+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestVersionsThatAreNotKnownAreNamed(t *testing.T) {
	s := testStatement(Approve{})
	raw := s.Encode()
	raw[0] = 2
	if _, err := DecodeStatement(raw); !errors.Is(err, ErrVersion) {
		t.Errorf("statement version 2: %v", err)
	}
	s.Body[0] = 2
	if _, err := DecodeBody(s); !errors.Is(err, ErrVersion) {
		t.Errorf("body version 2: %v", err)
	}
	s.Body[0], s.Kind = 1, KindBreakGlass+1
	if got, err := DecodeStatement(s.Encode()); err != nil || got.Kind != KindBreakGlass+1 {
		t.Errorf("an unknown kind is the caller's affair: %v, %v", got.Kind, err)
	}
	if _, err := DecodeBody(s); !errors.Is(err, ErrVersion) {
		t.Errorf("body of an unknown kind: %v", err)
	}
}

// Compose must refuse whatever would not read back as it was meant.
func TestComposeRefusesWhatWouldNotReadBack(t *testing.T) {
	pointer := func(change func(*Pointer)) Body {
		p := testPointer(1)
		change(&p)
		return Publish{Pointers: []Pointer{p}}
	}
	foreign := NewDocumentID("RAS", DocumentKey{1})
	member := testMember("RAS", 1)
	member.Trust = TrustID(strings.Repeat("R", 259))
	bodies := testBodies()
	charter, _ := bodies["charter"].(Charter)
	founded := func(change func(*Charter)) Body { c := charter; change(&c); return c }
	many := make([]Pointer, MaxPointers+1)
	for i := range many {
		many[i] = sealedPointer(1)
	}
	cases := []struct {
		name string
		body Body
		want error
	}{
		{"300 approvals, which is 44 in a byte", founded(func(c *Charter) { c.Approvals = 300 }), ErrMalformed},
		{"no approvals", founded(func(c *Charter) { c.Approvals = 0 }), ErrMalformed},
		{"four voters", founded(func(c *Charter) { c.Voters = 4 }), ErrMalformed},
		{"259 voters, which is 3 in a byte", founded(func(c *Charter) { c.Voters = 259 }), ErrMalformed},
		{"region without a name", founded(func(c *Charter) { c.Region = "" }), ErrMalformed},
		{"trust of 259 bytes, which is 3 in a byte", Enrol{Member: member}, ErrMalformed},
		{"another's document", pointer(func(p *Pointer) { p.Document = foreign }), ErrMalformed},
		{"document without id", pointer(func(p *Pointer) { p.Document = "" }), ErrMalformed},
		{"another's document superseded", pointer(func(p *Pointer) { p.Supersedes = foreign }), ErrMalformed},
		{"another's document withdrawn", Withdraw{Documents: []DocumentID{foreign}}, ErrMalformed},
		{"no subject", pointer(func(p *Pointer) { p.Subject = Subject{} }), ErrMalformed},
		{"no manifest", pointer(func(p *Pointer) { p.Manifest = Digest{} }), ErrMalformed},
		{"no type", pointer(func(p *Pointer) { p.Type = "" }), ErrMalformed},
		{"no status", pointer(func(p *Pointer) { p.Status = 0 }), ErrMalformed},
		{"no confidentiality", pointer(func(p *Pointer) { p.Confidentiality = 0 }), ErrMalformed},
		{"confidentiality beyond V", pointer(func(p *Pointer) { p.Confidentiality = VeryRestricted + 1 }), ErrMalformed},
		{"long title", pointer(func(p *Pointer) { p.Title = strings.Repeat("x", MaxTitle+1) }), ErrMalformed},
		{"long code", pointer(func(p *Pointer) { p.Type = strings.Repeat("x", MaxCode+1) }), ErrMalformed},
		{"negative pages", pointer(func(p *Pointer) { p.Pages = -1 }), ErrMalformed},
		{"negative size", pointer(func(p *Pointer) { p.Bytes = -1 }), ErrMalformed},
		{"control character", pointer(func(p *Pointer) { p.Title = "a\x00b" }), ErrMalformed},
		{"no UTF-8", pointer(func(p *Pointer) { p.Author = "a\xff" }), ErrMalformed},
		{"date in the year 12000", pointer(func(p *Pointer) { p.Date = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC) }), ErrMalformed},
		{"date in the year 300000, which wraps", pointer(func(p *Pointer) { p.Date = time.Unix(math.MaxInt64/1000, 0) }), ErrMalformed},
		{"date before the year 1", pointer(func(p *Pointer) { p.Date = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }), ErrMalformed},
		{"no pointers", Publish{}, ErrMalformed},
		{"1,001 pointers", Publish{Pointers: many}, ErrMalformed},
		{"nothing to withdraw", Withdraw{Reason: "none"}, ErrMalformed},
		{"objection with a target", Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Object, Target: DirectiveID{2}}, ErrMalformed},
		{"withdrawal without a target", Directive{ID: DirectiveID{1}, Subject: Subject{1}, Effect: Withdrew}, ErrMalformed},
		{"directive without id", Directive{Subject: Subject{1}, Effect: Object}, ErrMalformed},
		{"link to itself", Link{Prior: Subject{1}, Survivor: Subject{1}}, ErrMalformed},
		{"link to nobody", Link{Prior: Subject{1}}, ErrMalformed},
		{"role beyond the last", Rotate{Role: RoleNode + 1}, ErrMalformed},
		{"node without address", Rotate{Role: RoleNode}, ErrMalformed},
		{"statement key with address", Rotate{Role: RoleStatement, Address: "a:1"}, ErrMalformed},
		{"long policy", Agreement{Version: 1, Effective: testTime, Cedar: strings.Repeat("x", maxCedar+1)}, ErrMalformed},
		{"agreement approved by its proposer", Agreement{Version: 1, Effective: testTime, Proposer: "a", Approver: "a"}, ErrMalformed},
		{"agreement that nobody approved", Agreement{Version: 1, Effective: testTime, Proposer: "a"}, ErrMalformed},
		{"agreement that nobody proposed", Agreement{Version: 1, Effective: testTime, Approver: "a"}, ErrMalformed},
		{"agreement with a note of nobody", Agreement{Version: 1, Effective: testTime, Note: "why"}, ErrMalformed},
		{"long note", Agreement{Version: 1, Effective: testTime, Proposer: "a", Approver: "b", Note: strings.Repeat("x", maxReason+1)}, ErrMalformed},
		{"long proof", Checkpoint{Proof: make([]Digest, maxProof+1)}, ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Compose(Place{Trust: "RYJ", Seq: 1, At: testTime}, c.body, testKey(1)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestSignRefusesWhatWouldNotReadBack(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Statement)
		want   error
	}{
		{"no trust", func(s *Statement) { s.Trust = "" }, ErrMalformed},
		{"no ODS code", func(s *Statement) { s.Trust = "ryj" }, ErrMalformed},
		{"no number", func(s *Statement) { s.Seq = 0 }, ErrMalformed},
		{"no kind", func(s *Statement) { s.Kind = 0 }, ErrMalformed},
		{"no time", func(s *Statement) { s.At = time.Time{} }, ErrMalformed},
		{"too large", func(s *Statement) { s.Body = make([]byte, MaxStatement) }, ErrTooLarge},
	}
	for _, c := range cases {
		s := testStatement(Approve{})
		c.change(&s)
		if _, err := Sign(s, testKey(1)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestLargestPublicationFits(t *testing.T) {
	pointers := make([]Pointer, MaxPointers)
	for i := range pointers {
		pointers[i] = testPointer(byte(i))
		pointers[i].Document = NewDocumentID("RYJ", DocumentKey{byte(i), byte(i >> 8)})
	}
	signed, err := Compose(Place{Trust: "RYJ", Seq: 1, At: testTime}, Publish{Pointers: pointers}, testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes a pointer", len(signed.Raw)/len(pointers))
}

func TestMembersAreChecked(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Member)
		prove  bool // anew, after the change
		want   error
	}{
		{"as it should be", func(*Member) {}, false, nil},
		{"trust exchanged after the proof", func(m *Member) { m.Trust = "RAS" }, false, ErrSignature},
		{"node key exchanged after the proof", func(m *Member) { m.NodeKey = PublicOf(testKey(77)) }, false, ErrSignature},
		{"proof by another key", func(m *Member) { m.Prove(testKey(77)) }, false, ErrSignature},
		{"no name", func(m *Member) { m.Name = "" }, true, ErrMalformed},
		{"no address", func(m *Member) { m.Address = "" }, true, ErrMalformed},
		{"no node key", func(m *Member) { m.NodeKey = PublicKey{} }, true, ErrMalformed},
		{"one key for two purposes", func(m *Member) { m.AuditKey = m.NodeKey }, true, ErrMalformed},
	}
	for _, c := range cases {
		m := testMember("RYJ", 1)
		c.change(&m)
		if c.prove {
			m.Prove(testKey(1))
		}
		if err := m.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestVersionTwoOfAnAgreementNamesPeople because what version 1 can say has only one form.
func TestVersionTwoOfAnAgreementNamesPeople(t *testing.T) {
	raw := EncodeBody(Agreement{Version: 1, Effective: testTime, Cedar: "// none"})
	if raw[0] != 1 {
		t.Fatalf("version %d of an agreement that names nobody", raw[0])
	}
	raw[0] = 2
	for _, body := range [][]byte{raw, append(raw, 0, 0, 0)} {
		if b, err := DecodeBody(Statement{Trust: "RYJ", Kind: KindAgreement, Body: body}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: got %+v, %v", body, b, err)
		}
	}
}

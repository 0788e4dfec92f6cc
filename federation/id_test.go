package federation

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTrustIDs(t *testing.T) {
	for in, want := range map[string]TrustID{"RYJ": "RYJ", " y05868 ": "Y05868", "R1K": "R1K", strings.Repeat("A", 12): TrustID(strings.Repeat("A", 12))} {
		if got, err := ParseTrustID(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "RY", "RYJ ICHT", "R-J", "RÝJ", strings.Repeat("A", 13), "RYJ\n1"} {
		if got, err := ParseTrustID(in); !errors.Is(err, ErrTrustID) || got != "" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestDocumentIDs(t *testing.T) {
	id := NewDocumentID("RYJ", DocumentKey{0, 1, 2, 3, 4, 5, 6, 7, 8, 255})
	for _, in := range []string{string(id), strings.ToLower(string(id)), " " + string(id) + "\n", strings.ReplaceAll(string(id), "0", "O")} {
		if got, err := ParseDocumentID(in); err != nil || got != id {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, id)
		}
	}
	text := string(id)
	for _, in := range []string{
		"", "RYJ", "RYJ-", text + "0", text[:len(text)-1], strings.Replace(text, "-", "", 1), "RY-" + text[4:], "RYJ-" + text, "RYJ-U" + text[5:],
		// base 32 decoders pass over line breaks; an id must have one form
		text[:10] + "\n" + text[11:], text[:len(text)-1] + "\n", text[:len(text)-1] + "\r",
	} {
		if DocumentID(in).Valid() || DocumentID(in).Custodian() != "" || DocumentID(in).Key() != (DocumentKey{}) {
			t.Errorf("%q is valid", in)
		}
	}
}

func TestTextThatIsNoDocumentIDIsRefused(t *testing.T) {
	for _, in := range []string{"", "-", "RYJ", "RYJ-0123", "RYJ-0123456789ABCDEFG", "R-0123456789ABCDEF", "RYJ-0123456789ABCDEU", "RYJ_0123456789ABCDEF"} {
		if got, err := ParseDocumentID(in); !errors.Is(err, ErrDocumentID) || got != "" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestDocumentIDsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trust := TrustID(rapid.StringMatching(`[A-Z0-9]{3,12}`).Draw(t, "trust"))
		key := DocumentKey(rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "key"))
		id := NewDocumentID(trust, key)
		if !id.Valid() || id.Custodian() != trust || id.Key() != key {
			t.Fatalf("%q: %v, %q, %x", id, id.Valid(), id.Custodian(), id.Key())
		}
	})
}

func TestDigestsReadBack(t *testing.T) {
	d := Sum([]byte("x"))
	if got, err := parseDigest(d.String()); err != nil || got != d {
		t.Errorf("digest: %v, %v", got, err)
	}
	if got, err := ParseNodeID(NodeID(d).String()); err != nil || got != NodeID(d) || len(got.Short()) != 8 {
		t.Errorf("node: %v, %v", got, err)
	}
	for _, in := range []string{"", "00", "zz", d.String() + "00", d.String()[1:]} {
		if _, err := parseDigest(in); !errors.Is(err, ErrDigest) {
			t.Errorf("digest %q: %v", in, err)
		}
	}
}

func TestSubjectsStayOutOfLogs(t *testing.T) {
	if s := (Subject{0xAB}); strings.Contains(s.LogValue().String(), "ab") {
		t.Errorf("logged as %q", s.LogValue())
	}
}

func TestConfidentialityCodes(t *testing.T) {
	for c := Unrestricted; c <= VeryRestricted; c++ {
		if got, err := ParseConfidentiality(c.String()); err != nil || got != c {
			t.Errorf("%s: %v, %v", c, got, err)
		}
		if c.Sealed() != (c >= Restricted) {
			t.Errorf("%s: sealed %v", c, c.Sealed())
		}
	}
	for _, in := range []string{"", "X", "n", "NR"} {
		if got, err := ParseConfidentiality(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
	if got := Confidentiality(0).String() + Confidentiality(9).String(); got != "??" {
		t.Errorf("invalid levels: %q", got)
	}
}

func TestNodeIDIsTheHashOfThePublicKeyInfo(t *testing.T) {
	for i := range 3 {
		key := PublicOf(testKey(byte(i)))
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(key[:]))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := NodeOf(key), NodeID(sha256.Sum256(der)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

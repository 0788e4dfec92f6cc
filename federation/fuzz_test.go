package federation

import (
	"bytes"
	"errors"
	"testing"
)

// What decodes must encode to the same bytes: else a signature would have two meanings.

func FuzzDecodeStatement(f *testing.F) {
	for _, b := range testBodies() {
		f.Add(testStatement(b).Encode())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := DecodeStatement(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("no sentinel: %v", err)
			}
			return
		}
		if got := s.Encode(); !bytes.Equal(got, raw) {
			t.Fatalf("encodes to\n%x, was\n%x", got, raw)
		}
	})
}

func FuzzDecodeBody(f *testing.F) {
	for _, b := range testBodies() {
		f.Add(uint8(b.Kind()), EncodeBody(b))
	}
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		s := Statement{Trust: "RYJ", Kind: Kind(kind), Body: raw}
		b, err := DecodeBody(s)
		if _, other := DecodeRawPointers(s); Kind(kind) == KindPublish && ((err == nil) != (other == nil) || errors.Is(err, ErrVersion) != errors.Is(other, ErrVersion)) {
			t.Fatalf("decoded: %v, raw: %v", err, other)
		}
		if err != nil {
			if b != nil || (!errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion)) {
				t.Fatalf("body %v with %v", b, err)
			}
			return
		}
		if b.Kind() != Kind(kind) {
			t.Fatalf("%s for %s", b.Kind(), Kind(kind))
		}
		if got := EncodeBody(b); !bytes.Equal(got, raw) {
			t.Fatalf("encodes to\n%x, was\n%x", got, raw)
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	b, err := testManifest().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := DecodeManifest(raw)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("no sentinel: %v", err)
			}
			return
		}
		got, err := m.Encode()
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("encodes to\n%x (%v), was\n%x", got, err, raw)
		}
	})
}

func FuzzParseDocumentID(f *testing.F) {
	f.Add(string(testDocument(1)))
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseDocumentID(s)
		if err != nil {
			return
		}
		if again := NewDocumentID(id.Custodian(), id.Key()); again != id {
			t.Fatalf("%q is written %q", id, again)
		}
	})
}

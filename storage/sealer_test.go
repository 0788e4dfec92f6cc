package storage

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The vectors of the C2SP specification "XAES-256-GCM".
func TestSealerMatchesTheSpecification(t *testing.T) {
	tests := []struct{ key, aad, want string }{
		{"\x01", "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{"\x03", "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	}
	nonce := "ABCDEFGHIJKLMNOPQRSTUVWX"
	for _, c := range tests {
		key := [32]byte([]byte(strings.Repeat(c.key, 32)))
		s := NewSealerRand(key, strings.NewReader(nonce))
		sealed := s.Seal(nil, []byte(c.aad), []byte("XAES-256-GCM"))
		if got := hex.EncodeToString(sealed[sealNonceSize:]); got != c.want || string(sealed[:sealNonceSize]) != nonce {
			t.Errorf("key %q: got %s, want %s", c.key, got, c.want)
		}
		plain, err := s.Open(nil, []byte(c.aad), sealed)
		if err != nil || string(plain) != "XAES-256-GCM" {
			t.Errorf("key %q: opened %q, %v", c.key, plain, err)
		}
	}
}

// The specification's accumulated vector: 10,000 seals of inputs from one SHAKE128 stream, hashed by another.
func TestSealerMatchesTheAccumulatedVector(t *testing.T) {
	const want = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	in, sum := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	draw := func(n int) []byte {
		b := make([]byte, n)
		_, _ = in.Read(b)
		return b
	}
	for range 10000 {
		key, nonce := [32]byte(draw(32)), draw(sealNonceSize)
		plain := draw(int(draw(1)[0]))
		aad := draw(int(draw(1)[0]))
		s := NewSealerRand(key, bytes.NewReader(nonce))
		sealed := s.Seal(nil, aad, plain)
		got, err := s.Open(nil, aad, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("open: %v", err)
		}
		_, _ = sum.Write(sealed[sealNonceSize:])
	}
	out := make([]byte, 32)
	_, _ = sum.Read(out)
	if got := hex.EncodeToString(out); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestSealedValueOpensOnlyAsItWasSealed(t *testing.T) {
	s := NewSealer([32]byte{1})
	sealed := s.Seal([]byte("prefix"), []byte("here"), []byte("content"))
	sealed = sealed[len("prefix"):]
	if len(sealed) != len("content")+SealOverhead {
		t.Errorf("%d bytes", len(sealed))
	}
	mustFail := func(name string, s *Sealer, aad string, b []byte) {
		t.Helper()
		dst := []byte("kept")
		out, err := s.Open(dst, []byte(aad), b)
		if !errors.Is(err, ErrIntegrity) || string(out) != "kept" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	mustFail("other place", s, "there", sealed)
	mustFail("other key", NewSealer([32]byte{2}), "here", sealed)
	mustFail("derived key", s.Derive("x"), "here", sealed)
	mustFail("empty", s, "here", nil)
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		mustFail(fmt.Sprintf("flip at %d", i), s, "here", b)
		mustFail(fmt.Sprintf("cut at %d", i), s, "here", sealed[:i])
	}
	if got, err := s.Open([]byte("x"), []byte("here"), sealed); err != nil || string(got) != "xcontent" {
		t.Errorf("%q, %v", got, err)
	}
	if bytes.Equal(s.Seal(nil, nil, nil), s.Seal(nil, nil, nil)) {
		t.Error("two seals are equal")
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	master := [32]byte{5}
	seen := map[[32]byte]string{master: "the master key"}
	for _, label := range []string{"", "a", "b", "ab", "secrets"} {
		k := DeriveKey(master, label)
		if other, again := seen[k]; again {
			t.Errorf("%q has the key of %q", label, other)
		}
		seen[k] = label
		if k != DeriveKey(master, label) {
			t.Errorf("%q has two keys", label)
		}
	}
}

func FuzzOpenNeverPanics(f *testing.F) {
	s := NewSealer([32]byte{9})
	f.Add([]byte("aad"), s.Seal(nil, []byte("aad"), []byte("x")))
	f.Fuzz(func(t *testing.T, aad, sealed []byte) {
		plain, err := s.Open(nil, aad, sealed)
		if err == nil && len(plain)+SealOverhead != len(sealed) {
			t.Fatal("a length that cannot be")
		}
	})
}

func BenchmarkSeal64KiB(b *testing.B) {
	s := NewSealer([32]byte{1})
	plain, dst := make([]byte, 64*kib), make([]byte, 0, 65*kib)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Seal(dst[:0], nil, plain)
	}
}

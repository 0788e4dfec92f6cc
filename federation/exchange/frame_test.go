package exchange

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

func sampleAssertion() Assertion {
	return Assertion{
		Trust: asker, User: "u1", Role: "doctor", Purpose: "TREAT", Relationship: "enc-1", Emergency: "e", Subject: patient,
		Document: federation.NewDocumentID(holder, federation.DocumentKey{1}), Manifest: federation.Digest{2}, Node: federation.NodeID{3},
		Custodian: federation.NodeID{4}, Binding: [BindingSize]byte{5}, Nonce: [16]byte{6}, Transfer: Transfer{7},
		At: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC), Start: 300, Push: maxSequence, Bulk: true, Have: true,
		Selection: Selection{Part: 2, Pages: []int{1, 700}, Ranges: []federation.Extent{{Offset: 9, Length: 1 << 33}}},
	}
}

func TestAssertionIsReadBackAsItWasWritten(t *testing.T) {
	vouched := sampleAssertion()
	vouched.Export, vouched.Vouch = true, Vouch{Relationship: federation.Digest{9}, At: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)}
	for name, a := range map[string]Assertion{"plain": sampleAssertion(), "vouched for": vouched} {
		t.Run(name, func(t *testing.T) { readBack(t, a) })
	}
}

func readBack(t *testing.T, a Assertion) {
	t.Helper()
	got, err := DecodeAssertion(a.Encode())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(a) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for n := range len(a.Encode()) {
		if _, err := DecodeAssertion(a.Encode()[:n]); err == nil {
			t.Fatalf("the first %d bytes were taken", n)
		}
	}
	if _, err := DecodeAssertion(append(a.Encode(), 0)); !errors.Is(err, federation.ErrMalformed) {
		t.Errorf("bytes after the end: got %v", err)
	}
	for _, spoil := range []func(*Assertion){
		func(a *Assertion) { a.User = "d.grey\n22/11/26 10:00  opened  RAS  s.else" },
		func(a *Assertion) { a.Role += "\t" },
		func(a *Assertion) { a.Relationship = "referral:1\n2" },
		func(a *Assertion) { a.User = "d.grey\u202e" },
		func(a *Assertion) { a.Purpose = "TREAT\u009b2J" },
		func(a *Assertion) { a.Emergency = "until 2026-01-01T00:00:00Z: unconscious\nin resus" },
	} {
		forged := a
		spoil(&forged)
		if _, err := DecodeAssertion(forged.Encode()); !errors.Is(err, federation.ErrMalformed) {
			t.Errorf("%q, %q, %q: %v: would be lines of their own in a list of accesses", forged.User, forged.Role, forged.Relationship, err)
		}
	}
	if _, err := DecodeAssertion([]byte{2}); !errors.Is(err, federation.ErrVersion) {
		t.Errorf("another version: got %v", err)
	}
}

// TestFormsAreWhatTheyWere pins every byte of what is signed: another form needs another version.
func TestFormsAreWhatTheyWere(t *testing.T) {
	receipt := Receipt{Assertion: federation.Digest{1}, Manifest: federation.Digest{2}, Intent: 3, Chunks: 400, Bytes: 5, At: time.Unix(6, 0)}
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"assertion": {sampleAssertion().Encode(), "00c3969effadc42d3891707c8e868a23b2400c6b5c77f78e755e6a28aedffe6a"},
		"receipt":   {receipt.encode(), "4a1ac64d6122968c93633d206abee7e042d74d795b398cee63f6a0dd5f3c53d9"},
	} {
		if got := federation.Sum(tt.got).String(); got != tt.want {
			t.Errorf("%s of %x has digest %s, want %s", name, tt.got, got, tt.want)
		}
	}
}

// TestEveryByteOfAnAssertionIsSigned flips every bit of one.
func TestEveryByteOfAnAssertionIsSigned(t *testing.T) {
	key := keyOf(asker, "statement")
	signed, err := SignAssertion(sampleAssertion(), key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		forged := bytes.Clone(signed)
		forged[i] ^= 1 << (i % 8)
		if _, err := open(assertionContext, forged, federation.PublicOf(key)); !errors.Is(err, federation.ErrSignature) {
			t.Fatalf("byte %d: got %v", i, err)
		}
	}
	if _, err := open(receiptContext, signed, federation.PublicOf(key)); !errors.Is(err, federation.ErrSignature) {
		t.Error("an assertion passes for a receipt")
	}
	if _, err := open(assertionContext, signed, federation.PublicKey{}); !errors.Is(err, federation.ErrSignature) {
		t.Error("no key has signed it")
	}
}

func TestRequestThatCannotBeSentIsNotSigned(t *testing.T) {
	key := keyOf(asker, "statement")
	long := sampleAssertion()
	for i := range maxSelectedRanges {
		long.Selection.Ranges = append(long.Selection.Ranges[:i], federation.Extent{Offset: maxOffset - int64(i), Length: maxOffset})
	}
	for i := range maxSelectedPages {
		long.Selection.Pages = append(long.Selection.Pages[:i], maxPage-i)
	}
	if n := len(long.Encode()) + ed25519.SignatureSize; n > MaxRequest {
		if _, err := SignAssertion(long, key); !errors.Is(err, ErrSelection) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
	bad := sampleAssertion()
	bad.User = strings.Repeat("x", maxUser+1)
	if _, err := SignAssertion(bad, key); !errors.Is(err, federation.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestCodesAreMappedBothWays(t *testing.T) {
	seen := map[string]bool{}
	for o := policy.Denied; o <= policy.TooMany; o++ {
		if got := outcomeOfWire(wireCode(o)); got != o {
			t.Errorf("%s comes back as %s", o, got)
		}
		r, ok := refusalOfReset(&endpoint.ResetError{Code: resetCode(o), Remote: true})
		if !ok || r.Outcome != o || !errors.Is(r, sentinel(o)) {
			t.Errorf("reset of %s comes back as %v", o, r)
		}
		if want := map[bool]string{true: cutOff, false: o.Safe()}[o == policy.Denied]; r.Text != want {
			t.Errorf("reset of %s is told as %q, want %q", o, r.Text, want)
		}
		if code := fmt.Sprint(wireCode(o), resetCode(o)); seen[code] {
			t.Errorf("%s shares its codes", o)
		} else {
			seen[code] = true
		}
	}
	for _, o := range []policy.Outcome{0, policy.Permit, 99} {
		if outcomeOfWire(wireCode(o)) != policy.Denied || !errors.Is(refuse(o, nil), ErrDenied) {
			t.Errorf("%s does not refuse", o)
		}
	}
	if outcomeOfWire(0) != policy.Denied || outcomeOfWire(200) != policy.Denied {
		t.Error("a code that is not known does not refuse")
	}
	for _, err := range []error{&endpoint.ResetError{Code: resetCode(policy.Denied)}, &endpoint.ResetError{Code: 16, Remote: true}, io.EOF} {
		if r, ok := refusalOfReset(err); ok {
			t.Errorf("%v passes for %v", err, r)
		}
	}
}

func TestRefusalTextThatIsNotPlainIsReplaced(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Ask the records team.", "Ask the records team."},
		{"\x1b[2J", policy.Denied.Safe()},
		{"\xff", policy.Denied.Safe()},
		{"", policy.Denied.Safe()},
	} {
		b := appendRefusal(nil, policy.Denied, tt.text)
		r, err := decodeRefusal(b[frameHeader:])
		if err != nil || r.Text != tt.want {
			t.Errorf("%q: got %v, %v", tt.text, r, err)
		}
	}
}

func TestPlanCountsEveryChunkOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 40*federation.ChunkSize).Draw(t, "size")
		m := &federation.Manifest{Parts: []federation.Part{
			{Size: 1, Chunks: make([]federation.Digest, 1)},
			{Size: size, Chunks: make([]federation.Digest, federation.ChunkCount(size))},
		}}
		s := Selection{Part: 2}
		for range rapid.IntRange(1, 8).Draw(t, "ranges") {
			offset := rapid.Int64Range(0, size-1).Draw(t, "offset")
			s.Ranges = append(s.Ranges, federation.Extent{Offset: offset, Length: rapid.Int64Range(0, size-offset).Draw(t, "length")})
		}
		p, err := planOf(m, s)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]bool{}
		for _, x := range s.Ranges {
			end := x.Offset + x.Length
			if x.Length == 0 {
				end = size
			}
			for c := x.Offset / federation.ChunkSize; c*federation.ChunkSize < end; c++ {
				want[int(c)] = true
			}
		}
		last, bytes := -1, int64(0)
		for seq := range p.total {
			piece := p.at(seq)
			if piece.seq != seq || piece.part != 1 || piece.index <= last || !want[piece.index] {
				t.Fatalf("piece %+v after chunk %d", piece, last)
			}
			last, bytes = piece.index, bytes+int64(piece.size)
		}
		if p.total != len(want) || p.bytes(0) != bytes {
			t.Fatalf("%d chunks and %d bytes, want %d and %d", p.total, p.bytes(0), len(want), bytes)
		}
		skip := rapid.IntRange(0, p.total).Draw(t, "skip")
		rest := int64(0)
		for seq := skip; seq < p.total; seq++ {
			rest += int64(p.at(seq).size)
		}
		if p.bytes(skip) != rest {
			t.Fatalf("%d bytes from chunk %d on, want %d", p.bytes(skip), skip, rest)
		}
	})
}

func FuzzAssertion(f *testing.F) {
	f.Add(sampleAssertion().Encode())
	vouched := sampleAssertion()
	vouched.Vouch = Vouch{Relationship: federation.Digest{9}, At: vouched.At}
	f.Add(vouched.Encode())
	f.Add([]byte{1, 0, 3, 'R', 'A', 'S'})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAssertion(b)
		if err != nil {
			return
		}
		if !bytes.Equal(a.Encode(), b) {
			t.Fatal("not canonical")
		}
		m := federation.Manifest{Parts: []federation.Part{{Size: 1, Chunks: make([]federation.Digest, 1)}, {Size: 1 << 20, Chunks: make([]federation.Digest, 4), PageCount: 2}}}
		if p, err := planOf(&m, a.Selection); err == nil {
			for seq := range p.total {
				p.at(seq)
			}
			p.bytes(a.Start)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	key := keyOf(asker, "statement")
	f.Add(sign(receiptContext, Receipt{Assertion: federation.Digest{1}, Intent: 7, At: time.Unix(9, 0)}.encode(), key))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := VerifyReceipt(b, federation.PublicOf(key)); err == nil && !bytes.Equal(sign(receiptContext, r.encode(), key), b) {
			t.Fatal("not canonical")
		}
		if len(b) > 200 {
			return
		}
		// The fields behind a signature that holds are read too.
		if r, err := VerifyReceipt(sign(receiptContext, b, key), federation.PublicOf(key)); err == nil && !bytes.Equal(r.encode(), b) {
			t.Fatal("not canonical")
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add(grant{intent: 1, digest: federation.Digest{1}, manifest: []byte("m")}.append(nil))
	f.Add(appendRefusal(nil, policy.Denied, "no"))
	f.Add(wantFrame(1, 2))
	f.Add(Path{Sent: 1, RTT: time.Second}.append(appendFrame(nil, framePath, pathSize)))
	f.Add(append(appendChunkHeader(nil, piece{}, 3), "abc"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			kind, n, err := readHeader(r)
			if err != nil {
				return
			}
			if n > kind.limit() {
				t.Fatalf("frame of type %d and %d bytes", kind, n)
			}
			payload, err := readPayload(r, n)
			if err != nil {
				return
			}
			decodeAny(t, kind, payload)
		}
	})
}

func decodeAny(t *testing.T, kind frameType, payload []byte) {
	switch kind {
	case frameGrant:
		if g, err := decodeGrant(payload); err == nil && !bytes.Equal(g.append(nil)[frameHeader:], payload) {
			t.Fatal("grant is not canonical")
		}
	case frameRefusal:
		if r, err := decodeRefusal(payload); err == nil && (r.Outcome == policy.Permit || r.Outcome == 0 || !plain(r.Text)) {
			t.Fatalf("refusal %+v", r)
		}
	case frameWant:
		if first, count, err := decodeWant(payload, 10); err == nil && (first < 0 || count < 1 || first+count > 10) {
			t.Fatalf("want %d+%d of 10", first, count)
		}
	case framePath:
		if _, err := decodePath(payload); err != nil && len(payload) == pathSize {
			t.Fatal(err)
		}
	case frameRequest, frameChunk, frameReceipt, frameRuling: // verified whole, see FuzzRuling
	}
}

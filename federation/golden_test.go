package federation

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name.hex, 32 bytes a line.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var text strings.Builder
	for i := 0; i < len(got); i += 32 {
		text.WriteString(hex.EncodeToString(got[i:min(i+32, len(got))]) + "\n")
	}
	path := filepath.Join("testdata", name+".hex")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run with -update for a new form, never for a changed one", err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s: the bytes of an agreed form changed (-want +got):\n%s", name, diff)
	}
}

func TestSignedStatementsKeepTheirBytes(t *testing.T) {
	for name, body := range testBodies() {
		if name == "forever" { // 192 KiB of the same
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := testStatement(body)
			signed, err := Compose(Place{Trust: s.Trust, Seq: s.Seq, Prev: s.Prev, At: s.At}, body, testKey(1))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "signed-"+name, signed.Encode())
		})
	}
}

func TestManifestKeepsItsBytes(t *testing.T) {
	b, err := testManifest().Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "manifest", b)
}

func TestPointerRowsKeepTheirBytes(t *testing.T) {
	golden(t, "pointer", EncodePointer(testPointer(1)))
	golden(t, "pointer-sealed", EncodePointer(sealedPointer(1)))
}

func TestSignedContextsKeepTheirBytes(t *testing.T) {
	c, ok := testBodies()["checkpoint"].(Checkpoint)
	if !ok {
		t.Fatal("no checkpoint among the samples")
	}
	r, ok := testBodies()["rotate"].(Rotate)
	if !ok {
		t.Fatal("no rotation among the samples")
	}
	golden(t, "proof-member", testMember("RYJ", 1).ProofBytes())
	golden(t, "proof-rotate", r.ProofBytes())
	golden(t, "signed-bytes-checkpoint", c.SignedBytes())
}

// The dictionary's places are part of every pointer's encoding.
func TestDictionaryIsOnlyAppendedTo(t *testing.T) {
	if len(dictionaryPlace) != len(dictionary) {
		t.Fatalf("%d places for %d entries: one stands twice", len(dictionaryPlace), len(dictionary))
	}
	golden(t, "dictionary", []byte(strings.Join(dictionary, "\n")))
}

func TestKindsAreOnlyAppendedTo(t *testing.T) {
	var names bytes.Buffer
	for k := KindCharter; k.Valid(); k++ {
		names.WriteString(k.String() + "\n")
	}
	golden(t, "kinds", names.Bytes())
}

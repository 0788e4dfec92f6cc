package audit

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// full is an entry with every field set.
func full() Entry {
	return Entry{
		Time: testTime, Kind: Completion, Trust: "RYJ", Node: federation.NodeID{1, 2}, User: "c.jones", Role: "doctor", Purpose: "TREAT",
		Relationship: "referral", BreakGlass: true, Subject: subject(7), Document: federation.NewDocumentID("RAS", federation.DocumentKey{3}), Custodian: "RAS",
		Request: federation.Digest{4}, Outcome: "PERMIT", Rules: "agreement/direct-care of RAS (version 3): may", Of: RefTo(9), Bytes: 1234,
		Ranges: []federation.Extent{{Offset: 5, Length: 6}}, Proof: []byte{8}, Detail: "released", StateIndex: 77,
		Transfer: [16]byte{9, 9}, LeaseAge: 1500 * time.Millisecond,
	}
}

// Whoever has a log of an earlier version must be able to read it: these bytes are never written anew.
func TestEntriesOfEveryVersionAreRead(t *testing.T) {
	old := full()
	old.Transfer, old.LeaseAge = [16]byte{}, 0
	for _, c := range []struct {
		file string
		want Entry
	}{{"entry1.hex", old}, {"entry2.hex", full()}} {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry(b)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.file, d)
		}
	}
	if b, err := full().encode(); err != nil || !bytes.Equal(b, mustHex(t, "entry2.hex")) {
		t.Errorf("written as %x, %v", b, err)
	}
	b := mustHex(t, "entry2.hex")
	b[0] = 3
	if _, err := decodeEntry(b); err == nil {
		t.Error("a version that is not known is read")
	}
}

func mustHex(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLeaseThatWasNeverProvenIsKeptAsTheOldestThereCanBe(t *testing.T) {
	e := full()
	e.LeaseAge = 1<<63 - 1
	b, err := e.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeEntry(b); err != nil || got.LeaseAge < time.Hour {
		t.Errorf("%v, %v", got.LeaseAge, err)
	}
}

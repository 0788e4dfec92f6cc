package node

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func testInvitation(t *testing.T) invitation {
	t.Helper()
	inv := invitation{
		Trust: "RAS", Sponsor: testNode(7), Address: "127.0.0.1:7401", Region: "North West London", Name: "The Hillingdon Hospitals",
		Expires: time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC),
	}
	if err := inv.draw(); err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestInvitationSurvivesCopying(t *testing.T) {
	inv := testInvitation(t)
	line := inv.String()
	for name, copied := range map[string]string{
		"as printed": line, "with spaces around": "  " + line + "\n", "wrapped by a mail program": line[:40] + "\n  " + line[40:],
	} {
		got, err := parseInvitation(copied)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got != inv {
			t.Errorf("%s: got %+v, want %+v", name, got, inv)
		}
	}
}

func TestDamagedInvitationIsRefused(t *testing.T) {
	line := testInvitation(t).String()
	for name, bad := range map[string]string{
		"cut short": line[:len(line)-5], "first half": line[:len(line)/2], "prefix only": "rw1.", "empty": "", "something else": "hello",
		"a letter changed": strings.Replace(line, line[30:31], string(line[30]^1), 1),
	} {
		if _, err := parseInvitation(bad); admin.CodeOf(err) != admin.CodeInvitation {
			t.Errorf("%s: got %v, want an INVITATION error", name, err)
		}
	}
}

func TestExpiredInvitationSaysWhomToAsk(t *testing.T) {
	inv := testInvitation(t)
	if _, err := ReadInvitation(inv.String(), inv.Expires.Add(-time.Second)); err != nil {
		t.Fatalf("before its end: %v", err)
	}
	_, err := ReadInvitation(inv.String(), inv.Expires.Add(time.Second))
	if admin.CodeOf(err) != admin.CodeInvitation || !strings.Contains(err.Error(), "127.0.0.1:7401") {
		t.Errorf("got %v, want an INVITATION error that names the sponsor", err)
	}
}

func TestProofHoldsForOneConnectionAndMemberOnly(t *testing.T) {
	inv := testInvitation(t)
	proof := joinProof(inv.token(), []byte("binding"), []byte("member"))
	for name, other := range map[string][]byte{
		"another connection": joinProof(inv.token(), []byte("another"), []byte("member")),
		"another member":     joinProof(inv.token(), []byte("binding"), []byte("another")),
		"another invitation": joinProof(testInvitation(t).token(), []byte("binding"), []byte("member")),
	} {
		if bytes.Equal(proof, other) {
			t.Errorf("%s gives the same proof", name)
		}
	}
}

func TestCheckWordsCanBeReadAloud(t *testing.T) {
	words := testInvitation(t).checkWords()
	if len(words) != 11 || words[5] != '-' {
		t.Errorf("check words %q are not two words of five letters", words)
	}
}

func FuzzParseInvitation(f *testing.F) {
	inv := invitation{Trust: "RAS", Sponsor: federation.NodeID{1}, Address: "a:1", Region: "r", Name: "n", Expires: time.Unix(1, 0).UTC()}
	f.Add(inv.String())
	f.Add("rw1.")
	f.Fuzz(func(t *testing.T, line string) {
		got, err := parseInvitation(line)
		if err == nil && got.String() != strings.Join(strings.Fields(line), "") {
			t.Errorf("%q reads as %q", line, got.String())
		}
	})
}

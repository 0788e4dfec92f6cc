package node

import (
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation/wire"
)

func TestClippedTextIsWholeCharactersThatAnEntryMayHold(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"a letter", 99, "a letter"}, {"a letter", 3, "a l"}, {"über", 1, ""}, {"über", 2, "ü"}, {"a\x00b\u2028c\nd", 9, "a b c\nd"}, {"a\xffb", 9, "a?b"}, {"", 0, ""},
	} {
		if got := clipText(c.in, c.n); got != c.want {
			t.Errorf("%q in %d bytes: got %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestWhatOtherTrustsTellOfIsOneLineEach(t *testing.T) {
	t.Parallel()
	forged := "d.grey\n22/11/26 10:00  opened  RAS\ts.else"
	reply := &wire.AccessesReply{Accesses: []*wire.Access{{User: forged, Role: forged, Relationship: forged}}, Emergencies: []*wire.Emergency{{User: forged, Reason: forged}}}
	cleanTestimony(reply)
	a, e := reply.GetAccesses()[0], reply.GetEmergencies()[0]
	for _, got := range []string{a.GetUser(), a.GetRole(), a.GetRelationship(), e.GetUser(), e.GetReason()} {
		if got != "d.grey 22/11/26 10:00 opened RAS s.else" {
			t.Errorf("got %q", got)
		}
	}
}

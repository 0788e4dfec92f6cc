package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
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
	of, glass := federation.Subject{1}, reply.GetEmergencies()[0]
	glass.Id = glassID("", of, forged, time.UnixMicro(0))
	cleanTestimony(reply, of)
	a, e := reply.GetAccesses()[0], reply.GetEmergencies()[0]
	for _, got := range []string{a.GetUser(), a.GetRole(), a.GetRelationship(), e.GetUser(), e.GetReason()} {
		if got != "d.grey 22/11/26 10:00 opened RAS s.else" {
			t.Errorf("got %q", got)
		}
	}
}

// Whoever calls, by the socket or within the process: what they have typed is shown to people and signed, so that each door looks.
func TestTextThatIsNotOneLineIsTurnedAwayAtEveryDoor(t *testing.T) {
	t.Parallel()
	n := startNode(t, nil)
	for _, bad := range []string{"dr1\n22/11/26 opened", "dr1\u202e", "dr1\xff"} {
		take := func(change func(*ingest.Item)) error {
			item := textItem("Letter", "a letter")
			change(&item)
			_, err := n.Take(t.Context(), item)
			return err
		}
		object := func(q *admin.ObjectRequest) error {
			q.Patient = patientA
			_, err := n.Object(t.Context(), q)
			return err
		}
		direct := func(d federation.Directive) error {
			d.Effect = federation.Object
			_, err := n.Direct(t.Context(), patientA, d)
			return err
		}
		locate := func(who *admin.Asker) error {
			_, err := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Asker: who})
			return err
		}
		_, glass := n.BreakGlass(t.Context(), &admin.BreakGlassRequest{Patient: patientA, Reason: "unconscious in resus " + bad, Asker: &admin.Asker{User: "dr1", Role: "doctor"}})
		_, _, peer := parseEmergency("until 2026-03-04T09:00:00.5Z: unconscious in resus " + bad)
		doors := map[string]error{
			"a title":                take(func(i *ingest.Item) { i.Title = bad }),
			"an author":              take(func(i *ingest.Item) { i.Author = bad }),
			"a reference":            take(func(i *ingest.Item) { i.Reference = bad }),
			"who notes an objection": object(&admin.ObjectRequest{By: bad}),
			"evidence of one":        object(&admin.ObjectRequest{Evidence: bad}),
			"who takes it back":      object(&admin.ObjectRequest{By: bad, Withdraw: true}),
			"evidence of that":       object(&admin.ObjectRequest{Evidence: bad, Withdraw: true}),
			"who notes a wish":       direct(federation.Directive{By: bad}),
			"evidence of a wish":     direct(federation.Directive{By: "dr1", Evidence: bad}),
			"who looks":              locate(&admin.Asker{User: bad}),
			"a relationship":         locate(&admin.Asker{User: "dr1", Relationship: "referral:" + bad}),
			"an emergency":           glass,
			"an emergency of a peer": peer,
		}
		if strings.Contains(bad, "\n") {
			delete(doors, "an emergency") // its reason is folded into one line
		}
		for door, err := range doors {
			var refused *ingest.RefusalError
			told := admin.CodeOf(err) == admin.CodeBadInput || errors.As(err, &refused) && refused.Code == ingest.CodeField || err != nil && door == "an emergency of a peer"
			if !told || !strings.Contains(err.Error(), "line") && !strings.Contains(err.Error(), "order of text") && !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("%s, %q: got %v", door, bad, err)
			}
		}
	}
}

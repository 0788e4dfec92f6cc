package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// TestLabellingTellsOfAVersionThatMorePeopleMaySee changes labels of one of three versions, and of all:
//
//	v1 <- v2 <- v3
func TestLabellingTellsOfAVersionThatMorePeopleMaySee(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	v1 := mustTake(t, n, "Letter", "one", nil).Document
	v2 := mustTake(t, n, "Letter, corrected", "two", replaces(v1)).Document
	v3 := mustTake(t, n, "Letter, corrected again", "three", replaces(v2)).Document
	alone := mustTake(t, n, "Alone", "four", nil).Document
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	notes := func(q *admin.RelabelRequest) (out []string) {
		for _, note := range relabel(t, n, q).GetNotes() {
			later, rest, _ := strings.Cut(note.GetMessage(), " replaces ")
			earlier, _, _ := strings.Cut(rest, ",")
			if !strings.Contains(note.GetMessage(), "'ridgeway withdraw "+earlier+"'") {
				t.Errorf("it does not say what to do: %s", note.GetMessage())
			}
			out = append(out, later+" > "+earlier)
		}
		return out
	}
	pair := func(later, earlier federation.DocumentID) string { return string(later) + " > " + string(earlier) }
	for name, c := range map[string]struct {
		q    *admin.RelabelRequest
		want []string
	}{
		"the last is closed":         {&admin.RelabelRequest{Choice: named(v3), Confidentiality: "R"}, []string{pair(v3, v2)}},
		"the last bears a label":     {&admin.RelabelRequest{Choice: named(v3), Add: []string{"HIV"}}, []string{pair(v3, v2)}},
		"the last is barred":         {&admin.RelabelRequest{Choice: named(v3), Legal: "HFEA"}, []string{pair(v3, v2)}},
		"the one between is closed":  {&admin.RelabelRequest{Choice: named(v2), Confidentiality: "R"}, []string{pair(v2, v1)}},
		"the first is opened":        {&admin.RelabelRequest{Choice: named(v1), Confidentiality: "L"}, []string{pair(v2, v1)}},
		"all are closed":             {&admin.RelabelRequest{Choice: named(v1, v2, v3), Confidentiality: "R"}, nil},
		"the first alone is closed":  {&admin.RelabelRequest{Choice: named(v1), Confidentiality: "R"}, nil},
		"one without other versions": {&admin.RelabelRequest{Choice: named(alone), Confidentiality: "R"}, nil},
	} {
		got := notes(c.q)
		if strings.Join(got, "; ") != strings.Join(c.want, "; ") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if err := n.records.Withdraw(t.Context(), v2, "nobody is to act on it"); err != nil {
		t.Fatal(err)
	}
	if got := notes(&admin.RelabelRequest{Choice: named(v3), Confidentiality: "R", Confirm: true}); len(got) != 0 {
		t.Errorf("a version that was withdrawn is open to more people: %q", got)
	}
}

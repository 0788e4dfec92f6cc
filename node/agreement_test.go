package node

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func version(n uint64, from, until time.Time) index.Agreement {
	return index.Agreement{Agreement: federation.Agreement{Version: n, Effective: from, Expires: until}}
}

func TestStatesOfVersionsFollowTheClock(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 12, 1+n, 0, 0, 0, 0, time.UTC) }
	never := time.Time{}
	// 5 takes effect before 4 would: 4 never does.
	history := []index.Agreement{version(5, day(6), never), version(4, day(8), never), version(3, day(1), day(3)), version(2, day(1), never), version(1, day(0), never)}
	for n, want := range map[int]string{
		0: "future replaced future replaced in_force", 1: "future replaced in_force superseded superseded", 3: "future replaced expired superseded superseded",
		6: "in_force replaced expired superseded superseded", 9: "in_force replaced expired superseded superseded",
	} {
		got := ""
		for i := range history {
			if i > 0 {
				got += " "
			}
			got += stateOf(history, i, day(n))
		}
		if got != want {
			t.Errorf("day %d: %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int]uint64{-1: 0, 0: 1, 1: 3, 2: 3, 3: 0, 5: 0, 6: 5, 9: 5} {
		if got := inForce(history, day(n)); got != want {
			t.Errorf("day %d: version %d in force, want %d", n, got, want)
		}
	}
}

// TestAProposalFollowsWhatTheRegionHas where the node was killed between telling the region and noting the approval.
func TestAProposalFollowsWhatTheRegionHas(t *testing.T) {
	made := federation.Agreement{Version: 4, Cedar: "// a", Proposer: "a.mensah", Approver: "j.okafor", Note: "why"}
	open := motion{State: stateProposed, By: "a.mensah", Note: "why", Cedar: []byte("// a"), Last: 3}
	other, older := open, made
	other.Note, older.Version = "something else", 3
	approved := open
	approved.State, approved.Version, approved.DecidedBy = stateApproved, 4, "j.okafor"
	rejected := open
	rejected.State = stateRejected
	for name, c := range map[string]struct {
		p         motion
		waiting   *federation.Agreement
		history   []index.Agreement
		want      string
		committed bool
	}{
		"nothing":                    {p: open, want: stateProposed},
		"waits":                      {p: open, waiting: &made, want: stateApproved},
		"agreed on":                  {p: open, history: []index.Agreement{{Agreement: made}}, want: stateApproved, committed: true},
		"another was agreed on":      {p: other, history: []index.Agreement{{Agreement: made}}, want: stateProposed},
		"the same text, before":      {p: open, history: []index.Agreement{{Agreement: older}}, want: stateProposed},
		"approved, and agreed on":    {p: approved, history: []index.Agreement{{Agreement: made}}, want: stateApproved, committed: true},
		"approved, and nobody knows": {p: approved, want: stateRefused},
		"rejected":                   {p: rejected, waiting: &made, want: stateRejected},
	} {
		c.p.follow(c.waiting, c.history)
		if c.p.State != c.want || c.p.committed != c.committed {
			t.Errorf("%s: %s, committed %v; want %s, %v", name, c.p.State, c.p.committed, c.want, c.committed)
		}
		if c.p.State == stateApproved && (c.p.Version != 4 || c.p.DecidedBy != "j.okafor") {
			t.Errorf("%s: version %d by %s", name, c.p.Version, c.p.DecidedBy)
		}
	}
}

func TestTimesThatCannotBeMeant(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	never := time.Time{}
	for name, c := range map[string]struct {
		effective, expires time.Time
		want               admin.Code
	}{
		"at once, for ever":          {never, never, ""},
		"at once, for a day":         {never, now.AddDate(0, 0, 1), ""},
		"tomorrow, for a day":        {now.AddDate(0, 0, 1), now.AddDate(0, 0, 2), ""},
		"yesterday":                  {now.AddDate(0, 0, -1), never, admin.CodeBadInput},
		"ended":                      {never, now, admin.CodeBadInput},
		"ends before it begins":      {now.AddDate(0, 0, 2), now.AddDate(0, 0, 1), admin.CodeBadInput},
		"ends in its first instant":  {now.AddDate(0, 0, 1), now.AddDate(0, 0, 1), admin.CodeBadInput},
		"began as it was being sent": {now.Add(-time.Second), never, ""},
	} {
		err := timely(c.effective, c.expires, now)
		if got := admin.CodeOf(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestGoverningNeedsANameAndARole(t *testing.T) {
	for name, c := range map[string]struct {
		who  *admin.Asker
		want admin.Code
	}{
		"a lead":          {&admin.Asker{User: "a.mensah", Role: "governance-lead"}, ""},
		"an officer":      {&admin.Asker{User: "a.mensah", Role: "privacy-officer"}, ""},
		"nobody":          {&admin.Asker{Role: "governance-lead"}, admin.CodeBadInput},
		"no role":         {&admin.Asker{User: "a.mensah"}, admin.CodeDenied},
		"an admin":        {&admin.Asker{User: "a.mensah", Role: "admin"}, admin.CodeDenied},
		"a space":         {&admin.Asker{User: "a.mensah ", Role: "governance-lead"}, admin.CodeBadInput},
		"a look-alike":    {&admin.Asker{User: "а.mensah", Role: "governance-lead"}, admin.CodeBadInput},
		"a line break":    {&admin.Asker{User: "a\nb", Role: "governance-lead"}, admin.CodeBadInput},
		"nothing at all":  {nil, admin.CodeBadInput},
		"a very long one": {&admin.Asker{User: string(make([]byte, 200)), Role: "governance-lead"}, admin.CodeBadInput},
	} {
		err := governor(c.who, "approves", approverRoles)
		if err == nil && c.want != "" || err != nil && admin.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if !samePerson("a.mensah", "A.Mensah") || samePerson("a.mensah", "j.okafor") {
		t.Error("people are mixed up")
	}
}

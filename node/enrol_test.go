package node

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// newcomer is a trust that has an invitation and no node yet.
func newcomer(t *testing.T, sponsor *Node, trust federation.TrustID) JoinOptions {
	t.Helper()
	inv, err := sponsor.Invite(t.Context(), &admin.InviteRequest{Trust: string(trust), Name: "Trust " + string(trust)})
	if err != nil {
		t.Fatal(err)
	}
	settings := Settings{Listen: freeAddr(t), InsecureDevKeys: true}
	return JoinOptions{Data: t.TempDir() + "/d", Settings: settings, Invitation: inv.GetInvitation(), Now: time.Now(), Logger: slog.New(slog.DiscardHandler)}
}

// joinNode is another trust's node, joined by the sponsor's invitation and served until the test ends.
func joinNode(t *testing.T, sponsor *Node, trust federation.TrustID, change ...func(*Options)) *Node {
	t.Helper()
	o := newcomer(t, sponsor, trust)
	if joined, err := Join(t.Context(), o); err != nil || joined.Pending {
		t.Fatalf("%+v, %v", joined, err)
	}
	served := Options{Data: o.Data, Settings: o.Settings, Small: true, Version: "test", Statfs: sponsor.options.Statfs}
	for _, fn := range change {
		fn(&served)
	}
	return reopen(t, served)
}

// pairOfTwoApprovals is a region of two trusts in which both must approve.
func pairOfTwoApprovals(t *testing.T) (first, second *Node) {
	t.Helper()
	first = foundNode(t, 2, nil)
	eventually(t, "the region", func() bool { return first.ledger.Roster().Active(first.ID()) })
	second = joinNode(t, first, "RAS")
	eventually(t, "the second trust", func() bool { return second.ledger.Roster().Active(second.ID()) })
	return first, second
}

// approve approves the one open proposal at a node.
func approve(t *testing.T, n *Node) {
	t.Helper()
	var id string
	eventually(t, "the proposal", func() bool {
		s, err := n.Status(t.Context(), &admin.StatusRequest{})
		if err != nil || len(s.GetProposals()) != 1 {
			return false
		}
		id = s.GetProposals()[0].GetId()
		return true
	})
	if reply, err := n.Approve(t.Context(), &admin.ApproveRequest{Proposal: id}); err != nil || !reply.GetInForce() {
		t.Fatalf("%v, %v", reply, err)
	}
}

func TestSubjectKeyIsHandedOutOnlyOnceTheEnrolmentIsInForce(t *testing.T) {
	t.Parallel()
	first, second := pairOfTwoApprovals(t)
	o := newcomer(t, first, "R1K")
	f, k, err := joiningFolder(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		reply, err := redeem(t.Context(), o, k)
		if err != nil || !reply.GetPending() || reply.GetApprovals() != 1 || reply.GetNeeded() != 2 {
			t.Fatalf("got %v, %v, want one of two approvals", reply, err)
		}
		if len(reply.GetSubjectKey()) != 0 || len(reply.GetPeers()) != 0 {
			t.Fatalf("told before the others have approved: %v", reply)
		}
	}
	if s, err := first.Status(t.Context(), &admin.StatusRequest{}); err != nil || len(s.GetProposals()) != 1 {
		t.Fatalf("asking again proposes again: %v, %v", s.GetProposals(), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if joined, err := Join(t.Context(), o); err != nil || !joined.Pending || joined.Approval != (Approval{Have: 1, Need: 2}) {
		t.Fatalf("got %+v, %v, want it pending", joined, err)
	}
	pending := Options{Data: o.Data, Settings: o.Settings, Small: true}
	if _, err := Open(t.Context(), pending); admin.CodeOf(err) != admin.CodeDataFolder {
		t.Errorf("served before it has joined: %v", err)
	}
	approve(t, second)
	eventually(t, "the enrolment at the sponsor", func() bool { return first.ledger.Roster().Active(k.nodeID()) })
	if reply, err := redeem(t.Context(), o, k); err != nil || reply.GetPending() || len(reply.GetSubjectKey()) != 32 {
		t.Errorf("got %v, %v, want the subject key", reply, err)
	}
}

func TestJoinWaitsForApprovalAndGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	first, second := pairOfTwoApprovals(t)
	o := newcomer(t, first, "R1K")
	ctx, stop := context.WithCancel(t.Context())
	var said []Approval
	o.Waiting = func(a Approval) {
		said = append(said, a)
		stop()
	}
	if _, err := Join(ctx, o); admin.CodeOf(err) != admin.CodeInterrupted {
		t.Fatalf("got %v, want INTERRUPTED", err)
	}
	if len(said) != 1 || said[0] != (Approval{Have: 1, Need: 2}) {
		t.Errorf("said %v", said)
	}
	o.Waiting = func(Approval) { approve(t, second) }
	if joined, err := Join(t.Context(), o); err != nil || joined.Pending {
		t.Fatalf("got %+v, %v, want it joined", joined, err)
	}
	third := reopen(t, Options{Data: o.Data, Settings: o.Settings, Small: true, Statfs: first.options.Statfs})
	eventually(t, "the third trust", func() bool { return third.ledger.Roster().Active(third.ID()) })
}

func TestSuspendedTrustDoesNotComeBackWithItsOldInvitation(t *testing.T) {
	t.Parallel()
	first := startNode(t, nil)
	eventually(t, "the region", func() bool { return first.ledger.Roster().Active(first.ID()) })
	o := newcomer(t, first, "RAS")
	f, k, err := joiningFolder(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if reply, err := redeem(t.Context(), o, k); err != nil || len(reply.GetSubjectKey()) != 32 {
		t.Fatalf("%v, %v", reply, err)
	}
	if reply, err := first.Suspend(t.Context(), &admin.SuspendRequest{Trust: "RAS", Reason: "lost laptop"}); err != nil || !reply.GetInForce() {
		t.Fatalf("%v, %v", reply, err)
	}
	if reply, err := redeem(t.Context(), o, k); admin.CodeOf(err) != admin.CodeInvitation {
		t.Errorf("got %v, %v, want it refused", reply, err)
	}
	if first.ledger.Roster().Active(k.nodeID()) {
		t.Error("the suspended trust is back")
	}
}

func TestBadAttemptsAreCounted(t *testing.T) {
	var x tally
	at := time.Unix(1000, 0)
	if !x.first(at) {
		t.Error("the first is not said")
	}
	for i := range 5 {
		if x.first(at.Add(time.Duration(i) * time.Second)) {
			t.Errorf("number %d is said by itself", i)
		}
	}
	if n := x.due(at.Add(59 * time.Second)); n != 0 {
		t.Errorf("%d are said before the minute is over", n)
	}
	if x.first(at.Add(61 * time.Second)) {
		t.Error("one is said by itself while others are only counted")
	}
	if n := x.due(at.Add(62 * time.Second)); n != 6 {
		t.Errorf("got %d, want 6", n)
	}
	if n := x.due(at.Add(200 * time.Second)); n != 0 {
		t.Errorf("got %d again", n)
	}
	if !x.first(at.Add(300 * time.Second)) {
		t.Error("after a quiet minute the next is not said at once")
	}
}

package node

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestCallsOfAMemberAreLimited(t *testing.T) {
	a := newAllowance()
	at := time.Unix(1000, 0)
	taken := func(method string, by federation.NodeID, times int, at time.Time) (n int) {
		for range times {
			if a.take(method, by, at) {
				n++
			}
		}
		return n
	}
	const status, rejoin = wire.Region_Status_FullMethodName, wire.Region_Rejoin_FullMethodName
	if n := taken(status, testNode(1), 100, at); n != 10 {
		t.Errorf("%d of 100 Status at once, want 10", n)
	}
	if n := taken(rejoin, testNode(1), 100, at); n != 2 {
		t.Errorf("%d of 100 Rejoin at once, want 2", n)
	}
	if n := taken(status, testNode(2), 1, at); n != 1 {
		t.Error("another node pays for the first")
	}
	if n := taken(rejoin, testNode(1), 100, at.Add(20*time.Second)); n != 2 {
		t.Errorf("%d Rejoin after a while, want 2", n)
	}
	if n := taken("/other/Method", testNode(3), 1, at); n != 0 {
		t.Error("a method that is not known is let through")
	}
}

// Only an active node of the roster can have a vote taken away, which is then its own: a suspended one, a stranger, and one
// that was only introduced are refused before it comes to that.
func TestOnlyActiveNodesOfTheRosterRejoin(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	second := joinNode(t, n, "RAS")
	introduced := testNode(9)
	n.admission.mu.Lock()
	n.admission.introduced[introduced] = "127.0.0.1:1"
	n.admission.mu.Unlock()
	now := time.Now()
	check := func(what string, id federation.NodeID, method string, want codes.Code) {
		t.Helper()
		now = now.Add(time.Minute)
		if err := n.permit(id, method, now); status.Code(err) != want {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
	}
	const rejoin, ask = wire.Region_Rejoin_FullMethodName, wire.Region_Status_FullMethodName
	check("a member", second.ID(), rejoin, codes.OK)
	check("a member", second.ID(), ask, codes.OK)
	check("a stranger", testNode(8), rejoin, codes.PermissionDenied)
	check("another method", second.ID(), wire.Join_Enrol_FullMethodName, codes.PermissionDenied)
	if reply, err := n.Suspend(t.Context(), &admin.SuspendRequest{Trust: "RAS", Reason: "a trial"}); err != nil || !reply.GetInForce() {
		t.Fatalf("%v, %v", reply, err)
	}
	check("a suspended one", second.ID(), rejoin, codes.PermissionDenied)
	check("a suspended one", second.ID(), ask, codes.PermissionDenied)
	if n.admission.member(introduced) { // the greeter may have ended introductions meanwhile
		check("one that was introduced", introduced, rejoin, codes.PermissionDenied)
	}
}

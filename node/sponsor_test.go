package node

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

func TestNewcomerJoinsAsWhatItWasInvitedOnly(t *testing.T) {
	k, err := generateKeys()
	if err != nil {
		t.Fatal(err)
	}
	inv := record.Invitation{Trust: "RAS", Name: "Hillingdon", Expires: time.Now().Add(time.Hour)}
	tests := []struct {
		name   string
		member federation.Member
		caller federation.NodeID
		want   codes.Code
	}{
		{"as invited", proposal(k, "RAS", "Hillingdon", "127.0.0.1:1"), k.nodeID(), codes.OK},
		{"as another trust", proposal(k, "RAX", "Hillingdon", "127.0.0.1:1"), k.nodeID(), codes.PermissionDenied},
		{"under another's name", proposal(k, "RAS", "Imperial", "127.0.0.1:1"), k.nodeID(), codes.PermissionDenied},
		{"without an address", proposal(k, "RAS", "Hillingdon", "nowhere"), k.nodeID(), codes.InvalidArgument},
		{"with another's key", proposal(k, "RAS", "Hillingdon", "127.0.0.1:1"), testNode(1), codes.PermissionDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := checkMember(federation.EncodeBody(federation.Enrol{Member: tt.member}), inv, tt.caller)
			if status.Code(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestInvitationIsGoodForASecondToAYear(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for _, seconds := range []int64{-1, 366 * 24 * 3600, 1 << 62, 18446744073} {
		if _, err := n.Invite(t.Context(), &admin.InviteRequest{Trust: "RAS", Name: "x", ValidSeconds: seconds}); admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("%d seconds: got %v, want BAD_INPUT", seconds, err)
		}
	}
}

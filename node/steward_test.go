package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func testNode(b byte) federation.NodeID { return federation.NodeID{0: b} }

// testRoster has a trust for each standing given, with node ids 1, 2, 3, ...
func testRoster(voters int, standings ...federation.Standing) *federation.Roster {
	var trusts []federation.Trust
	for i, s := range standings {
		trusts = append(trusts, federation.Trust{
			ID: federation.TrustID("T" + string(rune('A'+i)) + "X"), Standing: s,
			Nodes: []federation.RosterNode{{ID: testNode(byte(i + 1)), Standing: federation.Active, Address: "127.0.0.1:1"}},
		})
	}
	return federation.NewRoster(federation.Charter{Region: "test", Approvals: 1, Voters: voters}, federation.Digest{1}, trusts)
}

func ids(bs ...byte) []federation.NodeID {
	var out []federation.NodeID
	for _, b := range bs {
		out = append(out, testNode(b))
	}
	return out
}

func TestGroupFollowsTheRoster(t *testing.T) {
	const a, s = federation.Active, federation.Suspended
	all := func(federation.NodeID) bool { return true }
	none := func(federation.NodeID) bool { return false }
	tests := []struct {
		name   string
		roster *federation.Roster
		group  group
		ready  func(federation.NodeID) bool
		want   []change
	}{
		{"a newcomer becomes an observer", testRoster(5, a, a), group{self: testNode(1), voters: ids(1)}, all, []change{{addObserver, testNode(2)}}},
		{"one ready observer beside one voter waits: two voters are worse than one", testRoster(5, a, a), group{self: testNode(1), voters: ids(1), observers: ids(2)}, all, nil},
		{"two ready observers are promoted together", testRoster(5, a, a, a), group{self: testNode(1), voters: ids(1), observers: ids(2, 3)}, all, []change{{promote, testNode(2)}, {promote, testNode(3)}}},
		{"an observer that lags waits", testRoster(5, a, a, a), group{self: testNode(1), voters: ids(1), observers: ids(2, 3)}, none, nil},
		{"a fourth is promoted alone", testRoster(5, a, a, a, a), group{self: testNode(1), voters: ids(1, 2, 3), observers: ids(4)}, all, []change{{promote, testNode(4)}}},
		{"no more voters than the charter says", testRoster(3, a, a, a, a), group{self: testNode(1), voters: ids(1, 2, 3), observers: ids(4)}, all, nil},
		{"a suspended voter is removed and replaced", testRoster(3, a, a, s, a), group{self: testNode(1), voters: ids(1, 2, 3), observers: ids(4)}, all, []change{{remove, testNode(3)}, {promote, testNode(4)}}},
		{"a suspended leader hands on first", testRoster(3, s, a, a), group{self: testNode(1), voters: ids(1, 2, 3)}, all, []change{{handOn, testNode(1)}}},
		{"a stranger in the group is removed", testRoster(3, a), group{self: testNode(1), voters: ids(1), observers: ids(9)}, all, []change{{remove, testNode(9)}}},
		{"a pair that a removal left takes the second back in", testRoster(3, a, a, s), group{self: testNode(1), voters: ids(1, 2), observers: nil}, all, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := plan(tt.group, tt.roster, tt.ready)
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(change{})); d != "" {
				t.Errorf("plan (-want +got):\n%s", d)
			}
		})
	}
}

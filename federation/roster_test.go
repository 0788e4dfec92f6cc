package federation

import "testing"

func TestRosterAnswersFromOnePointOfHistory(t *testing.T) {
	node := func(n byte, s Standing) RosterNode { return RosterNode{ID: NodeID{n}, Standing: s} }
	r := NewRoster(Charter{Region: "R", Approvals: 2, Voters: 3}, Digest{1}, []Trust{
		{ID: "RYJ", Standing: Active, Nodes: []RosterNode{node(3, Active), node(4, Suspended)}},
		{ID: "RAS", Standing: Suspended, Nodes: []RosterNode{node(2, Active)}},
		{ID: "RAA", Standing: Active, Nodes: []RosterNode{node(1, Active)}},
	})
	if got := r.Trusts(); len(got) != 3 || got[0].ID != "RAA" || got[2].ID != "RYJ" {
		t.Errorf("trusts: %v", got)
	}
	for n, want := range map[byte]bool{1: true, 2: false, 3: true, 4: false, 5: false, 0: false} {
		if got := r.Active(NodeID{n}); got != want {
			t.Errorf("node %d: active %v", n, got)
		}
	}
	if got := r.ActiveNodes(); len(got) != 2 || got[0].ID != (NodeID{1}) || got[1].ID != (NodeID{3}) {
		t.Errorf("active nodes: %v", got)
	}
	if n, trust, ok := r.Node(NodeID{4}); !ok || trust.ID != "RYJ" || n.Standing != Suspended {
		t.Errorf("node 4: %v, %v, %v", n, trust.ID, ok)
	}
	if _, ok := r.Trust("RXX"); ok {
		t.Error("a stranger is in the roster")
	}
}

package node

import (
	"fmt"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/endpoint"
)

func admissionOf(roster *federation.Roster, seeds ...seedPeer) *admission {
	return newAdmission(testNode(1), func() *federation.Roster { return roster }, seeds)
}

// foundedRoster is testRoster in a region that has been founded.
func foundedRoster(standings ...federation.Standing) *federation.Roster {
	r := testRoster(5, standings...)
	r.RegionID = federation.Digest{1}
	return r
}

func TestOnlyActiveMembersIntroduce(t *testing.T) {
	stranger := map[federation.NodeID]string{testNode(9): "127.0.0.1:9"}
	roster := foundedRoster(federation.Active, federation.Active, federation.Suspended)
	tests := []struct {
		name string
		by   federation.NodeID
		want bool
	}{
		{"active member", testNode(2), true},
		{"suspended member", testNode(3), false},
		{"stranger", testNode(8), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := admissionOf(roster)
			a.introduce(tt.by, stranger)
			if got := a.member(testNode(9)); got != tt.want {
				t.Errorf("admitted: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWhoWasIntroducedIntroducesNobody(t *testing.T) {
	a := admissionOf(foundedRoster(federation.Active, federation.Active))
	a.introduce(testNode(2), map[federation.NodeID]string{testNode(9): "127.0.0.1:9"})
	if !a.member(testNode(9)) {
		t.Fatal("the first introduction was not taken")
	}
	a.introduce(testNode(9), map[federation.NodeID]string{testNode(10): "127.0.0.1:10"})
	if a.member(testNode(10)) {
		t.Error("a node that no roster knows brought in another")
	}
	for _, id := range a.known() {
		if id == testNode(9) {
			t.Error("a node that no roster knows is asked for introductions")
		}
	}
}

func TestSeedsIntroduceBeforeThereIsARoster(t *testing.T) {
	empty := federation.NewRoster(federation.Charter{}, federation.Digest{}, nil)
	a := admissionOf(empty, seedPeer{Node: testNode(2).String(), Address: "127.0.0.1:2"})
	a.introduce(testNode(2), map[federation.NodeID]string{testNode(3): "127.0.0.1:3"})
	if !a.member(testNode(3)) {
		t.Error("the sponsor's peers cannot introduce, so a newcomer never finds a leader that joined since")
	}
}

func TestIntroductionsAreBoundedAndCheckedForAddresses(t *testing.T) {
	a := admissionOf(foundedRoster(federation.Active, federation.Active))
	many := make(map[federation.NodeID]string)
	for i := range 4 * mostIntroduced {
		many[federation.NodeID{7, byte(i), byte(i >> 8)}] = fmt.Sprintf("127.0.0.1:%d", i+1)
	}
	if ignored := a.introduce(testNode(2), many); ignored != 3*mostIntroduced || len(a.introduced) != mostIntroduced {
		t.Errorf("%d are introduced, %d ignored, want at most %d", len(a.introduced), ignored, mostIntroduced)
	}
	for _, addr := range []string{"", "nowhere", ":1", "0.0.0.0:1", "[::]:1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http"} {
		b := admissionOf(foundedRoster(federation.Active, federation.Active))
		b.introduce(testNode(2), map[federation.NodeID]string{testNode(9): addr})
		if b.member(testNode(9)) {
			t.Errorf("an address %q was accepted", addr)
		}
	}
}

func TestIntroductionsEndWithARecentRoster(t *testing.T) {
	a := admissionOf(foundedRoster(federation.Active, federation.Active))
	a.introduce(testNode(2), map[federation.NodeID]string{testNode(9): "127.0.0.1:9"})
	if !a.settle() || a.member(testNode(9)) || !a.member(testNode(2)) {
		t.Error("a node that the roster does not know stays a member, or a member does not")
	}
}

func TestRosterOverrulesAnIntroduction(t *testing.T) {
	a := admissionOf(foundedRoster(federation.Active, federation.Suspended), seedPeer{Node: testNode(2).String(), Address: "10.0.0.1:1"})
	if a.member(testNode(2)) {
		t.Error("a suspended node is admitted because it was introduced once")
	}
	if addr, err := a.resolve(endpoint.PeerID(testNode(2))); err != nil || addr != "127.0.0.1:1" {
		t.Errorf("resolve: %s, %v, want the roster's address", addr, err)
	}
}

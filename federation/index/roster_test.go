package index

import (
	"crypto/ed25519"
	"fmt"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func (r *testRegion) standing(id federation.TrustID) federation.Standing {
	trust, _ := r.ledger.Roster().Trust(id)
	return trust.Standing
}

func (r *testRegion) proposals() []Proposal {
	r.t.Helper()
	out, err := Proposals(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// RYJ proposes RBK -> 1 of 2 -> RYJ approves again: refused -> Y05868 approves: refused -> RAS approves: enrolled
func TestEnrolmentNeedsAsManyApprovalsAsTheCharterSays(t *testing.T) {
	r := grown(t, Config{})
	member := r.trust("RBK").member(false)
	r.refuse("Y05868", federation.Enrol{Member: member}, NotGoverning)
	if got := r.say("RYJ", federation.Enrol{Member: member}); got.Outcome != Accepted || got.Detail != "1 of 2 approvals" {
		t.Fatalf("proposal: %v", got)
	}
	proposal := r.head("RYJ").digest
	if got := r.proposals(); len(got) != 1 || got[0].Digest != proposal || got[0].Counted != 1 || got[0].Needed != 2 || got[0].By != "RYJ" {
		t.Fatalf("proposals: %+v", got)
	}
	if r.standing("RBK") != 0 {
		t.Fatal("enrolled by one approval")
	}
	r.refuse("RBK", publication(pointerOf("RBK", alice, 1)), UnknownTrust)
	r.refuse("RYJ", federation.Approve{Proposal: proposal}, AlreadyApproved)
	r.refuse("Y05868", federation.Approve{Proposal: proposal}, NotGoverning)
	r.refuse("RAS", federation.Approve{Proposal: federation.Digest{1}}, NoProposal)
	r.accept("RAS", federation.Approve{Proposal: proposal})
	if r.standing("RBK") != federation.Active || len(r.proposals()) != 0 {
		t.Fatalf("standing %s, %d proposals", r.standing("RBK"), len(r.proposals()))
	}
	r.refuse("RAX", federation.Approve{Proposal: proposal}, NoProposal)
	r.accept("RBK", publication(pointerOf("RBK", alice, 1)))
}

func TestEnrolmentIsRefusedForMembersThatDoNotFit(t *testing.T) {
	r := grown(t, Config{})
	with := func(change func(*federation.Member), key ed25519.PrivateKey) federation.Enrol {
		m := newTrust("RBK").member(false)
		change(&m)
		m.Prove(key)
		return federation.Enrol{Member: m}
	}
	own := newTrust("RBK").statement
	cases := []struct {
		name string
		body federation.Enrol
		want Code
	}{
		{"active already", federation.Enrol{Member: r.trust("RAS").member(true)}, TrustExists},
		{"proof by another", with(func(*federation.Member) {}, testKey("stranger")), BadMember},
		{"no name", with(func(m *federation.Member) { m.Name = "" }, own), BadMember},
		{"node key of another", with(func(m *federation.Member) { m.NodeKey = federation.PublicOf(r.trust("RAS").node) }, own), KeyInUse},
		{"statement key of another as node key", with(func(m *federation.Member) { m.NodeKey = federation.PublicOf(r.trust("RAX").statement) }, own), KeyInUse},
		{"audit key of another", with(func(m *federation.Member) { m.AuditKey = federation.PublicOf(r.trust("RYJ").audit) }, own), KeyInUse},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { r.refuse("RYJ", c.body, c.want) })
	}
}

// Two proposals for one trust are open; the first to be approved closes the other, and one that would take its key.
func TestProposalsThatBecameImpossibleAreClosed(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RYJ", federation.Enrol{Member: r.trust("RBK").member(false)})
	first := r.head("RYJ").digest
	r.accept("RAX", federation.Enrol{Member: r.trust("RBK").member(true)})
	thief := newTrust("RTH").member(false)
	thief.NodeKey = federation.PublicOf(r.trust("RBK").node)
	thief.Prove(newTrust("RTH").statement)
	r.accept("RAX", federation.Enrol{Member: thief})
	r.accept("RAX", federation.Suspend{Trust: "Y05868"})
	if got := len(r.proposals()); got != 4 {
		t.Fatalf("%d proposals", got)
	}
	r.accept("RAS", federation.Approve{Proposal: first})
	if got := r.proposals(); len(got) != 1 || got[0].Body.Kind() != federation.KindSuspend {
		t.Errorf("left open: %+v", got)
	}
}

func TestATrustsOldestProposalMakesRoom(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RAX", federation.Suspend{Trust: "Y05868"})
	for i := range MaxProposals + 1 {
		r.accept("RYJ", federation.Enrol{Member: newTrust(federation.TrustID(fmt.Sprintf("N%03d", i))).member(false)})
	}
	got := r.proposals()
	if len(got) != MaxProposals+1 {
		t.Fatalf("%d open", len(got))
	}
	if got[0].By != "RAX" {
		t.Errorf("another trust's proposal made room: oldest is by %s", got[0].By)
	}
	if b, ok := got[1].Body.(federation.Enrol); !ok || b.Member.Trust != "N001" {
		t.Errorf("oldest of RYJ: %+v", got[1].Body)
	}
}

func TestSuspendedTrustsSayNothing(t *testing.T) {
	r := grown(t, Config{})
	r.accept("Y05868", publication(pointerOf("Y05868", alice, 1)))
	r.refuse("Y05868", federation.Suspend{Trust: "RAS"}, NotGoverning)
	r.refuse("RYJ", federation.Suspend{Trust: "RXX"}, NoSuchTrust)
	r.refuse("RYJ", federation.Suspend{Trust: "Y05868", Node: r.trust("RAS").nodeID()}, NoSuchTrust)
	r.refuse("RYJ", federation.Suspend{Trust: "Y05868", Lift: true}, NoChange)
	r.accept("RYJ", federation.Suspend{Trust: "Y05868", Reason: "breach"})
	r.accept("RAX", federation.Approve{Proposal: r.head("RYJ").digest})
	if r.standing("Y05868") != federation.Suspended || r.ledger.Roster().Active(r.trust("Y05868").nodeID()) {
		t.Fatal("not suspended")
	}
	for _, body := range []federation.Body{
		publication(pointerOf("Y05868", alice, 2)), objection(1, alice),
		federation.Withdraw{Documents: []federation.DocumentID{documentOf("Y05868", 1)}},
		federation.Suspend{Trust: "Y05868", Lift: true},
	} {
		r.refuse("Y05868", body, TrustSuspended)
	}
	if got := locateAll(t, r.store, alice); len(got) != 1 {
		t.Errorf("its pointers stay for whoever decides: %v", got)
	}
	r.accept("RAS", federation.Suspend{Trust: "Y05868", Lift: true})
	r.accept("RYJ", federation.Approve{Proposal: r.head("RAS").digest})
	r.accept("Y05868", publication(pointerOf("Y05868", alice, 2)))
}

// RYJ, RAS and RAX govern; two suspend themselves at once; the last may not, and then decides alone.
func TestSomebodyIsLeftToGovern(t *testing.T) {
	r := grown(t, Config{})
	r.accept("RAS", federation.Suspend{Trust: "RAS"})
	r.accept("RAX", federation.Suspend{Trust: "RAX", Reason: "keys lost"})
	r.refuse("RYJ", federation.Suspend{Trust: "RYJ"}, LastGoverning)
	r.accept("RYJ", federation.Suspend{Trust: "RAS", Lift: true})
	if r.standing("RAS") != federation.Active {
		t.Error("the only trust that governs could not lift")
	}
	r.refuse("RAX", federation.Suspend{Trust: "RYJ"}, TrustSuspended)
}

// RYJ and RAX approve; RAX leaves before RAS comes: an approval counts only while its trust governs.
func TestApprovalsOfSuspendedTrustsDoNotCount(t *testing.T) {
	r := founded(t, Config{}, 3)
	r.accept("RYJ", federation.Enrol{Member: r.trust("RAS").member(true)})
	r.enrol("RAX", true)
	r.accept("RYJ", federation.Enrol{Member: r.trust("RBK").member(true)})
	proposal := r.head("RYJ").digest
	r.accept("RAX", federation.Approve{Proposal: proposal})
	r.accept("RAX", federation.Suspend{Trust: "RAX"})
	if got := r.proposals(); len(got) != 1 || got[0].Counted != 1 || got[0].Needed != 2 {
		t.Fatalf("%+v", got)
	}
	r.accept("RAS", federation.Approve{Proposal: proposal})
	if r.standing("RBK") != federation.Active {
		t.Error("RYJ and RAS were enough")
	}
}

// Both have approved when three were needed; one leaves, two suffice: either says so again.
func TestAnApprovalGivenAgainCompletesWhatNeedsFewerThanBefore(t *testing.T) {
	r := founded(t, Config{}, 3)
	r.accept("RYJ", federation.Enrol{Member: r.trust("RAS").member(true)})
	r.enrol("RAX", true)
	r.accept("RYJ", federation.Enrol{Member: r.trust("RBK").member(true)})
	proposal := r.head("RYJ").digest
	r.accept("RAS", federation.Approve{Proposal: proposal})
	r.refuse("RYJ", federation.Approve{Proposal: proposal}, AlreadyApproved)
	r.accept("RAX", federation.Suspend{Trust: "RAX"})
	r.accept("RYJ", federation.Approve{Proposal: proposal})
	if r.standing("RBK") != federation.Active {
		t.Error("not enrolled")
	}
}

func TestATrustSuspendsItsOwnNodeAtOnceAndIsLiftedByOthers(t *testing.T) {
	r := grown(t, Config{})
	node := r.trust("Y05868").nodeID()
	r.accept("Y05868", federation.Suspend{Trust: "Y05868", Node: node})
	if r.ledger.Roster().Active(node) || r.standing("Y05868") != federation.Active {
		t.Error("the node, and only the node, is suspended")
	}
	r.refuse("Y05868", federation.Suspend{Trust: "Y05868", Node: node, Lift: true}, NotGoverning)
	next := testKey("Y05868", "next node")
	r.accept("Y05868", rotation(federation.RoleNode, r.trust("Y05868").node, next, "127.0.0.1:7001"))
	if r.ledger.Roster().Active(federation.NodeOf(federation.PublicOf(next))) {
		t.Error("a new key lifted the suspension")
	}
	r.accept("RYJ", federation.Suspend{Trust: "Y05868", Node: federation.NodeOf(federation.PublicOf(next)), Lift: true})
	r.accept("RAS", federation.Approve{Proposal: r.head("RYJ").digest})
	if !r.ledger.Roster().Active(federation.NodeOf(federation.PublicOf(next))) {
		t.Error("not lifted")
	}
}

// A trust that lost its statement key is suspended and enrolled again with another. Its chain goes on, its old key is dead.
func TestASuspendedTrustComesBackWithOtherKeys(t *testing.T) {
	r := grown(t, Config{})
	r.accept("Y05868", publication(pointerOf("Y05868", alice, 1)))
	r.accept("RYJ", federation.Suspend{Trust: "Y05868"})
	r.accept("RAS", federation.Approve{Proposal: r.head("RYJ").digest})
	lost := r.trust("Y05868").statement
	r.trust("Y05868").statement = testKey("Y05868", "found again")
	r.enrol("Y05868", false)
	h := r.head("Y05868")
	place := federation.Place{Trust: "Y05868", Seq: h.seq + 1, Prev: h.digest, At: r.now}
	r.refuseSigned(r.signAt(place, publication(pointerOf("Y05868", alice, 2)), lost), BadSignature)
	r.accept("Y05868", publication(pointerOf("Y05868", alice, 2)))
	if h := r.head("Y05868"); h.seq != 2 {
		t.Errorf("statement %d; the chain began anew", h.seq)
	}
}

func rotation(role federation.KeyRole, from, to ed25519.PrivateKey, address string) federation.Rotate {
	b := federation.Rotate{Role: role, Old: federation.PublicOf(from), New: federation.PublicOf(to), Address: address}
	copy(b.Proof[:], ed25519.Sign(to, b.ProofBytes()))
	return b
}

// RYJ 5 rotates A to B      signed by A
// RYJ 6                     signed by B, and no longer by A
func TestRotationReplacesAKeyAndTheChainGoesOn(t *testing.T) {
	r := grown(t, Config{})
	ryj, next := r.trust("RYJ"), testKey("RYJ", "next")
	unproven := rotation(federation.RoleStatement, ryj.statement, next, "")
	copy(unproven.Proof[:], ed25519.Sign(ryj.statement, unproven.ProofBytes()))
	cases := []struct {
		name string
		body federation.Rotate
		want Code
	}{
		{"proof by the old key", unproven, BadRotation},
		{"the key is not in force", rotation(federation.RoleStatement, next, testKey("third"), ""), BadRotation},
		{"the audit key is not the statement key", rotation(federation.RoleAudit, ryj.statement, next, ""), BadRotation},
		{"the key of another", rotation(federation.RoleStatement, ryj.statement, r.trust("RAS").audit, ""), KeyInUse},
		{"its own audit key", rotation(federation.RoleStatement, ryj.statement, ryj.audit, ""), KeyInUse},
		{"nothing changes", rotation(federation.RoleStatement, ryj.statement, ryj.statement, ""), NoChange},
		{"the node of another", rotation(federation.RoleNode, r.trust("RAS").node, next, "a:1"), BadRotation},
		{"key and address stay", rotation(federation.RoleNode, ryj.node, ryj.node, "127.0.0.1:7000"), NoChange},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { r.refuse("RYJ", c.body, c.want) })
	}

	old := ryj.statement
	r.accept("RYJ", rotation(federation.RoleStatement, old, next, ""))
	h := r.head("RYJ")
	place := federation.Place{Trust: "RYJ", Seq: h.seq + 1, Prev: h.digest, At: r.now}
	r.refuseSigned(r.signAt(place, publication(pointerOf("RYJ", alice, 1)), old), BadSignature)
	ryj.statement = next
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1)))
	r.refuse("RYJ", rotation(federation.RoleStatement, next, old, ""), KeyInUse)

	r.accept("RYJ", rotation(federation.RoleNode, ryj.node, ryj.node, "[::1]:7000"))
	if n, _, ok := r.ledger.Roster().Node(ryj.nodeID()); !ok || n.Address != "[::1]:7000" {
		t.Errorf("moved: %v, %v", n, ok)
	}
	before := ryj.nodeID()
	r.accept("RYJ", rotation(federation.RoleNode, ryj.node, testKey("RYJ", "other node"), "[::1]:7000"))
	if _, _, ok := r.ledger.Roster().Node(before); ok {
		t.Error("the old node is in the roster")
	}
}

package index

import (
	"fmt"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// enrol proposes a member.
func (c *call) enrol(b federation.Enrol) error {
	if !c.signer.Governing {
		return refuse(NotGoverning, "%s does not govern", c.signer.ID)
	}
	if err := b.Member.Check(); err != nil {
		return refuse(BadMember, "%v", err)
	}
	if err := c.enrolPossible(c.roster, b); err != nil {
		return err
	}
	return c.propose(b)
}

// enrolPossible refuses a trust that is active, and keys that serve elsewhere. A suspended trust may be enrolled again, with
// the keys it has or with others: that is how a trust comes back that has lost its statement key. Its chain goes on.
func (c *call) enrolPossible(r *federation.Roster, b federation.Enrol) error {
	m := b.Member
	old, known := r.Trust(m.Trust)
	if known && old.Standing == federation.Active {
		return refuse(TrustExists, "%s is enrolled", m.Trust)
	}
	if !known && len(r.Trusts()) >= maxTrusts {
		return refuse(TooManyTrusts, "the region has %d trusts", maxTrusts)
	}
	own := func(k federation.PublicKey) bool { return false }
	if known {
		own = func(k federation.PublicKey) bool {
			return k == m.StatementKey && k == old.StatementKey || k == m.AuditKey && k == old.AuditKey ||
				k == m.NodeKey && slices.ContainsFunc(old.Nodes, func(n federation.RosterNode) bool { return n.Key == k })
		}
	}
	for _, k := range []federation.PublicKey{m.StatementKey, m.AuditKey, m.NodeKey} {
		if own(k) {
			continue
		}
		if err := c.keyFree(k); err != nil {
			return err
		}
	}
	return nil
}

// suspend lets a trust suspend itself or its own node at once; all else is a proposal.
func (c *call) suspend(b federation.Suspend) error {
	self := b.Trust == c.signer.ID && !b.Lift
	if !self && !c.signer.Governing {
		return refuse(NotGoverning, "%s does not govern", c.signer.ID)
	}
	if err := suspendPossible(c.roster, b); err != nil {
		return err
	}
	if self {
		c.putStanding(b)
		return nil
	}
	return c.propose(b)
}

func suspendPossible(r *federation.Roster, b federation.Suspend) error {
	t, ok := r.Trust(b.Trust)
	if !ok {
		return refuse(NoSuchTrust, "%s is not in the roster", b.Trust)
	}
	standing := t.Standing
	if !b.Node.IsZero() {
		i := slices.IndexFunc(t.Nodes, func(n federation.RosterNode) bool { return n.ID == b.Node })
		if i < 0 {
			return refuse(NoSuchTrust, "%s has no node %s", b.Trust, b.Node.Short())
		}
		standing = t.Nodes[i].Standing
	}
	if b.Lift != (standing == federation.Suspended) {
		return refuse(NoChange, "%s is %s", b.Trust, standing)
	}
	if !b.Lift && b.Node.IsZero() && t.Governing && len(governing(r)) == 1 {
		return refuse(LastGoverning, "%s is the last trust that governs", b.Trust)
	}
	return nil
}

// putStanding carries out a suspension, or lifts one. It was checked.
func (c *call) putStanding(b federation.Suspend) {
	t, _ := c.roster.Trust(b.Trust)
	t.Nodes = slices.Clone(t.Nodes) // the roster's own must not change
	to := federation.Suspended
	if b.Lift {
		to = federation.Active
	}
	what := string(b.Trust)
	if b.Node.IsZero() {
		t.Standing = to
	} else {
		what = fmt.Sprintf("node %s of %s", b.Node.Short(), b.Trust)
		for i := range t.Nodes {
			if t.Nodes[i].ID == b.Node {
				t.Nodes[i].Standing = to
			}
		}
	}
	c.putTrust(t)
	c.detail = fmt.Sprintf("%s is %s", what, to)
}

// rotate replaces one of the signer's own keys, or its node's address.
func (c *call) rotate(b federation.Rotate) error {
	if !b.New.Verify(b.ProofBytes(), b.Proof) {
		return refuse(BadRotation, "the proof is not made with the new key")
	}
	t := c.signer
	t.Nodes = slices.Clone(t.Nodes)
	if b.Role == federation.RoleNode {
		return c.rotateNode(t, b)
	}
	if b.New == b.Old {
		return refuse(NoChange, "the new key is the old one")
	}
	field := &t.StatementKey
	if b.Role == federation.RoleAudit {
		field = &t.AuditKey
	}
	if *field != b.Old {
		return refuse(BadRotation, "the key to replace is not in force")
	}
	if err := c.keyFree(b.New); err != nil {
		return err
	}
	*field = b.New
	c.takeKey(b.New, t.ID, b.Role)
	c.putTrust(t)
	return nil
}

// rotateNode keeps the node's standing, so that a suspended node does not come back under another key, and its last
// checkpoint, so that a new key is no occasion to begin the audit log anew.
func (c *call) rotateNode(t federation.Trust, b federation.Rotate) error {
	i := slices.IndexFunc(t.Nodes, func(n federation.RosterNode) bool { return n.Key == b.Old })
	if i < 0 {
		return refuse(BadRotation, "the key to replace is not in force")
	}
	n := &t.Nodes[i]
	if b.New == b.Old {
		if n.Address == b.Address {
			return refuse(NoChange, "the node has this key and address")
		}
		n.Address = b.Address
		c.putTrust(t)
		return nil
	}
	if err := c.keyFree(b.New); err != nil {
		return err
	}
	before := n.ID
	n.Key, n.ID, n.Address = b.New, federation.NodeOf(b.New), b.Address
	value, found, err := c.Get(checkpointKey(before))
	if err != nil {
		return fmt.Errorf("read checkpoint: %w", err)
	}
	if found {
		c.Delete(checkpointKey(before))
		c.Set(checkpointKey(n.ID), value)
	}
	c.takeKey(b.New, t.ID, b.Role)
	c.putTrust(t)
	return nil
}

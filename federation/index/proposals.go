package index

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxProposals is how many open proposals a trust may have; one more displaces its oldest.
const MaxProposals = 32

// governing returns the trusts that may propose and approve.
func governing(r *federation.Roster) []federation.TrustID {
	var out []federation.TrustID
	for _, t := range r.Trusts() {
		if t.Governing && t.Standing == federation.Active {
			out = append(out, t.ID)
		}
	}
	return out
}

// needed is how many approvals a proposal needs: as many as the charter says, but never more than there are trusts to give
// them. A region of one trust could otherwise never grow.
func needed(r *federation.Roster) int { return max(1, min(r.Approvals, len(governing(r)))) }

// counted returns how many of the approvals are by trusts that govern at present.
func counted(r *federation.Roster, approvals []federation.TrustID) int {
	n := 0
	for _, t := range governing(r) {
		if slices.Contains(approvals, t) {
			n++
		}
	}
	return n
}

// propose opens a proposal, or carries it out when the proposer's approval is enough. The body was checked.
func (c *call) propose(body federation.Body) error {
	if !c.signer.Governing {
		return refuse(NotGoverning, "%s does not govern", c.signer.ID)
	}
	p := proposalRow{
		index: c.index, by: c.signer.ID, at: c.statement.At, kind: c.statement.Kind, body: c.statement.Body,
		approvals: []federation.TrustID{c.signer.ID},
	}
	if counted(c.roster, p.approvals) >= needed(c.roster) {
		c.carryOut(body)
		return nil
	}
	if err := c.makeRoom(); err != nil {
		return err
	}
	c.Set(proposalKey(c.digest), p.encode())
	c.detail = fmt.Sprintf("1 of %d approvals", needed(c.roster))
	return nil
}

// makeRoom closes the signer's oldest proposal when it has as many as it may.
func (c *call) makeRoom() error {
	open, err := readProposals(c)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(p openProposal) bool { return p.by != c.signer.ID })
	if len(open) >= MaxProposals {
		c.Delete(proposalKey(open[0].digest))
	}
	return nil
}

// approve counts the signer's approval, and carries the proposal out when it is the last that was needed.
func (c *call) approve(b federation.Approve) error {
	if !c.signer.Governing {
		return refuse(NotGoverning, "%s does not govern", c.signer.ID)
	}
	key := proposalKey(b.Proposal)
	p, found, err := get(c, key, decodeProposal)
	if err != nil {
		return err
	}
	if !found {
		return refuse(NoProposal, "no open proposal %s", b.Proposal)
	}
	body, err := p.decoded()
	if err != nil {
		return corrupt(key, err)
	}
	// An approval that was given before may complete a proposal when fewer are needed than then.
	again := slices.Contains(p.approvals, c.signer.ID)
	if !again {
		p.approvals = append(p.approvals, c.signer.ID)
	}
	have, need := counted(c.roster, p.approvals), needed(c.roster)
	if have < need {
		if again {
			return refuse(AlreadyApproved, "%s approved this before; %d of %d approvals", c.signer.ID, have, need)
		}
		c.Set(key, p.encode())
		c.detail = fmt.Sprintf("%d of %d approvals", have, need)
		return nil
	}
	if err := c.possible(c.roster, body); err != nil {
		return err
	}
	c.Delete(key)
	c.carryOut(body)
	return nil
}

// possible refuses a proposal that cannot take effect in a region with this roster.
func (c *call) possible(r *federation.Roster, body federation.Body) error {
	switch b := body.(type) {
	case federation.Enrol:
		return c.enrolPossible(r, b)
	case federation.Suspend:
		return suspendPossible(r, b)
	default:
		return fmt.Errorf("proposal of %s: %w", body.Kind(), ErrCorrupt)
	}
}

func (c *call) carryOut(body federation.Body) {
	switch b := body.(type) {
	case federation.Enrol:
		c.putMember(b.Member)
		c.detail = fmt.Sprintf("%s is enrolled", b.Member.Trust)
	case federation.Suspend:
		c.putStanding(b)
	}
}

// closeProposals returns the roster after this statement, and closes proposals that it made impossible.
func (c *call) closeProposals() (*federation.Roster, error) {
	roster, err := readRoster(c)
	if err != nil {
		return nil, err
	}
	open, err := readProposals(c)
	if err != nil {
		return nil, err
	}
	for _, p := range open {
		body, err := p.decoded()
		if err != nil {
			return nil, corrupt(proposalKey(p.digest), err)
		}
		if err := c.possible(roster, body); isRefusal(err) {
			c.Delete(proposalKey(p.digest))
		} else if err != nil {
			return nil, err
		}
	}
	return roster, nil
}

type openProposal struct {
	proposalRow
	digest federation.Digest
}

// readProposals returns the open proposals, oldest first.
func readProposals(r Reader) ([]openProposal, error) {
	var out []openProposal
	err := r.Scan([]byte{rowProposal}, nil, func(key, value []byte) (bool, error) {
		p, err := decodeRow(key, bytes.Clone(value), decodeProposal)
		if err != nil {
			return false, err
		}
		open := openProposal{proposalRow: p}
		if len(key) != 1+len(open.digest) {
			return false, corrupt(key, federation.ErrMalformed)
		}
		copy(open.digest[:], key[1:])
		out = append(out, open)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read proposals: %w", err)
	}
	slices.SortFunc(out, func(a, b openProposal) int { return cmp.Compare(a.index, b.index) })
	return out, nil
}

// Proposal is an enrolment or a suspension that waits for approvals.
type Proposal struct {
	Digest    federation.Digest // what an Approve names
	By        federation.TrustID
	At        time.Time
	Body      federation.Body      // Enrol or Suspend
	Approvals []federation.TrustID // the proposer's first
	Counted   int                  // approvals by trusts that govern at present
	Needed    int
}

// Proposals returns the open proposals, oldest first.
func Proposals(r Reader) ([]Proposal, error) {
	open, err := readProposals(r)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	roster, err := readRoster(r)
	if err != nil {
		return nil, err
	}
	out := make([]Proposal, 0, len(open))
	for _, p := range open {
		body, err := p.decoded()
		if err != nil {
			return nil, corrupt(proposalKey(p.digest), err)
		}
		out = append(out, Proposal{
			Digest: p.digest, By: p.by, At: p.at, Body: body, Approvals: p.approvals,
			Counted: counted(roster, p.approvals), Needed: needed(roster),
		})
	}
	return out, nil
}

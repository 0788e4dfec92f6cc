package index

import (
	"errors"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// applier turns commands into effects. What it remembers is a copy of rows, and checked against the state before use, so that
// a batch that is rolled back, or a state that is swapped, cannot leave it wrong.
type applier struct {
	root   federation.Digest // meta.rosterRoot of roster
	roster *federation.Roster
}

// change is what an accepted statement means to those who hold copies.
type change struct {
	roster      *federation.Roster // nil: as before
	directives  []federation.Subject
	recorded    federation.DirectiveID
	agreement   federation.TrustID
	breakGlass  *BreakGlass
	effectBytes int
	effectCount int
}

// call is one statement that passed the checks all kinds have in common.
type call struct {
	*effects
	meta      *meta
	roster    *federation.Roster
	statement federation.Statement
	signer    federation.Trust
	digest    federation.Digest
	index     uint64
	change    *change
	regroup   bool // the roster's rows changed
	detail    string

	row, key, value []byte // room for what is written next
}

// rosterOf returns the roster of the state that tx sees.
func (a *applier) rosterOf(r Reader, m *meta) (*federation.Roster, error) {
	if a.roster == nil || a.root != m.rosterRoot {
		roster, err := readRoster(r)
		if err != nil {
			return nil, err
		}
		a.roster, a.root = roster, m.rosterRoot
	}
	return a.roster, nil
}

// apply carries out one command. A refusal is a response; an error stops the replica.
func (a *applier) apply(tx txn, index uint64, p *prepared) (Response, change, error) {
	m, err := readMeta(tx)
	if err != nil {
		return Response{}, change{}, err
	}
	if index <= m.index {
		return Response{}, change{}, fmt.Errorf("command %d after %d: %w", index, m.index, ErrOrder)
	}
	roster, err := a.rosterOf(tx, &m)
	if err != nil {
		return Response{}, change{}, err
	}
	var ch change
	c := &call{effects: newEffects(tx, m.effects, index), meta: &m, roster: roster, statement: p.statement, digest: p.digest, index: index, change: &ch}
	duplicate, err := c.run(p)
	var ref *refusal
	switch {
	case errors.As(err, &ref):
		if c.count != 0 {
			return Response{}, change{}, fmt.Errorf("refused after %d effects (%w): %w", c.count, ref, ErrCorrupt)
		}
		return a.refused(tx, &m, c, ref)
	case err != nil:
		return Response{}, change{}, fmt.Errorf("command %d: %w", index, err)
	case duplicate:
		return Response{Outcome: Duplicate}, change{}, nil
	}
	if err := a.accepted(c, p); err != nil {
		return Response{}, change{}, fmt.Errorf("command %d: %w", index, err)
	}
	return Response{Outcome: Accepted, Detail: c.detail}, ch, nil
}

func (a *applier) refused(tx txn, m *meta, c *call, ref *refusal) (Response, change, error) {
	err := record(tx, m, Refusal{
		Index: c.index, Code: ref.code, Trust: c.statement.Trust, Kind: c.statement.Kind,
		Seq: c.statement.Seq, Statement: c.digest, Detail: ref.detail,
	})
	return Response{Outcome: Refused, Code: ref.code, Detail: ref.detail}, change{}, err
}

// accepted writes what every accepted statement leaves, and closes the chain.
func (a *applier) accepted(c *call, p *prepared) error {
	s, m := c.statement, c.meta
	c.keep(numberKey(rowEnvelope, c.index), p.signed, p.digest)
	c.Set(statementKey(s.Trust, s.Seq), statementRow{digest: p.digest, index: c.index}.encode())
	c.Set(headKey(s.Trust), headRow{seq: s.Seq, digest: p.digest}.encode())
	if c.regroup {
		roster, err := c.closeProposals()
		if err != nil {
			return err
		}
		c.change.roster = roster
	}
	m.statements++
	m.envelopes += uint64(len(p.signed.Raw) + len(p.signed.Sig))
	m.effects, m.index = c.link(), c.index
	if c.regroup {
		m.rosterRoot, m.rosterIndex = m.effects, c.index
		a.roster, a.root = c.change.roster, m.rosterRoot
	}
	c.txn.Set(metaKey(), m.encode())
	c.change.effectBytes, c.change.effectCount = c.bytes, c.count
	return nil
}

// run makes the checks that all kinds have in common, in an order that tells a repetition from a forgery, and hands over
// to the rule of the kind.
//
//	decodes -> region exists -> seen before? -> signer known -> signature -> standing -> next in chain -> known kind -> rule
func (c *call) run(p *prepared) (duplicate bool, err error) {
	if p.err != nil {
		return false, refuse(Malformed, "%v", p.err)
	}
	s := c.statement
	if c.roster.RegionID.IsZero() {
		return false, c.found(p)
	}
	seen, found, err := get(c, statementKey(s.Trust, s.Seq), decodeStatementRow)
	if err != nil {
		return false, err
	}
	if found && seen.digest == c.digest {
		return true, nil
	}
	signer, ok := c.roster.Trust(s.Trust)
	if !ok {
		return false, refuse(UnknownTrust, "%s is not in the roster", s.Trust)
	}
	if p.verify(signer.StatementKey) != nil {
		return false, refuse(BadSignature, "not signed with the statement key of %s", s.Trust)
	}
	if signer.Standing != federation.Active {
		return false, refuse(TrustSuspended, "%s is %s", s.Trust, signer.Standing)
	}
	if found {
		return false, refuse(Fork, "%s signed two statements with number %d", s.Trust, s.Seq)
	}
	if err := c.follows(); err != nil {
		return false, err
	}
	c.signer = signer
	body, err := p.decode()
	switch {
	case !s.Kind.Valid() || newer(err):
		return false, fmt.Errorf("%s of %s: %w", s.Kind, s.Trust, ErrUnknownStatement)
	case err != nil:
		return false, refuse(Malformed, "%v", err)
	}
	return false, c.rule(body)
}

// follows checks that the statement is the next of its trust.
//
//	region id <- 1 <- 2 <- 3 <- ...        (each names the digest of the one before; the charter is its founder's 1)
func (c *call) follows() error {
	s := c.statement
	head, found, err := get(c, headKey(s.Trust), decodeHead)
	if err != nil {
		return err
	}
	if !found {
		head.digest = c.roster.RegionID
	}
	switch {
	case s.Seq <= head.seq:
		return corrupt(statementKey(s.Trust, s.Seq), errMissing)
	case s.Seq != head.seq+1:
		return refuse(Gap, "statement %d of %s after %d", s.Seq, s.Trust, head.seq)
	case s.Prev != head.digest:
		return refuse(BrokenChain, "statement %d of %s does not follow from its statement %d in this region", s.Seq, s.Trust, head.seq)
	}
	return nil
}

func (c *call) rule(body any) error {
	switch b := body.(type) {
	case federation.Charter:
		return refuse(RegionExists, "the region %s was founded before", c.roster.Region)
	case federation.Enrol:
		return c.enrol(b)
	case federation.Approve:
		return c.approve(b)
	case federation.Suspend:
		return c.suspend(b)
	case federation.Rotate:
		return c.rotate(b)
	case rawPublish:
		return c.publish(b)
	case federation.Withdraw:
		return c.withdraw(b)
	case federation.Directive:
		return c.directive(b)
	case federation.Agreement:
		return c.agreement(b)
	case federation.Link:
		return c.join(b)
	case federation.Checkpoint:
		return c.checkpoint(b)
	case federation.BreakGlass:
		return c.breakGlass(b)
	default:
		return fmt.Errorf("%s: %w", c.statement.Kind, ErrUnknownStatement)
	}
}

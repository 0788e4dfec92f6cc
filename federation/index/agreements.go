package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// maxAuditSize bounds a log's size to what proofs are checked for: arithmetic on tree sizes must not overflow.
const maxAuditSize = 1 << 48

// agreement sets the signer's own rules. Their text is not read: replicas must agree whatever version of the policy
// language they have. Whoever decides by it refuses when it cannot read it.
func (c *call) agreement(b federation.Agreement) error {
	last, err := lastAgreement(c, c.signer.ID)
	if err != nil {
		return err
	}
	if b.Version <= last {
		return refuse(BadAgreement, "version %d after %d", b.Version, last)
	}
	if b.Effective.IsZero() || (!b.Expires.IsZero() && !b.Expires.After(b.Effective)) {
		return refuse(BadAgreement, "an agreement takes effect at a time, and ends after it or never")
	}
	c.Set(agreementKey(c.signer.ID, b.Version), agreementRow{index: c.index, effective: b.Effective, expires: b.Expires}.encode())
	c.change.agreement = c.signer.ID
	return nil
}

// lastAgreement returns the largest version; zero when there is none.
func lastAgreement(r Reader, t federation.TrustID) (uint64, error) {
	var last uint64
	err := scanAgreements(r, t, func(version uint64, _ agreementRow) { last = version })
	return last, err
}

func scanAgreements(r Reader, t federation.TrustID, fn func(version uint64, row agreementRow)) error {
	prefix := agreementPrefix(t)
	err := r.Scan(prefix, nil, func(key, value []byte) (bool, error) {
		if len(key) != len(prefix)+8 {
			return false, corrupt(key, federation.ErrMalformed)
		}
		row, err := decodeRow(key, value, decodeAgreement)
		if err != nil {
			return false, err
		}
		fn(binary.BigEndian.Uint64(key[len(prefix):]), row)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read agreements of %s: %w", t, err)
	}
	return nil
}

// Agreement is a trust's sharing rules, and where they come from.
type Agreement struct {
	federation.Agreement
	Trust     federation.TrustID
	Index     uint64 // of the statement's command
	At        time.Time
	Statement federation.Digest
}

// AgreementOf returns the rules of a trust that are in force at a time: of those that have taken effect, the one with the
// largest version, unless it has expired. found is false when there is none; whoever decides must refuse then.
func AgreementOf(r Reader, t federation.TrustID, at time.Time) (a Agreement, found bool, err error) {
	var row agreementRow
	err = scanAgreements(r, t, func(_ uint64, candidate agreementRow) {
		if !candidate.effective.After(at) {
			row, found = candidate, true
		}
	})
	if err != nil || !found || (!row.expires.IsZero() && !at.Before(row.expires)) {
		return Agreement{}, false, err
	}
	a, err = agreementAt(r, t, row.index)
	return a, err == nil, err
}

// agreementAt reads the signed statement that the command at index made.
func agreementAt(r Reader, t federation.TrustID, index uint64) (Agreement, error) {
	signed, s, err := envelopeAt(r, index)
	if err != nil {
		return Agreement{}, err
	}
	body, err := federation.DecodeBody(s)
	if err != nil {
		return Agreement{}, corrupt(numberKey(rowEnvelope, index), err)
	}
	b, ok := body.(federation.Agreement)
	if !ok || s.Trust != t {
		return Agreement{}, corrupt(numberKey(rowEnvelope, index), federation.ErrMalformed)
	}
	return Agreement{Agreement: b, Trust: t, Index: index, At: s.At, Statement: signed.ID()}, nil
}

// Agreements returns all that a trust has agreed on, the largest version first, at most limit of them.
func Agreements(r Reader, t federation.TrustID, limit int) ([]Agreement, error) {
	var at []uint64
	if err := scanAgreements(r, t, func(_ uint64, row agreementRow) { at = append(at, row.index) }); err != nil {
		return nil, err
	}
	out := make([]Agreement, 0, min(limit, len(at)))
	for _, index := range slices.Backward(at) {
		if len(out) == limit {
			break
		}
		a, err := agreementAt(r, t, index)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// NextAgreementChange returns the first time after at when a version of the trust's rules takes effect or ends; zero when
// there is none.
func NextAgreementChange(r Reader, t federation.TrustID, at time.Time) (time.Time, error) {
	var next time.Time
	err := scanAgreements(r, t, func(_ uint64, row agreementRow) {
		for _, x := range []time.Time{row.effective, row.expires} {
			if x.After(at) && (next.IsZero() || x.Before(next)) {
				next = x
			}
		}
	})
	return next, err
}

// LastAgreementVersion returns the version that a trust's next agreement must exceed; zero when it has none.
func LastAgreementVersion(r Reader, t federation.TrustID) (uint64, error) {
	return lastAgreement(r, t)
}

// checkpoint makes the region the witness of an audit log: it takes only what extends the checkpoint before.
func (c *call) checkpoint(b federation.Checkpoint) error {
	if _, t, ok := c.roster.Node(b.Node); !ok || t.ID != c.signer.ID {
		return refuse(NoSuchTrust, "%s has no node %s", c.signer.ID, b.Node.Short())
	}
	if !c.signer.AuditKey.Verify(b.SignedBytes(), b.Sig) {
		return refuse(BadCheckpoint, "not signed with the audit key of %s", c.signer.ID)
	}
	old, found, err := get(c, checkpointKey(b.Node), decodeCheckpoint)
	if err != nil {
		return err
	}
	if b.Size == 0 || b.Size > maxAuditSize || b.Size <= old.size {
		return refuse(BadCheckpoint, "size %d after %d", b.Size, old.size)
	}
	switch {
	case !found && len(b.Proof) != 0:
		return refuse(BadCheckpoint, "the first checkpoint has nothing to be proven against")
	case found && !consistent(old, b):
		return refuse(InconsistentAudit, "no proof that the log of %d entries extends that of %d", b.Size, old.size)
	}
	c.Set(checkpointKey(b.Node), checkpointRow{index: c.index, trust: c.signer.ID, at: c.statement.At, size: b.Size, root: b.Root}.encode())
	return nil
}

// consistent runs the proof of RFC 6962 §2.1.2.
func consistent(old checkpointRow, b federation.Checkpoint) bool {
	if old.size == 0 || old.size > math.MaxInt64 {
		return false
	}
	proof := make(tlog.TreeProof, len(b.Proof))
	for i, h := range b.Proof {
		proof[i] = tlog.Hash(h)
	}
	return tlog.CheckTree(proof, int64(b.Size), tlog.Hash(b.Root), int64(old.size), tlog.Hash(old.root)) == nil
}

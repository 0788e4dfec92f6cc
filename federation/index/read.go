package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Pointer returns the pointer of a document. There are three answers: found; withdrawn and found, with the document and its
// subject only; and neither. It fails with ErrCorrupt.
func Pointer(r Reader, id federation.DocumentID) (p federation.Pointer, withdrawn, found bool, err error) {
	if !id.Valid() {
		return federation.Pointer{}, false, false, nil
	}
	trust, document := id.Custodian(), id.Key()
	row, found, err := get(r, documentKey(trust, document), decodeDocument)
	if err != nil || !found {
		return federation.Pointer{}, false, false, err
	}
	if row.withdrawn {
		return federation.Pointer{Subject: row.subject, Document: id}, true, true, nil
	}
	key := pointerKey(row.subject, row.at, trust, document)
	value, found, err := r.Get(key)
	if err != nil {
		return federation.Pointer{}, false, false, fmt.Errorf("read pointer: %w", err)
	}
	if !found {
		return federation.Pointer{}, false, false, corrupt(key, errMissing)
	}
	p, err = decodePointerRow(key, value)
	return p, false, err == nil, err
}

// Directive is what a patient has said, and who recorded it.
type Directive struct {
	federation.Directive
	Trust        federation.TrustID     // that recorded it
	At           time.Time              // by that trust's clock
	Index        uint64                 // of the statement's command
	WithdrawnBy  federation.DirectiveID // zero: not withdrawn
	SupersededBy federation.DirectiveID // zero: nothing has taken its place
}

// Active reports whether the directive is an objection or a consent that was neither withdrawn nor superseded. It may have
// run out all the same: the ledger has no clock to judge Until by.
func (d Directive) Active() bool {
	none := federation.DirectiveID{}
	return d.Effect != federation.Withdrew && d.WithdrawnBy == none && d.SupersededBy == none
}

// Directives returns the objections and consents of a patient that are Active, those recorded for linked subjects among them.
// None is an empty answer; a damaged one is ErrCorrupt.
func Directives(r Reader, s federation.Subject) ([]Directive, error) {
	linked, err := Linked(r, s)
	if err != nil {
		return nil, err
	}
	return DirectivesOf(r, linked)
}

// DirectivesOf is Directives for a caller who has asked Linked for all subjects of the patient.
func DirectivesOf(r Reader, linked []federation.Subject) ([]Directive, error) {
	return directives(r, linked, Directive.Active)
}

// DirectiveHistory returns all that a patient has ever said, for those who must account for it.
func DirectiveHistory(r Reader, s federation.Subject) ([]Directive, error) {
	linked, err := Linked(r, s)
	if err != nil {
		return nil, err
	}
	return directives(r, linked, func(Directive) bool { return true })
}

func directives(r Reader, linked []federation.Subject, want func(Directive) bool) ([]Directive, error) {
	var out []Directive
	for _, subject := range linked {
		prefix := subjectPrefix(rowDirective, subject)
		err := r.Scan(prefix, nil, func(key, value []byte) (bool, error) {
			row, err := decodeRow(key, value, decodeDirective)
			if err != nil {
				return false, err
			}
			d := Directive{
				Directive: row.said, Trust: row.trust, At: row.at, Index: row.index, WithdrawnBy: row.withdrawn, SupersededBy: row.superseded,
			}
			d.Subject = subject
			if copy(d.ID[:], key[len(prefix):]) != len(d.ID) {
				return false, corrupt(key, federation.ErrMalformed)
			}
			if want(d) {
				out = append(out, d)
			}
			return true, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read directives: %w", err)
		}
	}
	return out, nil
}

// BreakGlass is an emergency access that a trust told the region of.
type BreakGlass struct {
	federation.BreakGlass
	Trust federation.TrustID // whose staff it was
	At    time.Time
	Index uint64 // of the statement's command
}

// BreakGlasses returns the emergency accesses to a patient's record, oldest first for each of the linked subjects.
func BreakGlasses(r Reader, s federation.Subject) ([]BreakGlass, error) {
	linked, err := Linked(r, s)
	if err != nil {
		return nil, err
	}
	var out []BreakGlass
	for _, subject := range linked {
		prefix := subjectPrefix(rowBreakGlass, subject)
		err := r.Scan(prefix, nil, func(key, value []byte) (bool, error) {
			if len(key) != len(prefix)+8 {
				return false, corrupt(key, federation.ErrMalformed)
			}
			row, err := decodeRow(key, value, decodeBreakGlass)
			if err != nil {
				return false, err
			}
			out = append(out, *row.public(subject, binary.BigEndian.Uint64(key[len(prefix):])))
			return true, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read emergency accesses: %w", err)
		}
	}
	return out, nil
}

// Head returns the number and digest of a trust's last accepted statement. Before its first one, the number is zero and the
// digest the region's id; so the next statement always has seq+1 and this digest. Both are zero before there is a region.
func Head(r Reader, t federation.TrustID) (seq uint64, digest federation.Digest, err error) {
	head, found, err := get(r, headKey(t), decodeHead)
	if err != nil || found {
		return head.seq, head.digest, err
	}
	charter, _, err := get(r, charterKey(), decodeCharter)
	return 0, charter.region, err
}

// statementAt returns a trust's accepted statement as it was signed, and the index of its command.
func statementAt(r Reader, t federation.TrustID, seq uint64) (signed federation.Signed, index uint64, found bool, err error) {
	row, found, err := get(r, statementKey(t, seq), decodeStatementRow)
	if err != nil || !found {
		return federation.Signed{}, 0, false, err
	}
	signed, _, err = envelopeAt(r, row.index)
	if err == nil && signed.ID() != row.digest {
		err = corrupt(numberKey(rowEnvelope, row.index), federation.ErrSignature)
	}
	return signed, row.index, err == nil, err
}

// envelopeAt returns the statement that the command at index was. It must be there.
func envelopeAt(r Reader, index uint64) (federation.Signed, federation.Statement, error) {
	key := numberKey(rowEnvelope, index)
	value, found, err := r.Get(key)
	if err != nil {
		return federation.Signed{}, federation.Statement{}, fmt.Errorf("read envelope: %w", err)
	}
	if !found {
		return federation.Signed{}, federation.Statement{}, corrupt(key, errMissing)
	}
	signed, err := federation.DecodeSigned(value)
	if err != nil {
		return federation.Signed{}, federation.Statement{}, corrupt(key, err)
	}
	s, err := signed.Statement()
	if err != nil {
		return federation.Signed{}, federation.Statement{}, corrupt(key, err)
	}
	return signed, s, nil
}

// Statements calls fn for each accepted statement from an index on, in the order of the commands, until fn returns false or an
// error. The envelope is valid only in fn.
func Statements(r Reader, from uint64, fn func(index uint64, signed federation.Signed) (bool, error)) error {
	return r.Scan([]byte{rowEnvelope}, numberKey(rowEnvelope, from), func(key, value []byte) (bool, error) {
		signed, err := federation.DecodeSigned(value)
		if err != nil || len(key) != 1+8 {
			return false, corrupt(key, errors.Join(err, federation.ErrMalformed))
		}
		return fn(binary.BigEndian.Uint64(key[1:]), signed)
	})
}

// Checkpoint is how far the region has witnessed a node's audit log.
type Checkpoint struct {
	Node  federation.NodeID
	Trust federation.TrustID
	Size  uint64
	Root  federation.Digest
	At    time.Time
	Index uint64 // of the statement's command
}

// CheckpointOf returns the last checkpoint of a node.
func CheckpointOf(r Reader, n federation.NodeID) (c Checkpoint, found bool, err error) {
	row, found, err := get(r, checkpointKey(n), decodeCheckpoint)
	if err != nil || !found {
		return Checkpoint{}, false, err
	}
	return Checkpoint{Node: n, Trust: row.trust, Size: row.size, Root: row.root, At: row.at, Index: row.index}, true, nil
}

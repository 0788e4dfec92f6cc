package index

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxRefusals is how many refusals are kept; the oldest makes room.
const MaxRefusals = 1024

const refusalVersion = 1

// Refusal is the record of a command that was refused.
type Refusal struct {
	Number    uint64 // counts all refusals from 1
	Index     uint64 // of the command
	Code      Code
	Trust     federation.TrustID // as the command claims; empty when it could not be read
	Kind      federation.Kind    // as the command claims; zero when it could not be read
	Seq       uint64             // as the command claims
	Statement federation.Digest  // of the statement; of the whole command when that could not be read
	Detail    string             // for people
}

// refusalRow adds the chain before to a record. The row is
//
//	size  field
//	1     version, 1
//	32    chain before
//	8     number; 8 index; 1 code; v+n trust; 1 kind; 8 seq; 32 statement
//	v+n   detail
//
// and the chain after is SHA-256( "ridgeway refusal v1" 0 | all fields from the chain before to the statement ). The detail is
// outside: it may be worded differently by another version of the program, and replicas must agree all the same.
type refusalRow struct {
	before federation.Digest
	Refusal
}

func (r refusalRow) fields() []byte {
	var e federation.Encoder
	e.Fixed(r.before[:])
	e.U64(r.Number)
	e.U64(r.Index)
	e.U8(uint8(r.Code))
	e.Text(string(r.Trust))
	e.U8(uint8(r.Kind))
	e.U64(r.Seq)
	e.Fixed(r.Statement[:])
	return e.Bytes()
}

func (r refusalRow) encode() []byte {
	var e federation.Encoder
	e.U8(refusalVersion)
	e.Fixed(r.fields())
	e.Text(clip(r.Detail))
	return e.Bytes()
}

func (r refusalRow) after() federation.Digest {
	return federation.Sum(append([]byte("ridgeway refusal v1\x00"), r.fields()...))
}

func decodeRefusal(d *federation.Decoder) refusalRow {
	var r refusalRow
	if v := d.U8(); d.Err() == nil && v != refusalVersion {
		d.Fail("version %d", v)
	}
	d.Into(r.before[:])
	r.Number, r.Index, r.Code = d.U64(), d.U64(), Code(d.U8())
	r.Trust, r.Kind, r.Seq = federation.TrustID(d.Text(rowText)), federation.Kind(d.U8()), d.U64()
	d.Into(r.Statement[:])
	r.Detail = d.Text(maxDetail)
	if r.Code == 0 || r.Number == 0 {
		d.Fail("code %d, number %d", r.Code, r.Number)
	}
	return r
}

// record writes a refusal and makes room for it.
func record(tx txn, m *meta, r Refusal) error {
	if m.refusals >= MaxRefusals {
		old := numberKey(rowRefusal, m.refusals+1-MaxRefusals)
		value, found, err := tx.Get(old)
		if err != nil {
			return fmt.Errorf("read oldest refusal: %w", err)
		}
		if !found {
			return corrupt(old, errMissing)
		}
		tx.Delete(old)
		m.refusalLog -= uint64(len(value))
	}
	m.refusals++
	r.Number = m.refusals
	row := refusalRow{before: m.refused, Refusal: r}
	value := row.encode()
	tx.Set(numberKey(rowRefusal, r.Number), value)
	m.refusalLog += uint64(len(value))
	m.refused = row.after()
	m.index = r.Index
	tx.Set(metaKey(), m.encode())
	return nil
}

// Refusals returns the newest refusals, newest first, at most n.
func Refusals(r Reader, n int) ([]Refusal, error) {
	m, err := readMeta(r)
	if err != nil {
		return nil, err
	}
	var out []Refusal
	for number := m.refusals; number > m.refusals-m.kept() && len(out) < n; number-- {
		row, found, err := get(r, numberKey(rowRefusal, number), decodeRefusal)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, corrupt(numberKey(rowRefusal, number), errMissing)
		}
		out = append(out, row.Refusal)
	}
	return out, nil
}

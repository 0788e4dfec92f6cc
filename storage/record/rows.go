package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// The rows of the store. Integers are big-endian; every value that is not empty is sealed, with its key as associated data.
//
//	key                            value
//	'd' document:10                description of the document
//	'p' document:10                state of the document
//	'm' document:10 n:4            n-th piece of the encoded manifest
//	'r' chunk:32 document:10       nothing: the document has the chunk
//	'S' subject:16                 how many documents the patient has here
//	's' subject:16 n:4             n-th document of the patient, counted from 1
//	'n' subject:16                 the patient's NHS number
//	'o' entry:8                    outbox entry; the entry's first byte is its priority
//	'z' entry:8                    outbox entry that the region refused, and why
//	'i'                            signed statement in flight
//	'I'                            outbox entries that it covers
//	'X' subject:16                 how many objections recorded here have not been committed
//	'x' subject:16 directive:16    such an objection
//	't' token digest:32            invitation
//	'k' name                       setting
//	'P' subject:16                 who the patient is, where this trust was told
//	'q' blind:16 subject:16        nothing: the patient has the family name and birth date of which blind is a keyed digest
//	'c'                            totals, and the next outbox entry
const (
	rowDocument    = 'd'
	rowState       = 'p'
	rowManifest    = 'm'
	rowReference   = 'r'
	rowSubject     = 'S'
	rowListed      = 's'
	rowNumber      = 'n'
	rowOutbox      = 'o'
	rowRefused     = 'z'
	rowInFlight    = 'i'
	rowCovered     = 'I'
	rowRefusals    = 'X'
	rowRefusal     = 'x'
	rowInvitation  = 't'
	rowSetting     = 'k'
	rowPerson      = 'P'
	rowNamed       = 'q'
	rowTotals      = 'c'
	manifestPiece  = 256 << 10
	documentKeyLen = len(federation.DocumentKey{})
)

func key(row byte, parts ...[]byte) []byte {
	out := make([]byte, 0, 48)
	out = append(out, row)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func documentKey(row byte, k federation.DocumentKey) []byte { return key(row, k[:]) }

func manifestKey(k federation.DocumentKey, n int) []byte {
	return binary.BigEndian.AppendUint32(key(rowManifest, k[:]), uint32(n))
}

func referenceKey(chunk federation.Digest, k federation.DocumentKey) []byte {
	return key(rowReference, chunk[:], k[:])
}

func listedKey(s federation.Subject, n uint64) []byte {
	return binary.BigEndian.AppendUint32(key(rowListed, s[:]), uint32(n))
}

func entryKey(row byte, id EntryID) []byte {
	return binary.BigEndian.AppendUint64([]byte{row}, uint64(id))
}

// get opens the row at k. found is false when there is none.
func (s *Store) get(txn *badger.Txn, k []byte) (plain []byte, found bool, err error) {
	return s.open(txn, k, nil)
}

// open is get into room, as far as there is any.
func (s *Store) open(txn *badger.Txn, k, room []byte) (plain []byte, found bool, err error) {
	item, err := txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("row %q: %w", k[:1], err)
	}
	err = item.Value(func(v []byte) error {
		plain, err = s.sealer.Open(room[:0], k, v)
		return err
	})
	if err != nil {
		return nil, true, fmt.Errorf("row %q: %w: %w", k[:1], storage.ErrIntegrity, err)
	}
	return plain, true, nil
}

// must opens a row that has to be there: its absence is damage, not an answer.
func (s *Store) must(txn *badger.Txn, k []byte) ([]byte, error) {
	plain, found, err := s.get(txn, k)
	if err == nil && !found {
		err = fmt.Errorf("row %q is missing: %w", k[:1], storage.ErrIntegrity)
	}
	return plain, err
}

func (s *Store) put(txn *badger.Txn, k, plain []byte) error {
	return txn.Set(k, s.sealer.Seal(nil, k, plain))
}

// exists reports whether there is a row at k, without opening it.
func exists(txn *badger.Txn, k []byte) (bool, error) {
	_, err := txn.Get(k)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// number reads a row that is one number.
func number(plain []byte) (uint64, error) {
	if len(plain) != 8 {
		return 0, fmt.Errorf("a number of %d bytes: %w", len(plain), storage.ErrIntegrity)
	}
	return binary.BigEndian.Uint64(plain), nil
}

// count returns the number in the row at k; 0 when there is none.
func (s *Store) count(txn *badger.Txn, k []byte) (uint64, error) {
	plain, found, err := s.get(txn, k)
	if err != nil || !found {
		return 0, err
	}
	return number(plain)
}

func (s *Store) putCount(txn *badger.Txn, k []byte, n uint64) error {
	return s.put(txn, k, binary.BigEndian.AppendUint64(nil, n))
}

// damaged says that what was decoded is not what this package wrote.
func damaged(err error) error {
	if err == nil || errors.Is(err, federation.ErrVersion) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrIntegrity, err)
}

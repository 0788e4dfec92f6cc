package audit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// The rows of the log. Integers are big-endian.
//
//	key                        value
//	'e' index:8                the entry, sealed; associated data is the key, also of one that lies in a block (blocks.go)
//	'h' index:8                hashes that this entry completed: leaf, then each subtree that ends here, lowest first
//	's' subject:16 index:8     nothing: finds the entries of a patient
//	'H'                        head: size:8, then the roots of the complete subtrees, largest first
const (
	rowEntry   = 'e'
	rowHashes  = 'h'
	rowSubject = 's'
	rowHead    = 'H'

	hashSize = len(tlog.Hash{})
	keySize  = 1 + 8
)

func entryKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowEntry}, index)
}

func hashesKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowHashes}, index)
}

func subjectPrefix(s federation.Subject) []byte {
	return append([]byte{rowSubject}, s[:]...)
}

func subjectKey(s federation.Subject, index uint64) []byte {
	return binary.BigEndian.AppendUint64(subjectPrefix(s), index)
}

// indexOf returns the index at the end of an entry's or a subject's key.
func indexOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// leafHash returns the RFC 6962 leaf hash of a sealed entry. Sealing is randomised, so that the hash of an entry tells
// nothing about it, not even to somebody who guesses what it says.
func leafHash(sealed []byte) tlog.Hash { return tlog.RecordHash(sealed) }

// errMissing is the storage.ErrIntegrity of a row that is not there.
var errMissing = fmt.Errorf("it is not there: %w", storage.ErrIntegrity)

// get returns a copy of the value of key. What is not there is storage.ErrIntegrity: callers ask for what must be.
func get(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, fmt.Errorf("audit row %q is missing: %w", key[:1], errMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("audit row %q: %w", key[:1], err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, fmt.Errorf("audit row %q: %w: %w", key[:1], storage.ErrIntegrity, err)
	}
	return value, nil
}

// loadHead returns the head; the empty one when the log has no entry yet.
func loadHead(txn *badger.Txn) (frontier, error) {
	item, err := txn.Get([]byte{rowHead})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return frontier{}, nil
	}
	if err != nil {
		return frontier{}, fmt.Errorf("head of the audit log: %w", err)
	}
	var f frontier
	if err := item.Value(func(v []byte) error { f, err = decodeFrontier(v); return err }); err != nil {
		return frontier{}, fmt.Errorf("head of the audit log: %w: %w", storage.ErrIntegrity, err)
	}
	return f, nil
}

// reader reads stored hashes by their index in the order of package tlog.
func (s *shelf) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			level, n := tlog.SplitStoredHashIndex(x)
			row := (uint64(n)+1)<<level - 1
			value, err := s.hashes.get(row)
			if err != nil {
				return nil, fmt.Errorf("hashes of entry %d: %w", row, err)
			}
			if len(value) < (level+1)*hashSize {
				return nil, fmt.Errorf("hashes of entry %d: %d bytes: %w", row, len(value), storage.ErrIntegrity)
			}
			copy(out[i][:], value[level*hashSize:])
		}
		return out, nil
	})
}

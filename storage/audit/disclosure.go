package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A Disclosure shows one entry to somebody who does not have the log's key: the entry as it is sealed, the key that opens it
// and no other, and the proof that it is in the log. It tells nothing of any other entry.
type Disclosure struct {
	Inclusion
	Sealed []byte
	Key    [32]byte
}

// Disclose returns what proves entry index in the log of size entries. It fails as Inclusion does.
func (l *Log) Disclose(index, size uint64) (Disclosure, error) {
	var d Disclosure
	p, err := l.Inclusion(index, size)
	if err != nil {
		return d, err
	}
	d.Inclusion = p
	err = l.db.View(func(txn *badger.Txn) error {
		rows := newShelf(txn)
		defer rows.close()
		d.Sealed, err = rows.entries.get(index)
		return err
	})
	if err != nil {
		return d, fmt.Errorf("entry %d: %w", index, err)
	}
	d.Key, err = l.sealer.Disclose(d.Sealed)
	return d, err
}

// Open checks that the disclosed entry is in the log with this root, and returns it. It needs no store and no other key. It
// fails with ErrProof when the proof does not hold, and with storage.ErrIntegrity when the key does not open the entry.
func (d Disclosure) Open(root federation.Digest) (Entry, error) {
	var e Entry
	if digest(leafHash(d.Sealed)) != d.Leaf {
		return e, fmt.Errorf("entry %d: the sealed entry does not have this leaf hash: %w", d.Index, ErrProof)
	}
	if err := d.Check(root); err != nil {
		return e, err
	}
	if len(d.Sealed) < storage.SealOverhead {
		return e, fmt.Errorf("entry %d: %d bytes: %w", d.Index, len(d.Sealed), storage.ErrIntegrity)
	}
	block, err := aes.NewCipher(d.Key[:])
	if err != nil {
		return e, fmt.Errorf("entry %d: %w", d.Index, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return e, fmt.Errorf("entry %d: %w", d.Index, err)
	}
	plain, err := aead.Open(nil, d.Sealed[12:24], d.Sealed[24:], entryKey(d.Index))
	if err != nil {
		return e, fmt.Errorf("entry %d: the key does not open it: %w", d.Index, storage.ErrIntegrity)
	}
	return decodeEntry(plain)
}

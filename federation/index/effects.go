package index

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Reader reads one state of the ledger. consensus.Reader, Tx and Store are all Readers.
type Reader interface {
	// Get returns the caller's copy of a value.
	Get(key []byte) (value []byte, found bool, err error)
	// Scan visits the keys with prefix, not before from, in ascending order; key and value are valid only in fn.
	Scan(prefix, from []byte, fn func(key, value []byte) (more bool, err error)) error
}

// txn is a Reader that can write and sees its own writes.
type txn interface {
	Reader
	Set(key, value []byte)
	Delete(key []byte)
}

// The marks of what was done to a key, in the hash chain.
const (
	effectSet byte = iota + 1
	effectDelete
	effectEnvelope
)

// effects writes to the state and hashes what it writes, so that the chain covers every effect in its order.
//
//	link = SHA-256( "ridgeway effects v1" 0 | link before | index | for each effect: mark, length, key, length, value )
type effects struct {
	txn
	chain hash.Hash
	frame []byte
	count int
	bytes int // of keys and values
}

func newEffects(tx txn, before federation.Digest, index uint64) *effects {
	e := &effects{txn: tx, chain: sha256.New()}
	e.frame = append(e.frame, "ridgeway effects v1\x00"...)
	e.frame = append(e.frame, before[:]...)
	e.frame = binary.BigEndian.AppendUint64(e.frame, index)
	return e
}

// Set writes a row.
func (e *effects) Set(key, value []byte) {
	e.txn.Set(key, value)
	e.hash(effectSet, key, value)
	e.bytes += len(key) + len(value)
}

// Delete removes a row.
func (e *effects) Delete(key []byte) {
	e.txn.Delete(key)
	e.hash(effectDelete, key, nil)
	e.bytes += len(key)
}

// keep stores a statement. Its digest, which is known, and its signature stand for it in the chain.
func (e *effects) keep(key []byte, signed federation.Signed, digest federation.Digest) {
	value := signed.Encode()
	e.txn.Set(key, value)
	e.hash(effectEnvelope, key, append(digest[:], signed.Sig[:]...))
	e.bytes += len(key) + len(value)
}

func (e *effects) hash(mark byte, key, value []byte) {
	e.frame = append(e.frame, mark)
	e.frame = binary.AppendUvarint(e.frame, uint64(len(key)))
	e.frame = append(e.frame, key...)
	e.frame = binary.AppendUvarint(e.frame, uint64(len(value)))
	e.frame = append(e.frame, value...)
	e.count++
	if len(e.frame) >= frameRoom {
		e.flush()
	}
}

// frameRoom is how many bytes gather before they are hashed: a call for each row costs more than the row.
const frameRoom = 4 << 10

func (e *effects) flush() {
	e.chain.Write(e.frame)
	e.frame = e.frame[:0]
}

// link returns the end of the chain.
func (e *effects) link() federation.Digest {
	e.flush()
	var d federation.Digest
	e.chain.Sum(d[:0])
	return d
}

package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// A Head is the size and root of a log.
type Head struct {
	Size uint64
	Root federation.Digest // RFC 6962 §2.1
}

// Head returns the size and root of the log as it is.
func (l *Log) Head() (Head, error) {
	if err := l.settle(); err != nil {
		return Head{}, err
	}
	f, err := l.head()
	if err != nil {
		return Head{}, err
	}
	return Head{Size: f.size, Root: digest(f.root())}, nil
}

// Checkpoint returns the log's head as node states it to the region, signed with the audit key, with the proof that it
// extends the checkpoint of size after; after is 0 when the region has none. It fails with ErrRange when the log is
// shorter than after, and storage.ErrIntegrity when the stored hashes do not prove it.
//
// The mark is moved to the checkpoint before it is signed, so that a log that loses entries afterwards is noticed here
// before it is noticed by the region.
func (l *Log) Checkpoint(ctx context.Context, node federation.NodeID, after uint64) (federation.Checkpoint, error) {
	f, err := l.marked(ctx)
	if err != nil {
		return federation.Checkpoint{}, err
	}
	c := federation.Checkpoint{Node: node, Size: f.size, Root: digest(f.root())}
	err = l.db.View(func(txn *badger.Txn) error {
		rows := newShelf(txn)
		defer rows.close()
		c.Proof, err = rows.prove(after, f.size, f.root())
		return err
	})
	if err != nil {
		return federation.Checkpoint{}, fmt.Errorf("checkpoint of the audit log: %w", err)
	}
	copy(c.Sig[:], ed25519.Sign(l.key, c.SignedBytes()))
	return c, nil
}

// Consistency returns the proof that the log of size newer extends that of size older (RFC 6962 §2.1.2). It is empty when
// older is 0 or equals newer. It fails with ErrRange.
func (l *Log) Consistency(older, newer uint64) ([]federation.Digest, error) {
	var proof []federation.Digest
	if err := l.settle(); err != nil {
		return nil, err
	}
	err := l.db.View(func(txn *badger.Txn) error {
		if err := within(txn, newer); err != nil {
			return err
		}
		rows := newShelf(txn)
		defer rows.close()
		root, err := rows.treeHash(newer)
		if err != nil {
			return err
		}
		proof, err = rows.prove(older, newer, root)
		return err
	})
	return proof, err
}

// Inclusion is the proof that an entry is in the log.
type Inclusion struct {
	Index uint64
	Leaf  federation.Digest   // RFC 6962 leaf hash of the sealed entry
	Size  uint64              // of the log that the proof is for
	Proof []federation.Digest // RFC 6962 §2.1.1
}

// Check reports whether the proof holds for the log with this root. It fails with ErrProof.
func (p Inclusion) Check(root federation.Digest) error {
	if p.Size > maxCount || p.Index >= p.Size {
		return fmt.Errorf("entry %d of %d: %w", p.Index, p.Size, ErrProof)
	}
	if err := tlog.CheckRecord(hashes(p.Proof), int64(p.Size), tlog.Hash(root), int64(p.Index), tlog.Hash(p.Leaf)); err != nil {
		return fmt.Errorf("entry %d: %w: %w", p.Index, ErrProof, err)
	}
	return nil
}

// Inclusion returns the proof that entry index is in the log of size entries. It fails with ErrRange, and with
// storage.ErrIntegrity when the stored hashes do not prove it.
func (l *Log) Inclusion(index, size uint64) (Inclusion, error) {
	p := Inclusion{Index: index, Size: size}
	if err := l.settle(); err != nil {
		return p, err
	}
	err := l.db.View(func(txn *badger.Txn) error {
		if err := within(txn, size); err != nil {
			return err
		}
		if index >= size {
			return fmt.Errorf("entry %d of %d: %w", index, size, ErrRange)
		}
		rows := newShelf(txn)
		defer rows.close()
		sealed, err := rows.entries.get(index)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		p.Leaf = digest(leafHash(sealed))
		proof, err := tlog.ProveRecord(int64(size), int64(index), rows.reader())
		if err != nil {
			return fmt.Errorf("prove entry %d: %w", index, err)
		}
		p.Proof = digests(proof)
		root, err := rows.treeHash(size)
		if err != nil {
			return err
		}
		if p.Check(digest(root)) != nil {
			return fmt.Errorf("entry %d is not what was appended: %w", index, storage.ErrIntegrity)
		}
		return nil
	})
	return p, err
}

// marked returns the end of the log after moving the mark there. Nothing is signed that could be lost.
func (l *Log) marked(ctx context.Context) (frontier, error) {
	if l.examine {
		return frontier{}, storage.ErrReadOnly
	}
	if err := l.Err(); err != nil {
		return frontier{}, err
	}
	if err := l.settle(); err != nil {
		return frontier{}, err
	}
	f, err := l.flushMark(ctx)
	switch {
	case err == nil, errors.Is(err, storage.ErrClosed), ctx.Err() != nil:
		return f, err
	default:
		return f, l.fail(err)
	}
}

// prove returns the proof from older to newer, after checking it: a proof made of damaged hashes must not reach the
// region, where it would count as rewritten history.
func (s *shelf) prove(older, newer uint64, root tlog.Hash) ([]federation.Digest, error) {
	if older > newer {
		return nil, fmt.Errorf("%d entries, %d asked for: %w", newer, older, ErrRange)
	}
	if older == 0 || older == newer {
		return nil, nil
	}
	proof, err := tlog.ProveTree(int64(newer), int64(older), s.reader())
	if err != nil {
		return nil, fmt.Errorf("prove that %d entries extend %d: %w", newer, older, err)
	}
	was, err := s.treeHash(older)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckTree(proof, int64(newer), root, int64(older), was); err != nil {
		return nil, fmt.Errorf("prove that %d entries extend %d: %w: %w", newer, older, storage.ErrIntegrity, err)
	}
	return digests(proof), nil
}

func (s *shelf) treeHash(size uint64) (tlog.Hash, error) {
	h, err := tlog.TreeHash(int64(size), s.reader())
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("root of %d entries: %w", size, err)
	}
	return h, nil
}

// within reports whether the log has size entries.
func within(txn *badger.Txn, size uint64) error {
	f, err := loadHead(txn)
	if err != nil {
		return err
	}
	if size > f.size {
		return fmt.Errorf("%d entries, %d asked for: %w", f.size, size, ErrRange)
	}
	return nil
}

func digests(in []tlog.Hash) []federation.Digest {
	out := make([]federation.Digest, len(in))
	for i, h := range in {
		out[i] = federation.Digest(h)
	}
	return out
}

func hashes(in []federation.Digest) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, d := range in {
		out[i] = tlog.Hash(d)
	}
	return out
}

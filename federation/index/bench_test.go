package index

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// badgerStore is a ledger's state in Badger without sealing, for the cost of the rules themselves.
type badgerStore struct{ db *badger.DB }

func openBadger(b *testing.B) badgerStore {
	b.Helper()
	db, err := badger.Open(badger.DefaultOptions(b.TempDir()).WithLogger(nil).WithDetectConflicts(false).WithCompression(options.Snappy).
		WithBlockCacheSize(256 << 20).WithIndexCacheSize(128 << 20).WithNumMemtables(3))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return badgerStore{db: db}
}

// badgerTx reads from one transaction and holds its writes until the batch is committed.
type badgerTx struct {
	txn    *badger.Txn
	writes map[string][]byte // nil: deleted
}

func (t *badgerTx) Set(key, value []byte) {
	t.writes[string(key)] = append(make([]byte, 0, len(value)), value...)
}
func (t *badgerTx) Delete(key []byte) { t.writes[string(key)] = nil }

func (t *badgerTx) Get(key []byte) ([]byte, bool, error) {
	if v, ok := t.writes[string(key)]; ok {
		return bytes.Clone(v), v != nil, nil
	}
	item, err := t.txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	v, err := item.ValueCopy(nil)
	return v, true, err
}

// Scan sees what is committed, and own writes where there are any with the prefix.
func (t *badgerTx) Scan(prefix, from []byte, fn func(key, value []byte) (bool, error)) error {
	if t.writes != nil {
		own := slices.Sorted(maps.Keys(t.writes))
		own = slices.DeleteFunc(own, func(k string) bool { return !bytes.HasPrefix([]byte(k), prefix) })
		for _, k := range own {
			if more, err := fn([]byte(k), t.writes[k]); err != nil || !more {
				return err
			}
		}
	}
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues, opt.Prefix = false, prefix
	it := t.txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(slices.MaxFunc([][]byte{prefix, from}, bytes.Compare)); it.Valid(); it.Next() {
		more := false
		err := it.Item().Value(func(v []byte) (err error) {
			more, err = fn(it.Item().Key(), v)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (s badgerStore) update(b *testing.B, fn func(txn)) {
	b.Helper()
	tx := &badgerTx{txn: s.db.NewTransaction(false), writes: map[string][]byte{}}
	fn(tx)
	tx.txn.Discard()
	batch := s.db.NewWriteBatch()
	for key, value := range tx.writes {
		err := batch.Delete([]byte(key))
		if value != nil {
			err = batch.Set([]byte(key), value)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Flush(); err != nil {
		b.Fatal(err)
	}
}

func (s badgerStore) view(fn func(Reader) error) error {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	return fn(&badgerTx{txn: txn})
}

// chainOf makes a region's commands: a charter, then publications of size pointers each, 40 to a patient, spread over time as
// documents are.
type chainOf struct {
	head  headRow
	n     int
	trust *testTrust
	r     *testRegion
}

func newChain(b *testing.B) (*chainOf, []byte) {
	r := founded(b, Config{}, 1)
	return &chainOf{head: r.head("RYJ"), trust: r.trust("RYJ"), r: r}, r.log[0]
}

func subjectOf(n int) federation.Subject {
	sum := federation.Sum(fmt.Append(nil, n))
	return federation.Subject(sum[:16])
}

func (c *chainOf) next(size, patients int) []byte {
	pointers := make([]federation.Pointer, size)
	for i := range pointers {
		p := pointerOf("RYJ", subjectOf(c.n%patients), c.n)
		p.Manifest, p.Category, p.Specialty, p.Language, p.Author = federation.Sum(fmt.Append(nil, c.n)), "823651000000106", "300", "en-GB", "Dr A. Example"
		pointers[i] = p
		c.n++
	}
	signed := c.r.signAt(federation.Place{Trust: "RYJ", Seq: c.head.seq + 1, Prev: c.head.digest, At: c.r.now}, publication(pointers...), c.trust.statement)
	c.head = headRow{seq: c.head.seq + 1, digest: signed.ID()}
	return signed.Encode()
}

func fill(b *testing.B, store badgerStore, l *Ledger, size, count, patients int) (*chainOf, uint64) {
	b.Helper()
	chain, charter := newChain(b)
	index := uint64(0)
	apply := func(cmd []byte) {
		index++
		store.update(b, func(tx txn) {
			if r, err := l.apply(tx, index, cmd); err != nil || r.Outcome != Accepted {
				b.Fatal(r, err)
			}
		})
	}
	apply(charter)
	for chain.n < count {
		apply(chain.next(size, patients))
	}
	return chain, index
}

// One command of 1,000 pointers, signature, rules, hash chain and Badger's write included, at 100,000 pointers and more.
func BenchmarkApplyPublish1000(b *testing.B) {
	store, l := openBadger(b), newLedger(b, Config{})
	chain, index := fill(b, store, l, 1000, 100_000, 2500)
	cmds := make([][]byte, 0, b.N)
	for range b.N {
		cmds = append(cmds, chain.next(1000, 1<<30))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, cmd := range cmds {
		index++
		store.update(b, func(tx txn) {
			if r, err := l.apply(tx, index, cmd); err != nil || r.Outcome != Accepted {
				b.Fatal(r, err)
			}
		})
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "pointers/s")
	b.ReportMetric(float64(len(cmds[0]))/1000, "bytes/pointer")
}

// The same without Badger: what the ledger itself costs.
func BenchmarkApplyPublish1000InMemory(b *testing.B) {
	l, store := newLedger(b, Config{}), consensus.NewMemoryStore()
	chain, charter := newChain(b)
	cmds := [][]byte{charter}
	for range b.N {
		cmds = append(cmds, chain.next(1000, 1<<30))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i, cmd := range cmds {
		err := store.Update(func(tx *consensus.Tx) error {
			_, err := l.Apply(tx, uint64(i+1), cmd)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "pointers/s")
}

// A page of a patient's 40 documents, among 100,000.
func BenchmarkLocate40(b *testing.B) {
	store, l := openBadger(b), newLedger(b, Config{})
	fill(b, store, l, 1000, 100_000, 2500)
	if err := store.db.Flatten(2); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		err := store.view(func(r Reader) error {
			page, err := Locate(r, Query{Subject: subjectOf(i % 2500)})
			if err == nil && len(page.Pointers) != 40 {
				err = fmt.Errorf("%d pointers", len(page.Pointers))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "locates/s")
}

// Restoring 100,000 pointers from a snapshot, every signature and rule checked.
func BenchmarkRestore100k(b *testing.B) {
	l, store := newLedger(b, Config{}), consensus.NewMemoryStore()
	chain, charter := newChain(b)
	for i, cmd := 1, charter; chain.n <= 100_000; i, cmd = i+1, chain.next(1000, 2500) {
		err := store.Update(func(tx *consensus.Tx) error {
			_, err := l.Apply(tx, uint64(i), cmd)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var snapshot bytes.Buffer
	if err := l.Snapshot(store, &snapshot); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if err := newLedger(b, Config{}).Restore(bytes.NewReader(snapshot.Bytes()), consensus.NewMemoryStore()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "pointers/s")
}

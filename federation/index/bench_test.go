package index

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

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

// filled is a ledger with count pointers in memory, published size at a time.
func filled(b *testing.B, size, count, patients int) (*Ledger, *consensus.MemoryStore, *chainOf, uint64) {
	b.Helper()
	l, store := newLedger(b, Config{}), consensus.NewMemoryStore()
	chain, charter := newChain(b)
	index := uint64(1)
	applied(b, l, store, index, charter)
	for chain.n < count {
		index++
		applied(b, l, store, index, chain.next(size, patients))
	}
	return l, store, chain, index
}

func applied(b *testing.B, l *Ledger, store *consensus.MemoryStore, index uint64, cmd []byte) {
	b.Helper()
	err := store.Update(func(tx *consensus.Tx) error {
		r, err := l.apply(tx, index, cmd)
		if err == nil && r.Outcome != Accepted {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// One command of 1,000 pointers, signature, rules and hash chain included, at 100,000 pointers and more: what the ledger itself costs.
// What a replica's log and disk add, testnet/bench measures (register).
func BenchmarkApplyPublish1000(b *testing.B) {
	l, store, chain, index := filled(b, 1000, 100_000, 2500)
	cmds := make([][]byte, 0, b.N)
	for range b.N {
		cmds = append(cmds, chain.next(1000, 1<<30))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, cmd := range cmds {
		index++
		applied(b, l, store, index, cmd)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "pointers/s")
	b.ReportMetric(float64(len(cmds[0]))/1000, "bytes/pointer")
}

// A page of a patient's 40 documents, among 100,000.
func BenchmarkLocate40(b *testing.B) {
	_, store, _, _ := filled(b, 1000, 100_000, 2500)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		page, err := Locate(store, Query{Subject: subjectOf(i % 2500)})
		if err != nil || len(page.Pointers) != 40 {
			b.Fatalf("%d pointers, %v", len(page.Pointers), err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "locates/s")
}

// Restoring 100,000 pointers from a snapshot, every signature and rule checked.
func BenchmarkRestore100k(b *testing.B) {
	l, store, _, _ := filled(b, 1000, 100_000, 2500)
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

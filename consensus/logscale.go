package consensus

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// logScale knows about how many bytes the entries of the log have, so that it can be kept to a size: raft counts entries, which
// may be a hundred bytes or half a megabyte. It does not know each entry, but sums over neighbours, and takes those for of one size.
type logScale struct {
	mu    sync.Mutex
	spans []logSpan // ascending, without gaps
}

// logSpan is the entries from first to next-1.
type logSpan struct {
	first, next uint64
	bytes       int64
}

const (
	spanBytes     = 1 << 20
	entryOverhead = 64 // what the seal and raft-wal add to an entry
)

func (s logSpan) entries() uint64 { return s.next - s.first }

// share is the part of the span's bytes that n of its entries have.
func (s logSpan) share(n uint64) int64 {
	return int64(float64(s.bytes) * float64(n) / float64(s.entries()))
}

// begin takes what is in the log already for of one size: it is not worth reading.
func (l *logScale) begin(first, last uint64, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first > 0 && last >= first {
		l.spans = []logSpan{{first: first, next: last + 1, bytes: bytes}}
	}
}

// add counts an entry behind the last one. One that is not in its place begins anew, as the log does after a snapshot.
func (l *logScale) add(index uint64, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.spans)
	switch {
	case n > 0 && l.spans[n-1].next != index:
		l.spans = append(l.spans[:0], logSpan{first: index})
	case n == 0 || l.spans[n-1].bytes >= spanBytes:
		l.spans = append(l.spans, logSpan{first: index})
	}
	last := &l.spans[len(l.spans)-1]
	last.next = index + 1
	last.bytes += int64(size) + entryOverhead
}

// cut takes out the entries from low to high, which are the log's first or its last ones.
func (l *logScale) cut(low, high uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.spans {
		s := &l.spans[i]
		from, to := max(low, s.first), min(high+1, s.next)
		if from >= to {
			continue
		}
		s.bytes -= s.share(to - from)
		if from == s.first {
			s.first = to
		} else {
			s.next = from
		}
	}
	l.spans = slices.DeleteFunc(l.spans, func(s logSpan) bool { return s.first == s.next })
}

// bytes returns what the log has.
func (l *logScale) bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := int64(0)
	for _, s := range l.spans {
		total += s.bytes
	}
	return total
}

// newest returns how many of the newest entries have so many bytes together; at least one.
func (l *logScale) newest(bytes int64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := uint64(0)
	for _, s := range slices.Backward(l.spans) {
		if s.bytes > bytes {
			return max(1, count+uint64(float64(s.entries())*float64(bytes)/float64(s.bytes)))
		}
		count, bytes = count+s.entries(), bytes-s.bytes
	}
	return max(1, count)
}

// logBytes is what the files of the log take.
func logBytes(dir string) int64 {
	total := int64(0)
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0 // it was just opened; the worst is that it is cut later
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && filepath.Ext(f.Name()) == ".wal" {
			total += info.Size()
		}
	}
	return total
}

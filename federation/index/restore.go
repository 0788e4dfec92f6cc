package index

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	// chunkFrames and chunkBytes bound what is read, and verified in parallel, ahead of what is applied.
	chunkFrames = 256
	chunkBytes  = 4 << 20
	// updateBytes and updateWrites end an Update: what one more statement may add keeps it within the limits of consensus.
	updateBytes  = 192 << 10
	updateWrites = 4 << 10
	// writeOverhead is what consensus charges for a write beside its bytes, or more.
	writeOverhead = 64
)

// chunk is a run of envelopes, prepared.
type chunk struct {
	frames   []frame
	prepared []*prepared
	err      error // why reading ended early; the frames before it count
}

// restorer applies a snapshot's envelopes to an empty store. Reading and verifying run one chunk ahead of applying, with
// the roster as far as it is known then; a signature by a key that is not in force when its turn comes is verified again.
type restorer struct {
	in     *snapshotReader
	store  consensus.Store
	goal   meta
	app    applier
	roster atomic.Pointer[federation.Roster]
}

// restore returns what the state came to.
func restore(src io.Reader, store consensus.Store) (meta, *federation.Roster, error) {
	empty := true
	err := store.Scan(nil, nil, func(_, _ []byte) (bool, error) {
		empty = false
		return false, nil
	})
	if err != nil {
		return meta{}, nil, fmt.Errorf("look into the store: %w", err)
	}
	if !empty {
		return meta{}, nil, ErrNotEmpty
	}
	in := newSnapshotReader(src)
	goal, err := in.header()
	if err != nil {
		return meta{}, nil, err
	}
	r := &restorer{in: in, store: store, goal: goal}
	r.roster.Store(federation.NewRoster(federation.Charter{}, federation.Digest{}, nil))
	if err := r.envelopes(); err != nil {
		return meta{}, nil, err
	}
	if err := r.refusals(); err != nil {
		return meta{}, nil, err
	}
	if err := in.finish(); err != nil {
		return meta{}, nil, err
	}
	m, err := readMeta(store)
	if err != nil {
		return meta{}, nil, err
	}
	if m != goal {
		return meta{}, nil, fmt.Errorf("comes to root %s at %d, not to %s at %d with the same counts: %w", m.root(), m.index, goal.root(), goal.index, ErrSnapshot)
	}
	roster, err := readRoster(store)
	return m, roster, err
}

// envelopes applies all statements.
func (r *restorer) envelopes() error {
	chunks, stop := make(chan chunk, 1), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { r.read(chunks, stop) })
	defer reading.Wait()
	defer close(stop)
	for c := range chunks {
		if err := r.applyChunk(c); err != nil {
			return err
		}
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// read fills chunks until all statements are read, or one cannot be.
func (r *restorer) read(out chan<- chunk, stop <-chan struct{}) {
	defer close(out)
	for left := r.goal.statements; left > 0; {
		var c chunk
		for size := 0; left > 0 && len(c.frames) < chunkFrames && size < chunkBytes; left-- {
			f, err := r.in.next(rowEnvelope)
			if err != nil {
				c.err = err
				break
			}
			size += len(f.payload)
			c.frames = append(c.frames, f)
		}
		c.prepared = prepareAll(c.frames, r.roster.Load())
		select {
		case out <- c:
		case <-stop:
			return
		}
		if c.err != nil {
			return
		}
	}
}

// prepareAll prepares frames on all processors.
func prepareAll(frames []frame, roster *federation.Roster) []*prepared {
	out := make([]*prepared, len(frames))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(frames)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(frames)); i = next.Add(1) - 1 {
				out[i] = prepare(frames[i].payload)
				out[i].ahead(roster)
			}
		})
	}
	workers.Wait()
	return out
}

// applyChunk applies statements in as few Updates as the limits allow.
func (r *restorer) applyChunk(c chunk) error {
	for i := 0; i < len(c.frames); {
		err := r.store.Update(func(tx *consensus.Tx) error {
			for written, writes := 0, 0; i < len(c.frames) && written < updateBytes && writes < updateWrites; i++ {
				response, ch, err := r.app.apply(tx, c.frames[i].number, c.prepared[i])
				if errors.Is(err, ErrOrder) {
					return fmt.Errorf("%w: %w", ErrSnapshot, err)
				}
				if err != nil {
					return err
				}
				if response.Outcome != Accepted {
					return fmt.Errorf("statement of command %d: %s %s, %s: %w", c.frames[i].number, response.Outcome, response.Code, response.Detail, ErrSnapshot)
				}
				writes += ch.effectCount + 1
				written += ch.effectBytes + writeOverhead*ch.effectCount + metaSize + writeOverhead
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("apply snapshot: %w", err)
		}
		if r.app.roster != nil {
			r.roster.Store(r.app.roster)
		}
	}
	return nil
}

// refusals takes over the kept refusals. Nobody has signed them, so they are believed as far as they form one chain to the
// digest in the meta row; one that was made up shows when replicas compare roots.
func (r *restorer) refusals() error {
	rows := make([]frame, 0, r.goal.kept())
	var chain federation.Digest
	var last, size uint64
	for number := r.goal.refusals - r.goal.kept() + 1; number <= r.goal.refusals; number++ {
		f, err := r.in.next(rowRefusal)
		if err != nil {
			return err
		}
		row, err := decodeRow([]byte{rowRefusal}, f.payload, decodeRefusal)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		first := len(rows) == 0
		if f.number != number || row.Number != number || row.Index <= last || (!first && row.before != chain) || (number == 1 && !row.before.IsZero()) {
			return fmt.Errorf("refusal %d does not follow: %w", number, ErrSnapshot)
		}
		chain, last, size = row.after(), row.Index, size+uint64(len(f.payload))
		rows = append(rows, f)
	}
	if len(rows) == 0 {
		return nil
	}
	err := r.store.Update(func(tx *consensus.Tx) error {
		m, err := readMeta(tx)
		if err != nil {
			return err
		}
		for _, f := range rows {
			tx.Set(numberKey(rowRefusal, f.number), f.payload)
		}
		m.refusals, m.refused, m.refusalLog, m.index = r.goal.refusals, chain, size, max(m.index, last)
		tx.Set(metaKey(), m.encode())
		return nil
	})
	if err != nil {
		return fmt.Errorf("apply snapshot: %w", err)
	}
	return nil
}

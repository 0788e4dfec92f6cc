package blob

import (
	"sync"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// pins keeps chunks from being swept between their being stored, or found stored already, and their being
// referenced by a record, and orders a Put that finds a chunk against a sweep that is about to delete it.
type pins struct {
	mu     sync.Mutex
	count  map[federation.Digest]int
	doomed map[federation.Digest]*doomed  // being deleted
	sweeps int                            // under way
	spared map[federation.Digest]struct{} // unpinned while a sweep was under way
}

// doomed counts the deletions of a chunk that are decided and not yet done; over is closed with the last of them.
type doomed struct {
	n    int
	over chan struct{}
}

func (p *pins) init() {
	p.count = map[federation.Digest]int{}
	p.doomed = map[federation.Digest]*doomed{}
	p.spared = map[federation.Digest]struct{}{}
}

// pin keeps d. When d is being deleted it returns what is closed once that is done: only then can be told whether d is
// stored, and only then can it be stored again without the deletion taking it away. Otherwise it returns nil.
func (p *pins) pin(d federation.Digest) (deleting <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[d]++
	if on := p.doomed[d]; on != nil {
		return on.over
	}
	return nil
}

// unpin undoes one pin of each. While a sweep is under way they stay spared by it: the sweep may have asked whether
// they are referenced before the record that references them was stored.
func (p *pins) unpin(chunks []Chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range chunks {
		if p.sweeps > 0 {
			p.spared[c.Digest] = struct{}{}
		}
		if p.count[c.Digest]--; p.count[c.Digest] <= 0 {
			delete(p.count, c.Digest)
		}
	}
}

func (p *pins) beginSweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweeps++
}

func (p *pins) endSweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sweeps--; p.sweeps == 0 {
		clear(p.spared)
	}
}

// doom marks d as being deleted unless it is kept. Each true is undone by one call of deleted.
func (p *pins) doom(d federation.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, spared := p.spared[d]; spared || p.count[d] > 0 {
		return false
	}
	on := p.doomed[d]
	if on == nil {
		on = &doomed{over: make(chan struct{})}
		p.doomed[d] = on
	}
	on.n++
	return true
}

func (p *pins) deleted(ds []federation.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range ds {
		if on := p.doomed[d]; on != nil {
			if on.n--; on.n == 0 {
				delete(p.doomed, d)
				close(on.over)
			}
		}
	}
}

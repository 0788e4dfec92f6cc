package exchange

import "time"

// What came before a stream was given back is handed on for staleAfter, and no longer, without a word of the custodian that it may
// be: one is fetched from renewAfter on.
const renewAfter, staleAfter = 3 * time.Second, 8 * time.Second

// await returns the chunk when it is ready. Once the custodian has refused, what has come is not handed on either.
func (p *puller) await(seq int) (*[]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		buf := p.ready[seq]
		if p.err != nil && (buf == nil || !retry(p.err)) {
			return nil, p.err
		}
		if buf != nil && p.fresh() {
			delete(p.ready, seq)
			return buf, nil
		}
		if p.err != nil {
			return nil, p.err
		}
		p.moved.Wait()
	}
}

// fresh reports whether the custodian has let it be known lately that it releases the document, and sees to it that it does.
func (p *puller) fresh() bool {
	if p.granted > 0 || p.arrived == p.total {
		return true
	}
	age := time.Since(p.proven)
	if age >= renewAfter && !p.renew {
		p.renew = true
		p.moved.Broadcast()
	}
	return age < staleAfter
}

// grant counts a stream that was granted, and returns what counts it as gone.
func (p *puller) grant() (gone func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.granted++
	p.renew = false
	p.moved.Broadcast()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.granted--
		p.proven = time.Now()
	}
}

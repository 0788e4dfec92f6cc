package exchange

import (
	"context"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// Opener is what Chunks may offer beyond: chunks that are authenticated as this node's own, without computing their digest
// again. Whoever gets them does so, the requester as Open for own staff. What is returned is appended to dst.
type Opener interface {
	AppendOpened(ctx context.Context, dst []byte, digest federation.Digest) ([]byte, error)
}

// chunk reads one chunk of the plan and appends it to dst. Its digest is still to be compared by who receives it.
func (r *release) chunk(ctx context.Context, dst []byte, p piece) ([]byte, error) {
	var data []byte
	var err error
	if opener, ok := r.custodian.cfg.Chunks.(Opener); ok {
		data, err = opener.AppendOpened(ctx, dst, p.digest)
	} else {
		data, err = r.custodian.cfg.Chunks.Chunk(ctx, p.digest)
		data = append(dst, data...)
	}
	if err != nil {
		return nil, trouble(fmt.Sprintf("chunk %d of part %d", p.index+1, p.part+1), err)
	}
	if n := len(data) - len(dst); n != p.size {
		return nil, refuse(policy.Integrity, fmt.Errorf("chunk %d of part %d has %d bytes, want %d", p.index+1, p.part+1, n, p.size))
	}
	return data, nil
}

// takeChunk reads one chunk into a buffer of the pool.
func (s *stream) takeChunk(ctx context.Context, p piece) loaded {
	l := loaded{piece: p}
	buf, ok := s.custodian.chunks.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	if cap(*buf) == 0 {
		*buf = make([]byte, headroom, headroom+federation.ChunkSize)
	}
	l.buf = buf
	l.frame, l.err = s.chunk(ctx, *buf, p)
	s.custodian.hold(l.size())
	return l
}

// done gives the buffer of a chunk back: nobody looks at the bytes any more.
func (s *stream) done(l loaded) {
	s.custodian.hold(-l.size())
	s.custodian.chunks.Put(l.buf)
}

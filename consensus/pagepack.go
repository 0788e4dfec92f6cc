package consensus

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Pages of tables that come out of a merge are packed: compressed before they are sealed. A table that is written from memory is
// not, because it is soon merged, and because what writes it competes with those who publish.
//
//	1  form: pageClear or pagePacked
//	   the page, as it is or as one S2 block
const (
	pageClear byte = iota
	pagePacked
)

// maxPlainPage bounds what is unpacked on the word of a page: rows up to twice pageSize, or one row.
const maxPlainPage = 2*pageSize + maxKey + MaxValue + 64

// packer compresses pages. It is used by one goroutine.
type packer struct{ buf []byte }

// pack returns page in its packed form, which is valid until the next call. What does not become a sixteenth smaller stays as it
// is: it would cost every reader and save nobody anything.
func (p *packer) pack(page []byte) []byte {
	if need := 1 + max(s2.MaxEncodedLen(len(page)), len(page)); cap(p.buf) < need {
		p.buf = make([]byte, need)
	}
	out := p.buf[:cap(p.buf)]
	if n := len(s2.Encode(out[1:], page)); n < len(page)-len(page)/16 {
		out[0] = pagePacked
		return out[:1+n]
	}
	out[0] = pageClear
	return out[:1+copy(out[1:], page)]
}

// unpack returns a copy of the page that pack was given, in dst if that has the room.
func unpack(dst, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("a page of no form: %w", ErrDamaged)
	}
	form, b := b[0], b[1:]
	switch form {
	case pageClear:
		return append(dst[:0], b...), nil
	case pagePacked:
	default:
		return nil, fmt.Errorf("a page of form %d: %w", form, ErrDamaged)
	}
	if n, err := s2.DecodedLen(b); err != nil || n > maxPlainPage {
		return nil, fmt.Errorf("a page of %d bytes: %w", n, ErrDamaged)
	}
	page, err := s2.Decode(dst[:cap(dst)], b)
	if err != nil {
		return nil, fmt.Errorf("unpack page: %w: %w", ErrDamaged, err)
	}
	return page, nil
}

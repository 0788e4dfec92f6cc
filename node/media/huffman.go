package media

import "fmt"

// huffman is a table of codes of a JPEG (T.81 annex C and section F.2.2.3): those of up to eight bits are looked up.
type huffman struct {
	short   [256]uint16 // length and symbol of the code that eight bits begin with; 0: a longer one
	highest [17]int     // code of each length; -1: there is none
	from    [17]int     // what is added to a code of each length for its place among symbols
	symbols []byte
}

// huffmanTables reads tables (T.81 section B.2.4.2): those of differences, since there are no others in a lossless JPEG.
func (d *lossless) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0] > 3 {
			return fmt.Errorf("%w: a table of codes", ErrPixels)
		}
		n := 0
		for _, count := range b[1:17] {
			n += int(count)
		}
		if n > 17 || len(b) < 17+n {
			return fmt.Errorf("%w: %d codes", ErrPixels, n)
		}
		h, ok := newHuffman(b[1:17], b[17:17+n])
		if !ok {
			return fmt.Errorf("%w: codes that cannot be", ErrPixels)
		}
		d.tables[b[0]] = h
		b = b[17+n:]
	}
	return nil
}

// newHuffman makes a table of how many codes there are of each length, from 1 on, and what they stand for.
func newHuffman(counts, symbols []byte) (*huffman, bool) {
	h := &huffman{symbols: symbols}
	code, k := 0, 0
	for i, count := range counts {
		length := i + 1
		h.from[length], h.highest[length] = k-code, -1
		for range count {
			if symbols[k] > 16 || code >= 1<<length {
				return nil, false
			}
			if length <= 8 {
				for fill := range 1 << (8 - length) {
					h.short[code<<(8-length)|fill] = uint16(length)<<8 | uint16(symbols[k])
				}
			}
			h.highest[length] = code
			code++
			k++
		}
		code <<= 1
	}
	return h, true
}

// difference reads a difference: how many bits it has, and these (T.81 sections F.2.2.1 and H.1.2.2). ok is false once there is none.
func (h *huffman) difference(b *jpegBits) (_ uint16, ok bool) {
	size, ok := h.symbol(b)
	switch {
	case !ok:
		return 0, false
	case size == 0:
		return 0, true
	case size == 16:
		return 1 << 15, true
	}
	v, ok := b.take(int(size))
	if ok && v < 1<<(size-1) { // negative
		v += 1 - 1<<size
	}
	return uint16(v), ok
}

func (h *huffman) symbol(b *jpegBits) (byte, bool) {
	if found := h.short[b.peek()]; found != 0 {
		_, ok := b.take(int(found >> 8))
		return byte(found), ok
	}
	code := 0
	for length := 1; length <= 16; length++ {
		bit, ok := b.take(1)
		if !ok {
			return 0, false
		}
		code = code<<1 | bit
		if code <= h.highest[length] {
			return h.symbols[code+h.from[length]], true
		}
	}
	return 0, false
}

// jpegBits reads coded data up to the next marker: a byte of ones is followed by one of zeros there (T.81 section B.1.1.5).
type jpegBits struct {
	data  []byte
	at    int
	held  uint32 // the lowest count bits
	count int
}

// fill holds at least n bits, at most 24, if there are as many.
func (b *jpegBits) fill(n int) {
	for b.count < n && b.at < len(b.data) {
		v := b.data[b.at]
		if v == 0xff {
			if b.at+1 >= len(b.data) || b.data[b.at+1] != 0 {
				return
			}
			b.at++
		}
		b.at++
		b.held, b.count = b.held<<8|uint32(v), b.count+8
	}
}

// peek is the next eight bits, with zeros where there are fewer.
func (b *jpegBits) peek() byte {
	if b.count < 8 {
		b.fill(8)
	}
	if b.count < 8 {
		return byte(b.held << (8 - b.count))
	}
	return byte(b.held >> (b.count - 8))
}

func (b *jpegBits) take(n int) (_ int, ok bool) {
	if b.count < n {
		if b.fill(n); b.count < n {
			return 0, false
		}
	}
	b.count -= n
	return int(b.held >> b.count & (1<<n - 1)), true
}

// restarted passes over the restart marker of a number, and over what fills the byte before.
func (b *jpegBits) restarted(number int) bool {
	at := b.end()
	for at+1 < len(b.data) && b.data[at] == 0xff && b.data[at+1] == 0xff {
		at++
	}
	if at+1 >= len(b.data) || b.data[at] != 0xff || b.data[at+1] != markRST0+byte(number%8) {
		return false
	}
	b.at, b.held, b.count = at+2, 0, 0
	return true
}

// end is where the coded data that was read ends: bytes that were taken in and not used are given back.
func (b *jpegBits) end() int {
	for b.count >= 8 {
		b.count -= 8
		if b.at--; b.data[b.at] == 0 && b.at > 0 && b.data[b.at-1] == 0xff {
			b.at--
		}
	}
	return b.at
}

package synth

import "math/bits"

// bitmap is a bilevel picture; a set bit is black. Rows are words with the leftmost pixel in the highest bit.
type bitmap struct {
	width, height, stride int
	words                 []uint64
}

func newBitmap(width, height int) *bitmap {
	stride := (width + 63) / 64
	return &bitmap{width, height, stride, make([]uint64, stride*height)}
}

func (m *bitmap) row(y int) []uint64 { return m.words[y*m.stride:][:m.stride] }

func (m *bitmap) set(x, y int) {
	if x >= 0 && y >= 0 && x < m.width && y < m.height {
		m.words[y*m.stride+x>>6] |= 1 << (63 - x&63)
	}
}

// run blackens the pixels of a row from x to end, the end not included.
func (m *bitmap) run(x, end, y int) {
	if y < 0 || y >= m.height {
		return
	}
	x, end = max(x, 0), min(end, m.width)
	if x >= end {
		return
	}
	row := m.row(y)
	first, last := x>>6, (end-1)>>6
	head, tail := ^uint64(0)>>(x&63), ^uint64(0)<<(63-(end-1)&63)
	if first == last {
		row[first] |= head & tail
		return
	}
	row[first] |= head
	for i := first + 1; i < last; i++ {
		row[i] = ^uint64(0)
	}
	row[last] |= tail
}

// or lays up to 64 pixels over a row, the leftmost in the highest bit.
func (m *bitmap) or(x, y int, pixels uint64) {
	if y < 0 || y >= m.height || x < 0 || x+64 > m.width {
		return
	}
	i := y*m.stride + x>>6
	shift := x & 63
	m.words[i] |= pixels >> shift
	if shift != 0 && x>>6+1 < m.stride {
		m.words[i+1] |= pixels << (64 - shift)
	}
}

// next returns the first pixel at or after x whose colour is not black (or not white), or the width.
func next(row []uint64, x, width int, black bool) int {
	if x >= width {
		return width
	}
	var flip uint64
	if black {
		flip = ^uint64(0)
	}
	i := x >> 6
	w := (row[i] ^ flip) << (x & 63)
	if w != 0 {
		return min(x+bits.LeadingZeros64(w), width)
	}
	for i++; i < len(row); i++ {
		if w = row[i] ^ flip; w != 0 {
			return min(i<<6+bits.LeadingZeros64(w), width)
		}
	}
	return width
}

// g4 encodes by ITU-T T.6 (fax group 4).
type g4 struct {
	out  []byte
	acc  uint64
	have int // bits in acc
}

func (g *g4) put(value uint16, length uint8) {
	g.acc = g.acc<<length | uint64(value)
	g.have += int(length)
	for g.have >= 8 {
		g.have -= 8
		g.out = append(g.out, byte(g.acc>>g.have))
	}
}

// encodeG4 returns the picture as one T.6 block with its end mark.
func encodeG4(m *bitmap) []byte {
	g := &g4{out: make([]byte, 0, 64<<10)}
	above := make([]uint64, m.stride)
	for y := range m.height {
		row := m.row(y)
		g.line(row, above, m.width)
		above = row
	}
	g.put(1, 12)
	g.put(1, 12)
	g.put(0, uint8((8-g.have)%8))
	return g.out
}

// line codes one row against the one above (T.6 §2.2): pass, vertical or horizontal mode.
func (g *g4) line(row, above []uint64, width int) {
	a0, black := 0, false
	for a0 < width {
		a1 := next(row, a0, width, black)
		b1 := a0
		if (a0 > 0 || black) && isBlack(above, a0) != black {
			b1 = next(above, a0, width, !black)
		}
		b1 = next(above, b1, width, black)
		b2 := next(above, b1, width, !black)
		switch distance := a1 - b1; {
		case b2 < a1:
			g.put(1, 4)
			a0 = b2
		case distance >= -3 && distance <= 3:
			g.vertical(distance)
			a0, black = a1, !black
		default:
			a2 := next(row, a1, width, !black)
			g.put(1, 3)
			g.runLength(a1-a0, black)
			g.runLength(a2-a1, !black)
			a0 = a2
		}
	}
}

func isBlack(row []uint64, x int) bool { return row[x>>6]>>(63-x&63)&1 == 1 }

func (g *g4) vertical(distance int) {
	switch distance {
	case 0:
		g.put(1, 1)
	case 1:
		g.put(3, 3)
	case 2:
		g.put(3, 6)
	case 3:
		g.put(3, 7)
	case -1:
		g.put(2, 3)
	case -2:
		g.put(2, 6)
	default:
		g.put(2, 7)
	}
}

func (g *g4) runLength(n int, black bool) {
	short, long := whiteShort[:], whiteLong[:]
	if black {
		short, long = blackShort[:], blackLong[:]
	}
	for n > 2560 {
		g.put(long[len(long)-1].bits, long[len(long)-1].length)
		n -= 2560
	}
	if n >= 64 {
		c := long[n/64-1]
		g.put(c.bits, c.length)
		n %= 64
	}
	g.put(short[n].bits, short[n].length)
}

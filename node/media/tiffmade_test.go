package media

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// tag is one entry of a TIFF made for a test. A value that begins with "@" in kind 4 is a block to be pointed at.
type testTag struct {
	tag, kind uint16
	count     uint32
	value     []byte
	block     []byte // stored apart; the value becomes its position
}

func u16(v ...uint16) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint16(b, x)
	}
	return b
}

func u32(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// makeTIFF writes the pages in the order header, then for each page: values and blocks, directory (so that directories follow data).
func makeTIFF(pages ...[]testTag) []byte {
	b := append([]byte("II*\x00"), 0, 0, 0, 0)
	link := 4
	for _, tags := range pages {
		dir := u16(uint16(len(tags)))
		for _, t := range tags {
			v := t.value
			if t.block != nil {
				v = u32(uint32(len(b)))
				b = append(b, t.block...)
			}
			if len(v) > 4 {
				at := uint32(len(b))
				b = append(b, v...)
				v = u32(at)
			}
			dir = append(dir, u16(t.tag, t.kind)...)
			dir = append(dir, u32(t.count)...)
			dir = append(dir, append(bytes.Clone(v), 0, 0, 0, 0)[:4]...)
		}
		if len(b)%2 != 0 {
			b = append(b, 0)
		}
		binary.LittleEndian.PutUint32(b[link:], uint32(len(b)))
		link = len(b) + len(dir)
		b = append(append(b, dir...), 0, 0, 0, 0)
	}
	return b
}

// grayPage is a plain 4x2 picture whose pixels begin at first.
func grayPage(first byte, more ...testTag) []testTag {
	pixels := make([]byte, 8)
	for i := range pixels {
		pixels[i] = first + byte(i)
	}
	tags := []testTag{
		{256, 3, 1, u16(4), nil},
		{257, 3, 1, u16(2), nil},
		{258, 3, 1, u16(8), nil},
		{259, 3, 1, u16(1), nil},
		{262, 3, 1, u16(1), nil},
		{273, 4, 1, nil, pixels},
		{277, 3, 1, u16(1), nil},
		{278, 3, 1, u16(2), nil},
		{279, 4, 1, u32(8), nil},
	}
	return append(tags, more...)
}

// sparse answers only what lies within the extents, as a requester has it who fetched one page.
func sparse(t *testing.T, b []byte, spans ...federation.Page) []byte {
	t.Helper()
	out := bytes.Repeat([]byte{0xA5}, len(b))
	for _, s := range spans {
		for _, e := range s.Extents {
			copy(out[e.Offset:endOf(e)], b[e.Offset:endOf(e)])
		}
	}
	return out
}

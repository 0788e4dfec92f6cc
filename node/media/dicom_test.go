package media

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"testing"
)

// dicomOf is a file of a transfer syntax with what follows its head.
func dicomOf(syntax string, rest []byte) []byte {
	if len(syntax)%2 != 0 {
		syntax += "\x00"
	}
	b := append(make([]byte, 128), "DICM"...)
	b = append(b, 2, 0, 0x10, 0, 'U', 'I', byte(len(syntax)), 0)
	return append(append(b, syntax...), rest...)
}

func TestFramesAreCountedInEveryTransferSyntax(t *testing.T) {
	frames := []byte{0x28, 0, 8, 0, 'I', 'S', 2, 0, '1', '7'}
	nested := func(depth int, implicit bool) []byte {
		var b []byte
		for range depth {
			if b = append(b, 8, 0, 0x40, 0x11); !implicit {
				b = append(b, 'S', 'Q', 0, 0)
			}
			b = append(b, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0, 0xe0, 0xff, 0xff, 0xff, 0xff)
		}
		for range depth {
			b = append(b, 0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0)
		}
		return b
	}
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestSpeed)
	_, _ = w.Write(append(nested(1, false), frames...))
	_ = w.Close()
	const explicit, implicit = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
	for name, c := range map[string]struct {
		data  []byte
		want  int
		wrong bool
	}{
		"explicit":            {data: dicomOf(explicit, frames), want: 17},
		"after a sequence":    {data: dicomOf(explicit, append(nested(3, false), frames...)), want: 17},
		"implicit":            {data: dicomOf(implicit, append(nested(3, true), 0x28, 0, 8, 0, 2, 0, 0, 0, '1', '7')), want: 17},
		"implicit by itself":  {data: append([]byte{8, 0, 5, 0, 2, 0, 0, 0, 'A', ' '}, 0x28, 0, 8, 0, 2, 0, 0, 0, '1', '7'), want: 17},
		"big-endian":          {data: dicomOf("1.2.840.10008.1.2.2", []byte{0, 0x28, 0, 8, 'I', 'S', 0, 2, '1', '7'}), want: 17},
		"deflated":            {data: dicomOf("1.2.840.10008.1.2.1.99", deflated.Bytes()), want: 17},
		"compressed pixels":   {data: dicomOf("1.2.840.10008.1.2.4.70", frames), want: 17},
		"beyond what is read": {data: append(dicomOf(explicit, binary.LittleEndian.AppendUint32([]byte{8, 0, 9, 0, 'O', 'B', 0, 0}, 5<<20)), make([]byte, 5<<20)...), want: 1},
		"past it":             {data: dicomOf(explicit, append([]byte{0x29, 0, 8, 0, 'I', 'S', 2, 0, '1', '7'}, frames...)), want: 1},
		"no sequence ends":    {data: dicomOf(explicit, nested(1, false)[:20]), wrong: true},
		"a length too large":  {data: dicomOf(explicit, []byte{8, 0, 9, 0, 'O', 'B', 0, 0, 0xff, 0xff, 0xff, 0x7f}), wrong: true},
		"no representation":   {data: dicomOf(explicit, []byte{8, 0, 9, 0, 1, 2, 0, 0}), wrong: true},
		// Each level made the message of the one outside it longer: a file of 4 MiB took hours.
		"sequences without end": {data: dicomOf(explicit, nested(1<<17, false)), wrong: true},
		"and implicit":          {data: dicomOf(implicit, nested(1<<17, true)), wrong: true},
	} {
		got, err := countFrames(bytes.NewReader(c.data), int64(len(c.data)))
		if c.wrong != errors.Is(err, ErrCorrupt) || !c.wrong && (err != nil || got != c.want) {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

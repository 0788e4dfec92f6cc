package media

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// tiffWriter writes pages one after the other and keeps the position. After an error it writes nothing more.
type tiffWriter struct {
	w       io.Writer
	stopped func() error
	order   byteOrder
	pos     int64
	err     error
	copyBuf []byte
}

// outEntry is an entry of the new directory: its values, or the data tag whose positions it will hold.
type outEntry struct {
	tiffEntry
	data  *dataTag
	given []byte // values that the source does not have
}

func (o *tiffWriter) write(p []byte) {
	if o.err == nil {
		_, o.err = o.w.Write(p)
		o.pos += int64(len(p))
	}
}

func (o *tiffWriter) header() {
	h := []byte("II*\x00")
	if o.order == byteOrder(binary.BigEndian) {
		h = []byte("MM\x00*")
	}
	o.write(o.order.AppendUint32(h, tiffHeaderBytes)) // the first directory follows at once
}

// page writes one directory with its values and data. The position of the next directory is known beforehand, because the length of
// everything is.
func (o *tiffWriter) page(t *tiffFile, d *directory, data []dataTag, last bool) error {
	for _, a := range data {
		if a.unknown {
			return fmt.Errorf("a TIFF page without the lengths of its strips, cut out alone, is %w", ErrUnsupported)
		}
	}
	entries := keptEntries(d, data, o.order)
	if len(entries) == 0 || o.pos%2 != 0 {
		return t.bad(d.offset, "the page has nothing to write")
	}
	valuesAt := o.pos + 2 + int64(len(entries))*tiffEntryBytes + 4
	dataAt := valuesAt
	for _, e := range entries {
		if e.bytes > 4 {
			dataAt += even(e.bytes)
		}
	}
	end := dataAt
	for _, a := range data {
		for _, b := range a.blocks {
			end += even(b.Length)
		}
	}
	if end > math.MaxUint32 {
		return fmt.Errorf("the chosen pages make a TIFF of more than 4 GiB: %w", ErrTooLarge)
	}
	next := uint32(end)
	if last {
		next = 0
	}
	placed := placeBlocks(data, dataAt)
	o.directory(entries, placed, valuesAt, next)
	if err := o.values(t, entries, placed); err != nil {
		return err
	}
	return o.blocks(t, data)
}

// withCounts adds the block lengths that the source left out, because few readers can work them out.
func withCounts(d *directory, data []dataTag, order byteOrder) []outEntry {
	if d.find(tagStripOffsets) == nil || d.find(tagStripCounts) != nil {
		return nil
	}
	e := outEntry{tiffEntry: tiffEntry{tag: tagStripCounts, kind: 4, offset: -1}}
	for _, a := range data {
		if a.tag == tagStripOffsets {
			for _, b := range a.blocks {
				e.given = order.AppendUint32(e.given, uint32(b.Length))
			}
		}
	}
	e.bytes = int64(len(e.given))
	e.count = uint32(e.bytes / 4)
	copy(e.inline[:], e.given)
	return []outEntry{e}
}

// keptEntries lists the entries of the new directory, ascending by tag. Positions become LONG whatever they were, since a SHORT
// may not hold the new ones.
func keptEntries(d *directory, data []dataTag, order byteOrder) []outEntry {
	entries := withCounts(d, data, order)
	for _, e := range d.entries {
		if dropped(e.tag) || staleJPEG(e.tag, data) {
			continue
		}
		out := outEntry{tiffEntry: e}
		if i := slices.IndexFunc(data, func(a dataTag) bool { return a.tag == e.tag }); i >= 0 {
			out.data = &data[i]
			out.kind, out.count = 4, uint32(len(data[i].blocks))
			out.bytes = int64(out.count) * 4
		}
		entries = append(entries, out)
	}
	slices.SortFunc(entries, func(a, b outEntry) int { return int(a.tag) - int(b.tag) })
	return entries
}

// staleJPEG reports an old-style JPEG position that is not image data of this page: left over by a writer that changed the compression.
func staleJPEG(tag uint16, data []dataTag) bool {
	switch tag {
	case tagJPEGStream, tagJPEGQTables, tagJPEGDCTables, tagJPEGACTables:
		return !slices.ContainsFunc(data, func(a dataTag) bool { return a.tag == tag })
	default:
		return false
	}
}

// placeBlocks returns the new positions of the blocks of each data tag. A block that is not stored keeps position 0.
func placeBlocks(data []dataTag, at int64) map[uint16][]uint32 {
	placed := make(map[uint16][]uint32, len(data))
	for _, a := range data {
		v := make([]uint32, len(a.blocks))
		for i, b := range a.blocks {
			if b.Length > 0 {
				v[i] = uint32(at)
				at += even(b.Length)
			}
		}
		placed[a.tag] = v
	}
	return placed
}

func (o *tiffWriter) directory(entries []outEntry, placed map[uint16][]uint32, valuesAt int64, next uint32) {
	b := o.order.AppendUint16(nil, uint16(len(entries)))
	for _, e := range entries {
		b = o.order.AppendUint16(b, e.tag)
		b = o.order.AppendUint16(b, e.kind)
		b = o.order.AppendUint32(b, e.count)
		switch {
		case e.bytes > 4:
			b = o.order.AppendUint32(b, uint32(valuesAt))
			valuesAt += even(e.bytes)
		case e.data != nil:
			b = o.order.AppendUint32(b, placed[e.tag][0])
		default:
			b = append(b, e.inline[:]...)
		}
	}
	o.write(o.order.AppendUint32(b, next))
}

func (o *tiffWriter) values(t *tiffFile, entries []outEntry, placed map[uint16][]uint32) error {
	for _, e := range entries {
		switch {
		case e.bytes <= 4:
		case e.data != nil:
			b := make([]byte, 0, e.bytes)
			for _, v := range placed[e.tag] {
				b = o.order.AppendUint32(b, v)
			}
			o.write(b)
		case e.given != nil:
			o.write(e.given)
		default:
			if err := o.copy(t, federation.Extent{Offset: e.offset, Length: e.bytes}); err != nil {
				return err
			}
		}
	}
	return o.err
}

func (o *tiffWriter) blocks(t *tiffFile, data []dataTag) error {
	for _, a := range data {
		for _, b := range a.blocks {
			if err := o.copy(t, b); err != nil {
				return err
			}
		}
	}
	return o.err
}

// copy writes an extent of the source, padded to an even length.
func (o *tiffWriter) copy(t *tiffFile, e federation.Extent) error {
	if o.copyBuf == nil {
		o.copyBuf = make([]byte, ioBytes)
	}
	for e.Length > 0 && o.err == nil {
		if err := o.stopped(); err != nil {
			return err
		}
		p := o.copyBuf[:min(e.Length, int64(len(o.copyBuf)))]
		if err := readFull(t.r, p, e.Offset); err != nil {
			return fmt.Errorf("read image data at byte %d: %w", e.Offset, err)
		}
		o.write(p)
		e.Offset += int64(len(p))
		e.Length -= int64(len(p))
	}
	if o.pos%2 != 0 {
		o.write([]byte{0})
	}
	return o.err
}

func even(n int64) int64 { return n + n%2 }

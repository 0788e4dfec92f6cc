package media

import "github.com/ridgeway-exchange/ridgeway/federation"

// dataTag is a tag whose values are positions of image data, with the data they point at.
type dataTag struct {
	tag     uint16
	blocks  []federation.Extent // in the order of the values; a length of zero is a block that is not stored
	unknown bool                // the lengths cannot be told, so the page cannot be cut out
}

// imageData finds the strips, tiles and old-style JPEG streams of a page and checks that they lie within the file.
func (t *tiffFile) imageData(d *directory) ([]dataTag, error) {
	for _, tag := range []uint16{tagImageWidth, tagImageLength} {
		if n, err := t.number(d, tag, 0); err != nil || n == 0 {
			if err == nil {
				err = t.bad(d.offset, "the page has no width or no height")
			}
			return nil, err
		}
	}
	compression, err := t.number(d, tagCompression, compressionNone)
	if err != nil {
		return nil, err
	}
	var out []dataTag
	for _, pair := range [...][2]uint16{{tagStripOffsets, tagStripCounts}, {tagTileOffsets, tagTileCounts}, {tagJPEGStream, tagJPEGStreamBytes}} {
		if pair[0] == tagJPEGStream && compression != compressionOldJPEG {
			continue
		}
		a, err := t.blocks(d, pair[0], pair[1], compression)
		if err != nil {
			return nil, err
		}
		if len(a.blocks) > 0 || a.unknown {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, t.bad(d.offset, "the page has no image data")
	}
	if compression == compressionOldJPEG {
		return t.oldJPEGTables(d, out)
	}
	return out, nil
}

// blocks reads a pair of tags with positions and lengths.
func (t *tiffFile) blocks(d *directory, offsets, counts uint16, compression uint32) (dataTag, error) {
	a := dataTag{tag: offsets}
	pos, err := t.uints(d, offsets, maxTIFFBlocks)
	if err != nil || len(pos) == 0 {
		return a, err
	}
	lengths, err := t.uints(d, counts, maxTIFFBlocks)
	if err != nil {
		return a, err
	}
	if len(lengths) == 0 {
		lengths, err = t.plainLengths(d, len(pos), compression)
		if err != nil || lengths == nil {
			a.unknown = true
			return a, err
		}
	}
	if len(lengths) < len(pos) {
		return a, t.bad(d.offset, "tag %d names %d blocks of image data, tag %d the lengths of only %d", offsets, len(pos), counts, len(lengths))
	}
	a.blocks = make([]federation.Extent, len(pos))
	for i, p := range pos {
		e := federation.Extent{Offset: int64(p), Length: int64(lengths[i])}
		if e.Length > 0 && (e.Offset < tiffHeaderBytes || endOf(e) > t.size) {
			return a, t.bad(e.Offset, "image data %d of %d needs %d bytes and goes beyond the end of the file at %d; the file is cut off", i+1, len(pos), e.Length, t.size)
		}
		a.blocks[i] = e
	}
	return a, nil
}

// plainLengths works out the strip lengths of an uncompressed page whose writer left them out, as early writers did.
// It returns nil when they cannot be told.
func (t *tiffFile) plainLengths(d *directory, n int, compression uint32) ([]uint32, error) {
	var v [6]uint32
	for i, f := range [...]struct {
		tag     uint16
		missing uint32
	}{{tagImageWidth, 0}, {tagImageLength, 0}, {tagBitsPerSample, 1}, {tagSamplesPerPixel, 1}, {tagRowsPerStrip, ^uint32(0)}, {tagPlanarConfig, 1}} {
		x, err := t.number(d, f.tag, f.missing)
		if err != nil {
			return nil, err
		}
		v[i] = x
	}
	width, height, bits, samples, rows, planar := uint64(v[0]), uint64(v[1]), uint64(v[2]), uint64(v[3]), uint64(v[4]), v[5]
	if compression != compressionNone || planar != 1 || rows == 0 || bits > 64 || samples > 64 {
		return nil, nil
	}
	row := (width*bits*samples + 7) / 8
	lengths := make([]uint32, n)
	for i := range lengths {
		have := min(rows, height)
		height -= have
		if row*have > uint64(t.size) {
			return nil, t.bad(d.offset, "the image is larger than the file")
		}
		lengths[i] = uint32(row * have)
	}
	return lengths, nil
}

// oldJPEGTables adds the tables of an old-style JPEG page (TIFF 6.0 §22): 64 bytes of quantisation each, and 16 counts with as
// many values as they add up to for each Huffman table.
func (t *tiffFile) oldJPEGTables(d *directory, out []dataTag) ([]dataTag, error) {
	for _, tag := range []uint16{tagJPEGQTables, tagJPEGDCTables, tagJPEGACTables} {
		pos, err := t.uints(d, tag, 16)
		if err != nil {
			return nil, err
		}
		a := dataTag{tag: tag}
		for _, p := range pos {
			e := federation.Extent{Offset: int64(p), Length: 64}
			if tag != tagJPEGQTables {
				var counts [16]byte
				if e.Offset < tiffHeaderBytes || e.Offset+16 > t.size {
					return nil, t.bad(e.Offset, "a JPEG table lies outside the file")
				}
				if err := readFull(t.r, counts[:], e.Offset); err != nil {
					return nil, err
				}
				e.Length = 16
				for _, c := range counts {
					e.Length += int64(c)
				}
			}
			if e.Offset < tiffHeaderBytes || endOf(e) > t.size {
				return nil, t.bad(e.Offset, "a JPEG table lies outside the file")
			}
			a.blocks = append(a.blocks, e)
		}
		if len(a.blocks) > 0 {
			out = append(out, a)
		}
	}
	return out, nil
}

package federation

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestManifestReadsBackAsItWas(t *testing.T) {
	m := testManifest()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	want := m
	want.Parts[1].Chunks = []Digest{} // of an empty part
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Bytes() != ChunkSize+1 || got.PageCount() != 0 {
		t.Errorf("%d bytes, %d pages", got.Bytes(), got.PageCount())
	}
	for i := range b {
		if _, err := DecodeManifest(b[:i]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	b[0] = 2
	if _, err := DecodeManifest(b); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := DecodeManifest(make([]byte, MaxManifest+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestManifestsThatContradictThemselvesAreRefused(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Manifest)
	}{
		{"no document", func(m *Manifest) { m.Document = "" }},
		{"no parts", func(m *Manifest) { m.Parts = nil }},
		{"a chunk too few", func(m *Manifest) { m.Parts[0].Chunks = m.Parts[0].Chunks[:1] }},
		{"a chunk too many", func(m *Manifest) { m.Parts[1].Chunks = []Digest{{}} }},
		{"negative size", func(m *Manifest) { m.Parts[1].Size = -1 }},
		{"negative pages", func(m *Manifest) { m.Parts[1].PageCount = -1 }},
		{"page maps for other pages", func(m *Manifest) { m.Parts[0].PageCount = 3 }},
		{"extent beyond the part", func(m *Manifest) { m.Parts[0].Pages[0].Extents[1].Length = ChunkSize }},
		{"extents that overlap", func(m *Manifest) { m.Parts[0].Pages[0].Extents[1].Offset = 9 }},
		{"empty extent", func(m *Manifest) { m.Parts[0].Pages[0].Extents[0].Length = 0 }},
		{"negative offset", func(m *Manifest) { m.Parts[0].Pages[0].Extents[0].Offset = -1 }},
		{"name with a folder", func(m *Manifest) { m.Parts[0].Name = "../scan.tif" }},
		{"name with a Windows folder", func(m *Manifest) { m.Parts[0].Name = `c:\scan.tif` }},
		{"name of the folder above", func(m *Manifest) { m.Parts[0].Name = ".." }},
		{"long name", func(m *Manifest) { m.Parts[0].Name = strings.Repeat("x", MaxTitle+1) }},
		{"name with a control character", func(m *Manifest) { m.Parts[0].Name = "a\rb" }},
	}
	for _, c := range cases {
		m := testManifest()
		c.change(&m)
		if _, err := m.Encode(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestChunkCounts(t *testing.T) {
	for size, want := range map[int64]int{0: 0, 1: 1, ChunkSize - 1: 1, ChunkSize: 1, ChunkSize + 1: 2, 10 * ChunkSize: 10} {
		if got := ChunkCount(size); got != want {
			t.Errorf("%d bytes: %d chunks, want %d", size, got, want)
		}
	}
}

func TestPageCountIsZeroWhenAPartsIsNotKnown(t *testing.T) {
	m := Manifest{Parts: []Part{{PageCount: 2}, {PageCount: 3}}}
	if got := m.PageCount(); got != 5 {
		t.Errorf("got %d", got)
	}
	m.Parts[1].PageCount = 0
	if got := m.PageCount(); got != 0 {
		t.Errorf("got %d with a part that is not known", got)
	}
}

package federation

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawText(t *rapid.T, limit int, label string) string {
	return rapid.StringMatching(`[ -~äß–漢]{0,20}`).Filter(func(s string) bool { return len(s) <= limit }).Draw(t, label)
}

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" set") {
		return time.UnixMicro(rapid.Int64Range(minTime, maxTime).Draw(t, label)).UTC()
	}
	return time.Time{}
}

func drawPointer(t *rapid.T) Pointer {
	code := func(label string) string {
		return rapid.OneOf(rapid.SampledFrom(dictionary), rapid.StringMatching(`[0-9A-Za-z^/-]{1,64}`)).Draw(t, label)
	}
	p := Pointer{
		Document:        NewDocumentID("RYJ", DocumentKey(rapid.SliceOfN(rapid.Byte(), 10, 10).Draw(t, "key"))),
		Confidentiality: Confidentiality(rapid.IntRange(1, 6).Draw(t, "confidentiality")),
		Type:            rapid.SampledFrom(dictionary[1:]).Draw(t, "type"), Category: code("category"), Specialty: code("specialty"), ContentType: code("content"), Language: code("language"),
		Title: drawText(t, MaxTitle, "title"), Author: drawText(t, MaxAuthor, "author"), Status: DocumentStatus(rapid.IntRange(1, 2).Draw(t, "status")),
		Date: drawTime(t, "date"), Parts: rapid.IntRange(0, maxPages).Draw(t, "parts"), Pages: rapid.IntRange(0, maxPages).Draw(t, "pages"),
		Bytes: rapid.Int64Range(0, maxBytes).Draw(t, "bytes"),
	}
	copy(p.Subject[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "subject"))
	p.Subject[0], p.Manifest = 1, Digest{rapid.Byte().Draw(t, "manifest"), 1}
	if rapid.Bool().Draw(t, "supersedes") {
		p.Supersedes = NewDocumentID("RYJ", DocumentKey{1})
	}
	if p.Sealed() {
		return p.Seal()
	}
	return p
}

func TestAnyPublicationReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Publish
		for range rapid.IntRange(1, 5).Draw(t, "pointers") {
			b.Pointers = append(b.Pointers, drawPointer(t))
		}
		signed, err := Compose(Place{Trust: "RYJ", Seq: 1, At: testTime}, b, testKey(1))
		if err != nil {
			t.Fatal(err)
		}
		s, err := signed.Statement()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeBody(s)
		if diff := cmp.Diff(Body(b), got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		row, err := DecodePointer("RYJ", EncodePointer(b.Pointers[0]))
		if diff := cmp.Diff(b.Pointers[0], row); err != nil || diff != "" {
			t.Fatalf("row: %v (-want +got):\n%s", err, diff)
		}
		var texts Texts
		rows := make([]Pointer, len(b.Pointers))
		for i, p := range b.Pointers {
			encoded := EncodePointer(p)
			if rows[i], err = texts.Pointer("RYJ", encoded); err != nil {
				t.Fatal(err)
			}
			clear(encoded)
		}
		if diff := cmp.Diff(b.Pointers, rows); diff != "" {
			t.Fatalf("rows whose texts are kept together (-want +got):\n%s", diff)
		}
		raw, err := DecodeRawPointers(s)
		if err != nil || len(raw) != len(b.Pointers) {
			t.Fatalf("%d raw pointers, %v", len(raw), err)
		}
		for i, p := range b.Pointers {
			r := raw[i]
			if !bytes.Equal(r.Raw, EncodePointer(p)) || r.Subject != p.Subject || r.Key != p.Document.Key() || r.Replaces != (p.Supersedes != "") ||
				r.Supersedes != p.Supersedes.Key() || r.Sealed != p.Sealed() || !r.Date.Equal(p.Date) {
				t.Fatalf("raw %+v of %+v", r, p)
			}
		}
	})
}

func TestAnyManifestReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Manifest{Document: testDocument(1), Subject: Subject{1}}
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			p := Part{ContentType: "image/tiff", Size: rapid.Int64Range(0, 4*ChunkSize).Draw(t, "size"), PageCount: rapid.IntRange(0, 3).Draw(t, "pages")}
			p.Chunks = make([]Digest, ChunkCount(p.Size))
			if p.PageCount > 0 && p.Size > 10 && rapid.Bool().Draw(t, "mapped") {
				p.Pages = make([]Page, p.PageCount)
				at := rapid.Int64Range(0, p.Size-1).Draw(t, "offset")
				p.Pages[0].Extents = []Extent{{Offset: at, Length: rapid.Int64Range(1, p.Size-at).Draw(t, "length")}}
			}
			m.Parts = append(m.Parts, p)
		}
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeManifest(b)
		if diff := cmp.Diff(m, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hhrutter/tiff"
	"github.com/suyashkumar/dicom"
	"golang.org/x/image/ccitt"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

var (
	update = flag.Bool("update", false, "rewrite the golden digests")
	dump   = flag.String("dump", "", "folder to write one document of each kind into, for looking at")
)

func TestNumbersAreValidAndOfTheTestRange(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range New(7).Patients(20_000) {
		sum := 0
		for i := range 9 {
			sum += int(p.NHSNumber[i]-'0') * (10 - i)
		}
		check := 11 - sum%11
		if check == 11 {
			check = 0
		}
		if len(p.NHSNumber) != 10 || !strings.HasPrefix(p.NHSNumber, "999") || int(p.NHSNumber[9]-'0') != check || seen[p.NHSNumber] {
			t.Fatalf("%s is not a fresh valid number", p.NHSNumber)
		}
		seen[p.NHSNumber] = true
	}
}

func TestPatientsAreTheBeginningOfMorePatients(t *testing.T) {
	few, many := New(3).Patients(5), New(3).Patients(50)
	for i := range few {
		if few[i].NHSNumber != many[i].NHSNumber || few[i].Name() != many[i].Name() {
			t.Errorf("patient %d differs", i)
		}
	}
	if New(4).Patients(1)[0].NHSNumber == few[0].NHSNumber {
		t.Error("another seed gives the same patient")
	}
	if len(New(1).Patients(-1)) != 0 {
		t.Error("patients for a negative count")
	}
}

func TestAllPatientsOfASourceDiffer(t *testing.T) {
	s := New(11)
	seen := make([]bool, 1_000_000)
	valid := 0
	for step := range uint64(len(seen)) {
		if number, ok := s.number(step); ok {
			body, err := strconv.Atoi(number[3:9])
			if err != nil || seen[body] {
				t.Fatalf("%s, %v, comes twice", number, err)
			}
			seen[body] = true
			valid++
		}
	}
	if valid < MaxPatients {
		t.Errorf("%d numbers, want at least %d", valid, MaxPatients)
	}
}

// oneOfEach returns a document of every kind.
func oneOfEach(seed uint64) map[string]Document {
	s := New(seed)
	out := map[string]Document{}
	for _, p := range s.Patients(12) {
		for d := range s.Documents(p, 12) {
			slug := d.Name[16:]
			if _, ok := out[slug]; !ok {
				out[slug] = d
			}
		}
	}
	return out
}

func TestEveryKindIsWhatItSays(t *testing.T) {
	docs := oneOfEach(1)
	if len(docs) != len(kinds()) {
		t.Fatalf("%d kinds came up, want %d", len(docs), len(kinds()))
	}
	for slug, d := range docs {
		b := d.Bytes()
		if *dump != "" {
			if err := os.WriteFile(filepath.Join(*dump, slug), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		info, err := media.Inspect(bytes.NewReader(b), int64(len(b)), d.Name)
		if err != nil || info.ContentType != d.ContentType || info.Pages != d.Pages {
			t.Errorf("%s: got %s of %d pages, %v; want %s of %d", slug, info.ContentType, info.Pages, err, d.ContentType, d.Pages)
		}
		if !bytes.Contains(b, []byte("SYNTHETIC")) {
			t.Errorf("%s does not say that it is synthetic", slug)
		}
		if d.Title == "" || d.Author == "" || d.Type.Code == "" || d.Category.Code == "" || d.Specialty.Code == "" || d.Date.IsZero() || !strings.Contains("NRV", d.Confidentiality) {
			t.Errorf("%s: metadata is missing: %+v", slug, d)
		}
		switch d.ContentType {
		case "image/jpeg", "image/png":
			if img, _, err := image.Decode(bytes.NewReader(b)); err != nil || img.Bounds().Dx() < 1200 {
				t.Errorf("%s: %v", slug, err)
			}
		case "application/dicom":
			set, err := dicom.Parse(bytes.NewReader(b), int64(len(b)), nil)
			if err != nil || len(set.Elements) < 30 {
				t.Errorf("%s: %v", slug, err)
			}
		default: // inspected above
		}
	}
}

func TestSameSeedGivesSameBytes(t *testing.T) {
	var got strings.Builder
	var mu sync.Mutex
	digest := map[string]string{}
	var wg sync.WaitGroup
	for slug, d := range oneOfEach(42) { // concurrently: documents must not share anything that changes
		for range 2 {
			wg.Go(func() {
				sum := sha256.Sum256(d.Bytes())
				mu.Lock()
				defer mu.Unlock()
				if old := digest[slug]; old != "" && old != hex.EncodeToString(sum[:]) {
					t.Errorf("%s differs from itself", slug)
				}
				digest[slug] = hex.EncodeToString(sum[:])
			})
		}
	}
	wg.Wait()
	for _, k := range kinds() {
		if k.extension != "png" && k.extension != "jpg" { // those two depend on the encoders of the Go release
			slug := k.slug + "." + k.extension
			got.WriteString(slug + " " + digest[slug] + "\n")
		}
	}
	golden := filepath.Join("testdata", "digests.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("the bytes of seed 42 changed (%v); if that is meant, run with -update:\n%s", err, got.String())
	}
}

func TestPagesOfACaseNoteDecode(t *testing.T) {
	s := New(5)
	d := s.CaseNote(s.Patients(1)[0], 5)
	b := d.Bytes()
	info, err := media.Inspect(bytes.NewReader(b), int64(len(b)), d.Name)
	if err != nil || info.Pages != 5 || d.Pages != 5 {
		t.Fatalf("%d pages, %v", info.Pages, err)
	}
	for i, span := range info.Spans {
		img, err := tiff.DecodeAt(bytes.NewReader(b), span.Directory)
		if err != nil || img.Bounds() != image.Rect(0, 0, scanWidth, scanHeight) {
			t.Fatalf("page %d: %v", i+1, err)
		}
	}
	if *dump != "" {
		if err := os.WriteFile(filepath.Join(*dump, "note.tif"), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if per := len(b) / 5; per < 15_000 || per > 65_000 {
		t.Errorf("%d bytes a page, want what a scanner makes", per)
	}
}

func TestG4RoundTrip(t *testing.T) {
	d := newDice(1, "g4")
	pictures := map[string]*bitmap{"white": newBitmap(100, 20), "one pixel": newBitmap(1, 1), "long runs": newBitmap(6000, 9)}
	for y := range 9 {
		pictures["long runs"].run(10*y, 5900-y*400, y)
	}
	for name, density := range map[string]int{"sparse": 2, "half": 50, "dense": 98} {
		m := newBitmap(193, 77)
		for y := range m.height {
			for x := range m.width {
				if d.chance(density) {
					m.set(x, y)
				}
			}
		}
		pictures[name] = m
	}
	black := newBitmap(64, 64)
	for y := range 64 {
		black.run(0, 64, y)
	}
	pictures["black"] = black
	for name, m := range pictures {
		r := ccitt.NewReader(bytes.NewReader(encodeG4(m)), ccitt.MSB, ccitt.Group4, m.width, m.height, nil)
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		line := (m.width + 7) / 8
		for y := range m.height {
			for x := range m.width {
				if isBlack(m.row(y), x) == (got[y*line+x/8]>>(7-x%8)&1 == 1) { // the decoder's set bit is white
					t.Fatalf("%s: pixel %d,%d is wrong", name, x, y)
				}
			}
		}
	}
}

func FuzzG4(f *testing.F) {
	f.Add(uint16(20), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, width uint16, data []byte) {
		w := int(width)%300 + 1
		m := newBitmap(w, min(len(data)*8/w, 200)+1)
		for i := range min(len(data)*8, w*m.height) {
			if data[i/8]>>(i%8)&1 == 1 {
				m.set(i%w, i/w)
			}
		}
		got, err := io.ReadAll(ccitt.NewReader(bytes.NewReader(encodeG4(m)), ccitt.MSB, ccitt.Group4, w, m.height, nil))
		if err != nil {
			t.Fatal(err)
		}
		for y := range m.height {
			for x := range w {
				if isBlack(m.row(y), x) == (got[y*((w+7)/8)+x/8]>>(7-x%8)&1 == 1) {
					t.Fatalf("pixel %d,%d of %dx%d is wrong", x, y, w, m.height)
				}
			}
		}
	})
}

func BenchmarkCaseNote200(b *testing.B) {
	s := New(5)
	d := s.CaseNote(s.Patients(1)[0], 200)
	for b.Loop() {
		b.SetBytes(int64(len(d.Bytes())))
	}
}

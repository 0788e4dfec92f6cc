package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/klauspost/compress/s2"
)

func TestPackedPagesAreUnpacked(t *testing.T) {
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	var p packer
	for name, c := range map[string]struct {
		page    []byte
		smaller bool
	}{
		"nothing":      {nil, false},
		"one byte":     {[]byte{7}, false},
		"random bytes": {random, false},
		"text":         {bytes.Repeat([]byte("Outpatient letter, cardiology. "), 200), true},
		"a large row":  {bytes.Repeat(random[:100], 9000), true},
	} {
		packed := bytes.Clone(p.pack(c.page))
		if got := len(packed) < len(c.page); got != c.smaller {
			t.Errorf("%s: %d bytes of %d", name, len(packed), len(c.page))
		}
		got, err := unpack(nil, packed)
		if err != nil || !bytes.Equal(got, c.page) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		for _, b := range [][]byte{nil, packed[:len(packed)-1], append([]byte{9}, packed...)} {
			if got, err := unpack(nil, b); err == nil && bytes.Equal(got, c.page) && len(c.page) > 0 {
				t.Errorf("%s: a damaged page is taken for the whole one", name)
			}
		}
	}
	bomb := append([]byte{pagePacked}, s2.Encode(nil, make([]byte, maxPlainPage+1))...)
	if _, err := unpack(nil, bomb); !errors.Is(err, ErrDamaged) {
		t.Errorf("a page that becomes too large: %v", err)
	}
}

func FuzzPackedPage(f *testing.F) {
	var p packer
	f.Add(p.pack(bytes.Repeat([]byte("page "), 100)))
	f.Add([]byte{pageClear, 0, 1, 1, 'k'})
	f.Add([]byte{pagePacked, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		page, err := unpack(nil, b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if len(page) > max(maxPlainPage, len(b)) {
			t.Fatalf("%d bytes become %d", len(b), len(page))
		}
		var r pageReader
		for r.open(page); r.next(); {
		}
	})
}

// TestMergedTablesArePacked merges tables, and reads them with the manifest of both versions.
func TestMergedTablesArePacked(t *testing.T) {
	dir := t.TempDir() + "/state"
	s, m := openTiny(t, dir, &scans{}), model{}
	for index := uint64(1); index <= 80; index++ {
		r := s.read()
		tx := s.tx(r)
		for n := range uint64(20) {
			key, value := fmt.Sprintf("p%03d/%d", (index*7+n)%300, n), fmt.Sprintf("Outpatient letter %d, cardiology", index)
			tx.Set([]byte(key), []byte(value))
			m[key] = value
		}
		if err := s.commit(tx, position{index, 1}, nil); err != nil {
			t.Fatal(err)
		}
		r.discard()
	}
	s.mu.Lock()
	for len(s.now.frozen) > 0 {
		s.moved.Wait()
	}
	s.mu.Unlock()
	closeState(t, s)
	s = openTiny(t, dir, &scans{})
	r := s.read()
	packed := 0
	for _, table := range r.at.tables.tables {
		if table.plain > 0 {
			packed++
			if table.pages > table.plain*3/4 {
				t.Errorf("%d bytes of pages became %d", table.plain, table.pages)
			}
		}
	}
	if packed == 0 {
		t.Errorf("none of %d tables is packed", len(r.at.tables.tables))
	}
	if got := scanAll(t, r, "", ""); got != m.scan("", "") {
		t.Error("rows differ")
	}
	for _, key := range []string{"p000/0", "p123/4", "p299/19"} {
		if got, found, err := r.Get([]byte(key)); err != nil || found != (m[key] != "") || string(got) != m[key] {
			t.Errorf("%s is %q, %v, %v; want %q", key, got, found, err, m[key])
		}
	}
	r.discard()
	closeState(t, s)
}

// TestTheManifestBeforePackingIsRead takes a folder back to the manifest of version 1.
func TestTheManifestBeforePackingIsRead(t *testing.T) {
	m, err := newManifest()
	if err != nil {
		t.Fatal(err)
	}
	m.tables = []tableInfo{{number: 3, rows: 5, pages: 700, index: 70, bloom: 64}}
	b := m.encode()
	b[0] = manifestClear
	old, err := decodeManifest(b[:len(b)-1]) // without the last number, which is one byte
	if err != nil || len(old.tables) != 1 || old.tables[0] != m.tables[0] {
		t.Fatalf("%+v, %v", old, err)
	}
	if _, err := decodeManifest(b); err == nil {
		t.Error("version 1 with the numbers of version 2 is taken")
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/"+manifestFile, unsealed{}.Seal(nil, nil, b[:len(b)-1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := readManifest(dir, unsealed{}); err != nil || again.id != m.id {
		t.Errorf("%v, %v", again, err)
	}
}

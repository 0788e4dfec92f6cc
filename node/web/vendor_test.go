package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// ours are the files of static that nobody else has written.
const ours = "answers.js places.css region.js governance.css governance.js intake.js icon.svg beside.js thumbs.js licences.txt list.js dark.css reading.css number.js pdfview.js portal.css portal.js stage.js viewer.js pages.js window.js touch.js early.js ranges.js sheets.js store.js"

func TestVendoredFilesAreThoseOfTheList(t *testing.T) {
	list, err := os.ReadFile("VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+/\S+) \|.*\| ([0-9a-f]{64}) \|$`).FindAllStringSubmatch(string(list), -1) {
		known[m[1]] = m[2]
	}
	for _, dir := range []string{"static", "testdata"} {
		err := fs.WalkDir(os.DirFS("."), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(ours, strings.TrimPrefix(name, "static/")) || strings.HasPrefix(name, "testdata/fuzz") || strings.HasPrefix(name, "testdata/dicom") {
				return err
			}
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			if got := hex.EncodeToString(sum[:]); known[name] != got {
				t.Errorf("%s has %s, VENDOR.md says %q", name, got, known[name])
			}
			delete(known, name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range known {
		t.Errorf("VENDOR.md lists %s, which is not there", name)
	}
}

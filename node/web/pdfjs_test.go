package web

import (
	"bytes"
	"errors"
	"testing"
)

func TestThePDFReaderGoesOutChangedOnce(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	published, err := embedded.ReadFile("static/pdfjs/pdf.worker.min.mjs")
	if err != nil {
		t.Fatal(err)
	}
	got := a.files[pdfWorker].content
	if !bytes.HasPrefix(got, []byte(pdfNotice)) || bytes.Count(got, []byte(pdfJump)) != 1 || bytes.Contains(got, []byte(pdfWalk)) {
		t.Error("pdf.js goes out without what finds a page, or does not say that it was changed")
	}
	if back := bytes.Replace(got[len(pdfNotice):], []byte(pdfJump), []byte(pdfWalk), 1); !bytes.Equal(back, published) {
		t.Error("more was changed than is said")
	}
}

func TestAnotherPDFReaderIsNotChanged(t *testing.T) {
	for name, code := range map[string]string{"without the place": "export{}", "with two": pdfWalk + pdfWalk, "changed before": pdfJump} {
		if _, err := changePDFWorker([]byte(code)); !errors.Is(err, errPDFWorker) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

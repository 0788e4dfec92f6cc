package web

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// imported are the scripts that a script imports, and those that these do.
func imported(t *testing.T, script string, all map[string]bool) {
	t.Helper()
	b, err := os.ReadFile(path.Join("static", script))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^import [^'\n]*'\./([^']+)'`).FindAllStringSubmatch(string(b), -1) {
		if !all[m[1]] {
			all[m[1]] = true
			imported(t, m[1], all)
		}
	}
}

func TestAllScriptsOfAViewerAreAskedForAtOnce(t *testing.T) {
	for _, script := range []string{"viewer.js", "pdfview.js", "beside.js"} {
		want := map[string]bool{}
		imported(t, script, want)
		delete(want, "early.js") // has a place of its own: before all others
		if got, want := slices.Sorted(slices.Values(before(script))), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", script, got, want)
		}
	}
	b, _, doc, _ := opened(t, &admin.Located{Title: "Letter", ContentType: "application/pdf", Pages: 1}, []byte("%PDF-1.4\n"))
	b.get(doc).wants(t, 200, `<script src="/static/early.js" type="module">`, `<link rel="modulepreload" href="/static/pdfjs/pdf.min.mjs">`, `data-rw-size="9"`)
	// What an import names has no version in its address: it is asked after, or scripts of two versions would meet.
	got := b.get("/static/pages.js")
	got.wants(t, 200)
	if cache := got.Header.Get("Cache-Control"); cache != "public, no-cache" || got.Header.Get("ETag") == "" {
		t.Errorf("a script without a version is kept: %q", cache)
	}
}

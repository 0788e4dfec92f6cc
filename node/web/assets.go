package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed static templates
var embedded embed.FS

// assets serves what stands in the folder static: the same for everybody, and without anything about a patient.
type assets struct {
	files map[string]asset
}

type asset struct {
	content     []byte
	contentType string
	tag         string // of its content
}

func loadAssets() (*assets, error) {
	a := &assets{files: make(map[string]asset)}
	err := fs.WalkDir(embedded, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		if "/"+name == pdfWorker {
			if b, err = changePDFWorker(b); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(b)
		a.files["/"+name] = asset{content: b, contentType: assetType(name), tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded files: %w", err)
	}
	return a, nil
}

// assetType does not ask the machine's own table of types, which need not know modules.
func assetType(name string) string {
	switch path.Ext(name) {
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		if t := mime.TypeByExtension(path.Ext(name)); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

// url returns the address of an asset, which changes with its content.
func (a *assets) url(name string) string {
	return "/static/" + name + "?v=" + a.files["/static/"+name].tag
}

// before names what a script of a page imports, so that all of it is fetched at once and not one after the other.
func before(script string) []string {
	pages := []string{"answers.js", "pages.js", "stage.js", "sheets.js", "thumbs.js", "touch.js"}
	scan, pdf := []string{"store.js", "window.js"}, []string{"ranges.js", "pdfjs/pdf.min.mjs"}
	switch script {
	case "viewer.js":
		return append(pages, scan...)
	case "pdfview.js":
		return append(pages, pdf...)
	case "beside.js":
		return slices.Concat([]string{"viewer.js", "pdfview.js"}, pages, scan, pdf)
	default:
		return nil
	}
}

// ServeHTTP serves an asset.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, found := a.files[r.URL.Path]
	if !found {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("ETag", `"`+f.tag+`"`)
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, no-cache") // scripts of two versions do not work with each other
	if r.URL.Query().Get("v") == f.tag {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.Contains(r.Header.Get("If-None-Match"), `"`+f.tag+`"`) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	_, _ = w.Write(f.content) // a browser that has gone needs nothing
}

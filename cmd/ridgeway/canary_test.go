package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// What is patient data in the canary test, and must be found nowhere in clear.
const (
	canaryTitle  = "Quillfinch letter about Zebedee Canarywing"
	canaryAuthor = "Dr Ortolan Featherstone"
	canaryText   = "Canarywing has an allergy to millet seed"
	canaryFile   = "zebedee-canarywing.pdf"
)

// canaries are the forms in which patient data may show itself.
func canaries() []string {
	return []string{patient, "943 476 5919", "943-476-5919", canaryTitle, "Canarywing", "canarywing", "Zebedee", canaryAuthor, "Featherstone", canaryText, canaryFile}
}

func sings(b []byte) string {
	for _, c := range canaries() {
		if bytes.Contains(b, []byte(c)) {
			return c
		}
	}
	return ""
}

// silent wants no canary in what somebody other than the user may read.
func silent(t *testing.T, what string, b []byte) {
	t.Helper()
	if c := sings(b); c != "" {
		at := bytes.Index(b, []byte(c))
		t.Errorf("%s has %q: %q", what, c, b[max(0, at-100):min(len(b), at+100)])
	}
}

func scrape(t *testing.T, addr string) []byte {
	t.Helper()
	reply, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil || !bytes.Contains(b, []byte("ridgeway")) {
		t.Fatalf("metrics: %v, %s", err, b)
	}
	return b
}

// TestNothingThatIsWrittenInClearTellsOfPatients has two trusts do all that they do with a patient's record, and searches logs
// at their most talkative, metrics, what commands say to standard error, names of files, and every byte of the data folders.
func TestNothingThatIsWrittenInClearTellsOfPatients(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "RIDGEWAY_LOG_LEVEL=debug")
	first, second := port(t), port(t)
	base := p.env
	p.env = append(base[:len(base):len(base)], "RIDGEWAY_METRICS="+first)
	one, notices := p.notified(t, "d1")
	p.env = append(base[:len(base):len(base)], "RIDGEWAY_METRICS="+second)
	two := p.joined(t, "d1", "d2", "RAS")
	p.env = base
	p.known(t, "d1", 2)
	p.known(t, "d2", 2)

	content := letter(canaryText + strings.Repeat("\n% millet seed", 5000))
	p.write(t, canaryFile, content)
	say := func(want int, args ...string) ended {
		t.Helper()
		e := p.run(t, args...)
		if e.status != want {
			t.Fatalf("status %d, want %d: %v", e.status, want, e)
		}
		silent(t, "standard error of "+args[0], []byte(e.errOut))
		return e
	}
	e := say(0, "ingest", "--data", "d1", canaryFile, "--patient", patient, "--type", "373942005", "--title", canaryTitle, "--author", canaryAuthor, "--date", "2026-03-01", "--json")
	id := e.only(t)["documents"].([]any)[0].(map[string]any)["document"].(string)
	p.listed(t, "d2", 1)
	if located := say(0, "locate", "--data", "d2", patient); sings([]byte(located.out)) == "" || sings([]byte(content)) == "" {
		t.Fatalf("the search finds nothing where there is something: %v", located)
	}
	say(0, "fetch", "--data", "d2", id, "--out", "got.pdf")
	say(0, "object", "--data", "d1", patient, "--evidence", "by letter")
	p.fails(t, admin.CodeDenied, nil, "fetch", "--data", "d2", id, "--out", "no.pdf")
	say(0, "object", "--data", "d1", patient, "--withdraw")
	say(3, "fetch", "--data", "d2", "RYJ-0000000000000000", "--out", "no.pdf")
	say(2, "locate", "--data", "d2", "943 476 5918")
	hurtChunk(t, p.path("d1"), content)
	say(6, "fetch", "--data", "d2", id, "--out", "no.pdf")
	say(6, "scrub", "--data", "d1")
	asks := []string{"--role", "records-staff", "--purpose", "PATRQT"}
	page := say(0, append([]string{"report", "--data", "d2", patient, "--format", "html"}, asks...)...).out
	for _, want := range []string{"<!DOCTYPE html>", "943 476 5919", canaryTitle, "It was refused", "Made on", "this list is complete", "taken back"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Error("the page is not self-contained")
	}
	say(0, append([]string{"report", "--data", "d2", patient, "--out", "report.txt"}, asks...)...)
	say(4, "report", "--data", "d2", patient, "--role", "doctor", "--purpose", "TREAT")
	exported := say(0, "audit", "export", "--data", "d1", "--patient", patient).out
	silent(t, "the export", []byte(exported))
	silent(t, "a search for the patient", []byte(say(0, "audit", "search", "--data", "d1", "--patient", patient, "--json").out))
	say(0, "audit", "reconcile", "--data", "d2")
	p.governs(t, say, id) // last: what people type there is in the log as they typed it, and an export shows it
	notices.silentAndHeard(t)
	silent(t, "metrics of d1", scrape(t, first))
	silent(t, "metrics of d2", scrape(t, second))
	one.interrupt(t)
	two.interrupt(t)
	for name, r := range map[string]*running{"d1": one, "d2": two} {
		silent(t, "the log of "+name, []byte(r.errOut.String()))
		if !strings.Contains(r.errOut.String(), "DEBUG") {
			t.Errorf("%s does not log all that it could", name)
		}
		searchFolder(t, p.path(name))
	}
}

// searchFolder wants no canary in the names and bytes of a data folder.
func searchFolder(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		silent(t, "a name", []byte(strings.TrimPrefix(path, dir)))
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil {
			files++
			silent(t, path, b)
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("searched %d files of %s, %v", files, dir, err)
	}
}

// hurtChunk flips a bit of the only chunk of a document where it lies.
func hurtChunk(t *testing.T, data, content string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(data, "chunks", "*.vlog"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(content))
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(b, digest[:]); i >= 0 {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			at := int64(i + len(digest) + 60)
			if _, err := f.WriteAt([]byte{b[at] ^ 1}, at); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the chunk is nowhere")
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"image"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hhrutter/tiff"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// has fails unless o has all of the documented fields, and fields of these types.
func (o object) has(t *testing.T, fields ...string) object {
	t.Helper()
	for _, f := range fields {
		if _, ok := o[f]; !ok {
			t.Errorf("there is no field %q in %v", f, o)
		}
	}
	return o
}

func (o object) list(t *testing.T, field string) []object {
	t.Helper()
	items, ok := o[field].([]any)
	if !ok {
		t.Fatalf("%q is not a list in %v", field, o)
	}
	out := make([]object, len(items))
	for i, x := range items {
		out[i] = x.(map[string]any)
	}
	return out
}

// caseNote is a scan of many pages, always the same.
func caseNote(pages int) []byte {
	s := synth.New(1)
	return s.CaseNote(s.Patients(1)[0], pages).Bytes()
}

// TestDocumentedSession is what the manual says to type, in its order, by the documented field names.
func TestDocumentedSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first, second := port(t), port(t)

	p.json(t, "init", "--data", "d1", "--region", "North West London", "--trust", "RYJ", "--name", "Imperial College Healthcare", "--listen", first, dev).
		has(t, "region", "trust", "node", "data", "listen")
	one := p.serve(t, "d1")
	p.until(t, "d1", "the region is founded", func(o object) bool { return hasLeader(o) && len(o["sites"].([]any)) == 1 })

	plain := p.run(t, "invite", "--data", "d1", "--trust", "RQM", "--name", "Chelsea and Westminster")
	if lines := strings.Split(strings.TrimSpace(plain.out), "\n"); plain.status != 0 || len(lines) != 1 || strings.ContainsAny(lines[0], " \t") {
		t.Errorf("an invitation is one line, ready for a pipe: %v", plain)
	}
	invitation := p.json(t, "invite", "--data", "d1", "--trust", "RAS", "--name", "The Hillingdon Hospitals").
		has(t, "invitation", "check_words", "trust", "expires")["invitation"].(string)

	p.json(t, "join", "--data", "d2", "--listen", second, dev, "--yes", invitation).has(t, "region", "trust", "node", "data", "listen", "pending")
	two := p.serve(t, "d2")
	p.known(t, "d1", 2)
	p.known(t, "d2", 2)

	documents := p.takeRecords(t)
	p.listed(t, "d2", len(documents))
	p.locateAll(t, documents)
	p.fetchAll(t, documents)
	large := noise(8 << 20)
	p.write(t, "large.bin", string(large))
	document := p.ingest(t, "d1", otherPatient, "large.bin")
	p.listed(t, "d2", len(documents)+1)
	p.sluice(t, "slow", "d2", 3<<20, nil)
	p.resumes(t, "slow", "d2", document, large)
	p.startsOver(t, "slow", "d2", document, large)

	p.json(t, "object", "--data", "d2", "943 476 5919", "--evidence", "letter of 1 March").has(t, "directives", "state", "committed", "index")
	p.json(t, "object", "--data", "d2", patient, "--withdraw")
	p.json(t, "withdraw", "--data", "d1", documents["b.pdf"], "--reason", "a trial").has(t, "document", "committed")
	p.json(t, "status", "--data", "d1").has(t, "version", "region", "trust", "name", "node", "address", "state", "leader", "applied", "committed", "root", "as_of", "sites",
		"documents", "patients", "pointers", "outbox", "audit_entries", "disk", "proposals", "refused_by_region", "warnings")
	for _, data := range []string{"d1", "d2"} {
		if o := p.json(t, "audit", "verify", "--data", data).has(t, "ok", "entries", "root", "damaged", "checkpoints", "findings"); o["ok"] != true {
			t.Errorf("the audit log of %s is not whole: %v", data, o)
		}
	}
	p.json(t, "scrub", "--data", "d1").has(t, "chunks", "bytes", "records", "damaged_documents", "findings")

	for _, r := range []*running{two, one} {
		e := r.interrupt(t)
		if e.status != 0 {
			t.Errorf("Ctrl-C stops a node in order: %v", e)
		}
		e.only(t).has(t, "ready", "trust", "node", "address", "socket")
	}
}

// takeRecords takes in one file and a manifest, and returns the documents by file.
func (p *place) takeRecords(t *testing.T) map[string]string {
	t.Helper()
	p.write(t, "letter.pdf", letter("one"))
	p.write(t, "folder/a.pdf", letter("a"))
	p.write(t, "folder/b.pdf", letter("b"))
	p.write(t, "folder/notes.tif", string(caseNote(6)))
	p.write(t, "records.csv", "file,patient,type,title,date\n"+
		"a.pdf,"+patient+",373942005,Discharge summary,2026-02-01\n"+
		"b.pdf,"+patient+",823681000000100,Outpatient letter,2026-01-15\n"+
		"notes.tif,"+patient+",16521000000101,Scanned case note,2020-07-01\n")
	out := map[string]string{}
	one := p.json(t, append([]string{"ingest", "--data", "d1", "letter.pdf"}, particulars(patient)...)...)
	many := p.json(t, "ingest", "--data", "d1", "--manifest", "records.csv", "folder/")
	for _, o := range []object{one, many} {
		for _, d := range o.has(t, "documents", "taken_in", "already_held", "refused", "not_reached").list(t, "documents") {
			d.has(t, "document", "outcome", "reason")
			if d["outcome"] != "taken_in" || d["reason"] != "" {
				t.Errorf("got %v", d)
			}
			out[d["file"].(string)] = d["document"].(string)
		}
	}
	if len(out) != 4 {
		t.Fatalf("got documents %v, want 4", out)
	}
	again := p.json(t, "ingest", "--data", "d1", "--manifest", "records.csv", "folder/")
	if again["already_held"] != float64(3) || again["taken_in"] != float64(0) {
		t.Errorf("taking the same in again must change nothing: %v", again)
	}
	return out
}

func (p *place) locateAll(t *testing.T, documents map[string]string) {
	t.Helper()
	o := p.json(t, "locate", "--data", "d2", patient).has(t, "documents", "as_of", "sites")
	found := o.list(t, "documents")
	if len(found) != len(documents) || o["as_of"] == "" {
		t.Errorf("got %d documents as of %q, want %d", len(found), o["as_of"], len(documents))
	}
	for _, d := range found {
		d.has(t, "document", "custodian", "type", "title", "date", "pages", "bytes")
		if d["custodian"] != "RYJ" {
			t.Errorf("got %v", d)
		}
		if d["document"] == documents["notes.tif"] && (d["pages"] != float64(6) || d["date"] != "2020-07-01") {
			t.Errorf("the case note: got %v", d)
		}
	}
	sites := o.list(t, "sites")
	if len(sites) != 2 {
		t.Errorf("got sites %v", sites)
	}
	for _, s := range sites {
		if s.has(t, "trust", "reachable", "as_of"); s["reachable"] != true || s["as_of"] == "" {
			t.Errorf("got %v", s)
		}
	}
	text := p.run(t, "locate", "--data", "d2", "943 476 5919")
	for line := range strings.Lines(text.out) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > screenWidth {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func (p *place) fetchAll(t *testing.T, documents map[string]string) {
	t.Helper()
	want := []byte(letter("one"))
	o := p.json(t, "fetch", "--data", "d2", documents["letter.pdf"], "--out", "got.pdf").has(t, "bytes", "sha256", "first_byte_ms", "resumed")
	sum := sha256.Sum256(want)
	if got := p.read(t, "got.pdf"); !bytes.Equal(got, want) || o["bytes"] != float64(len(want)) || o["sha256"] != hex.EncodeToString(sum[:]) || o["resumed"] != false {
		t.Errorf("got %d bytes and %v", len(got), o)
	}
	piped := p.run(t, "fetch", "--data", "d2", documents["letter.pdf"], "--out", "-")
	if piped.status != 0 || piped.out != string(want) {
		t.Errorf("into a pipe: %v", piped)
	}

	whole := caseNote(6)
	p.json(t, "fetch", "--data", "d2", documents["notes.tif"], "--out", "range.bin", "--range", "100-1099")
	if got := p.read(t, "range.bin"); !bytes.Equal(got, whole[100:1100]) {
		t.Errorf("--range 100-1099 gave %d bytes that are not those", len(got))
	}
	p.json(t, "fetch", "--data", "d2", documents["notes.tif"], "--out", "tail.bin", "--range", "4096-")
	if got := p.read(t, "tail.bin"); !bytes.Equal(got, whole[4096:]) {
		t.Errorf("--range 4096- gave %d bytes that are not those", len(got))
	}
	p.json(t, "fetch", "--data", "d2", documents["notes.tif"], "--out", "pages.tif", "--pages", "1-3")
	checkPages(t, p.read(t, "pages.tif"), 3, whole)

	if e := p.run(t, "fetch", "--data", "d2", documents["notes.tif"], "--pages", "1-2"); e.status != 0 || len(p.read(t, documents["notes.tif"]+"-pages-1-2.tiff")) == 0 {
		t.Errorf("without --out pages do not take the name of the whole: %v", e)
	}
	if e := p.run(t, "fetch", "--data", "d2", documents["a.pdf"]); e.status != 0 || !bytes.Equal(p.read(t, documents["a.pdf"]+".pdf"), []byte(letter("a"))) {
		t.Errorf("without --out the file is named after the document: %v", e)
	}
}

// sluice makes a folder whose socket leads to the node of data, and lets no more than most bytes of its answers through each
// connection before open is closed: a transfer through it is under way until then, or until it is stopped.
func (p *place) sluice(t *testing.T, folder, data string, most int64, open <-chan struct{}) {
	t.Helper()
	if err := os.Mkdir(p.path(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := admin.Listen(p.path(folder))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				n, err := net.Dial("unix", admin.SocketPath(p.path(data)))
				if err != nil {
					return // it is gone, and so is the connection
				}
				defer n.Close()
				go func() { // ends with the connections, and with the test
					defer c.Close()
					if _, err := io.CopyN(c, n, most); err != nil {
						return
					}
					select {
					case <-open:
						_, _ = io.Copy(c, n)
					case <-t.Context().Done():
					}
				}()
				_, _ = io.Copy(n, c) // until the command is gone
			}()
		}
	}()
}

// resumes cuts a fetch off in the middle with Ctrl-C and runs it again.
func (p *place) resumes(t *testing.T, slow, data, document string, whole []byte) {
	t.Helper()
	r := p.begins(t, "cut.bin.part", 64<<10, "fetch", "--data", slow, document, "--out", "cut.bin", "--json")
	r.interrupt(t).failure(t, admin.CodeInterrupted, "cut.bin.part", "run the same command again")
	o := p.json(t, "fetch", "--data", data, document, "--out", "cut.bin")
	if at, _ := o["resumed_at"].(float64); o["resumed"] != true || at <= 0 || at >= float64(len(whole)) || o["bytes"] != float64(len(whole)) {
		t.Errorf("got %v, want it resumed after the first byte", o)
	}
	if !bytes.Equal(p.read(t, "cut.bin"), whole) {
		t.Error("the resumed file is not the document")
	}
	for _, left := range []string{"cut.bin.part", "cut.bin.part.json"} {
		if _, err := os.Stat(p.path(left)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", left, err)
		}
	}
}

// startsOver cuts a fetch off, spoils what came, and runs it twice at once: one starts over, the other is told of the first.
func (p *place) startsOver(t *testing.T, slow, data, document string, whole []byte) {
	t.Helper()
	r := p.begins(t, "spoilt.bin.part", 64<<10, "fetch", "--data", slow, document, "--out", "spoilt.bin", "--json")
	p.fails(t, admin.CodeInUse, []string{"spoilt.bin.part", "another fetch", "--out"}, "fetch", "--data", data, document, "--out", "spoilt.bin")
	r.interrupt(t).failure(t, admin.CodeInterrupted, "spoilt.bin.part")
	part := p.read(t, "spoilt.bin.part")
	copy(part, "spoilt")
	p.write(t, "spoilt.bin.part", string(part))
	e := p.run(t, "fetch", "--data", data, document, "--out", "spoilt.bin")
	if e.status != 0 || !strings.Contains(e.errOut, "spoilt.bin.part was changed meanwhile); starting over") || !bytes.Equal(p.read(t, "spoilt.bin"), whole) {
		t.Errorf("got %v", e)
	}
}

// grows waits until a file has at least size bytes.
func (p *place) grows(t *testing.T, r *running, name string, size int64) {
	t.Helper()
	if !p.grown(t, r, name, size) {
		t.Fatalf("ended too early: %v", r.ended())
	}
}

// grown waits until a file has at least size bytes, or the process has ended, which is false.
func (p *place) grown(t *testing.T, r *running, name string, size int64) bool {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	timeout := time.After(patience)
	for {
		if st, err := os.Stat(p.path(name)); err == nil && st.Size() >= size {
			return true
		}
		select {
		case <-look.C:
		case <-r.gone:
			return false
		case <-timeout:
			t.Fatalf("%s never had %d bytes", name, size)
		}
	}
}

// begins starts a fetch and returns once a file of it has at least size bytes. A custodian that has no lease at the moment is asked
// again.
func (p *place) begins(t *testing.T, name string, size int64, args ...string) *running {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		r := p.start(t, args...)
		if p.grown(t, r, name, size) {
			return r
		}
		if e := r.ended(); e.status != exitStatus[admin.CodeStale] || time.Now().After(deadline) {
			t.Fatalf("ended too early: %v", e)
		}
	}
}

// noise is a file of n bytes of no type, always the same.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{'n', 'o', 'i', 's', 'e'}).Read(b) // never fails
	return b
}

// checkPages compares the pages of a cut with those of the whole.
func checkPages(t *testing.T, cut []byte, want int, whole []byte) {
	t.Helper()
	info, err := media.Inspect(bytes.NewReader(cut), int64(len(cut)), "pages.tif")
	if err != nil || info.Pages != want {
		t.Fatalf("got %d pages (%v), want %d", info.Pages, err, want)
	}
	all, err := media.Inspect(bytes.NewReader(whole), int64(len(whole)), "whole.tif")
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		got, err := tiff.DecodeAt(bytes.NewReader(cut), info.Spans[i].Directory)
		if err != nil {
			t.Fatalf("page %d: %v", i+1, err)
		}
		page, err := tiff.DecodeAt(bytes.NewReader(whole), all.Spans[i].Directory)
		if err != nil {
			t.Fatalf("page %d of the whole: %v", i+1, err)
		}
		if !same(got, page) {
			t.Errorf("page %d is another picture", i+1)
		}
	}
}

func same(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				return false
			}
		}
	}
	return true
}

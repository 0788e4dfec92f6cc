package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// quick are settings of nodes that are alone in their region: nobody can be late with a heartbeat.
const quick = "RIDGEWAY_ELECTION=100ms"

const dev = "--insecure-dev-keys"

// init founds a region in data.
func (p *place) init(t *testing.T, data string, more ...string) {
	t.Helper()
	args := []string{"init", "--data", data, "--region", "North West London", "--trust", "RYJ", "--name", "Imperial College Healthcare", "--listen", port(t), dev}
	if e := p.run(t, append(args, more...)...); e.status != 0 {
		t.Fatal(e)
	}
}

// serve runs the node of data and returns once it says that it is up.
func (p *place) serve(t *testing.T, data string, more ...string) *running {
	t.Helper()
	r := p.start(t, append([]string{"serve", "--data", data, dev, "--json"}, more...)...)
	r.shows(t, r.out, `"ready": true`)
	return r
}

// founded is a region of one trust with its node up and leading.
func (p *place) founded(t *testing.T, data string, more ...string) *running {
	t.Helper()
	p.init(t, data, more...)
	r := p.serve(t, data)
	p.until(t, data, "the region is founded", func(o object) bool { return hasLeader(o) && len(o["sites"].([]any)) == 1 })
	return r
}

func (p *place) invitation(t *testing.T, data, trust string, more ...string) string {
	t.Helper()
	o := p.json(t, append([]string{"invite", "--data", data, "--trust", trust, "--name", "Trust " + trust}, more...)...)
	return o["invitation"].(string)
}

// joined is another trust, joined by the sponsor's invitation, with its node up.
func (p *place) joined(t *testing.T, sponsor, data, trust string, more ...string) *running {
	t.Helper()
	args := append([]string{"join", "--data", data, "--listen", port(t), dev, "--yes", p.invitation(t, sponsor, trust), "--json"}, more...)
	e := p.run(t, args...)
	for deadline := time.Now().Add(patience); e.status == exitStatus[admin.CodeUnavailable] && time.Now().Before(deadline); {
		e = p.run(t, args...) // a sponsor that waits for a core or its disk is asked again
	}
	if e.status != 0 {
		t.Fatalf("failed: %v", e)
	}
	return p.serve(t, data)
}

// known waits until the node of data can reach all of want trusts and follows a leader.
func (p *place) known(t *testing.T, data string, want int) {
	t.Helper()
	p.until(t, data, fmt.Sprintf("%s reaches all of %d trusts", data, want), func(o object) bool {
		return hasLeader(o) && len(o["sites"].([]any)) == want && reachable(o) == want
	})
}

func reachable(o object) int {
	n := 0
	for _, s := range o["sites"].([]any) {
		if s.(map[string]any)["reachable"] == true {
			n++
		}
	}
	return n
}

// letter is a PDF of one page that says text, unlike any other's.
func letter(text string) string {
	return "%PDF-1.4\n% " + text + "\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
}

// particulars are the flags that a document needs.
func particulars(patient string) []string {
	return []string{"--patient", patient, "--type", "373942005", "--title", "Discharge summary", "--date", "2026-03-01"}
}

// ingest takes one file in at data and returns the document's id.
func (p *place) ingest(t *testing.T, data, patient, file string) string {
	t.Helper()
	o := p.json(t, append([]string{"ingest", "--data", data, file}, particulars(patient)...)...)
	doc := o["documents"].([]any)[0].(map[string]any)
	if doc["outcome"] != "taken_in" {
		t.Fatalf("%s was not taken in: %v", file, o)
	}
	return doc["document"].(string)
}

// fetched fetches at data what another trust holds. A custodian that waited for a core or its disk may have no lease for a moment,
// and is asked again.
func (p *place) fetched(t *testing.T, data, document, out string) object {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		e := p.run(t, "fetch", "--data", data, document, "--out", out, "--json")
		switch {
		case e.status == 0:
			return e.only(t)
		case e.status != exitStatus[admin.CodeStale] || time.Now().After(deadline):
			t.Fatalf("failed: %v", e)
		}
	}
}

// listed waits until data's copy of the index has n documents.
func (p *place) listed(t *testing.T, data string, n int) {
	t.Helper()
	p.until(t, data, fmt.Sprintf("%s knows of %d documents", data, n), func(o object) bool { return o["pointers"] == float64(n) })
}

// The patients of the tests: 943 476 5919 is the example that the NHS publishes.
const (
	patient      = "9434765919"
	otherPatient = "9990000123"
)

// shared is one node, founded when the first test asks for it, for tests that leave it as they found it.
var shared struct {
	sync.Once
	place *place
	err   error
}

// node returns the place of the shared node: d1 is its data folder, and letter.pdf, which it holds, lies there.
func sharedNode(t *testing.T) *place {
	t.Helper()
	shared.Do(func() { shared.err = startShared() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &place{dir: shared.place.dir, env: shared.place.env}
}

func startShared() error {
	dir, err := os.MkdirTemp("", "ridgeway-shared-")
	if err != nil {
		return err
	}
	p := &place{dir: dir, env: []string{quick}}
	shared.place = p
	end := func() { _ = os.RemoveAll(dir) }
	defer func() {
		atEnd.Lock()
		atEnd.list = append(atEnd.list, func() { end() })
		atEnd.Unlock()
	}()
	addr, err := freePort()
	if err != nil {
		return err
	}
	r, err := p.launch(nil, "init", "--data", "d1", "--region", "North West London", "--trust", "RYJ", "--name", "Imperial", "--listen", addr, dev)
	if err != nil {
		return err
	}
	<-r.gone
	if e := r.ended(); e.status != 0 {
		return fmt.Errorf("%v", e)
	}
	node, err := p.launch(nil, "serve", "--data", "d1", dev)
	if err != nil {
		return err
	}
	end = func() { node.kill(); _ = os.RemoveAll(dir) }
	if _, err := p.await("d1", func(o object) bool { return hasLeader(o) && len(o["sites"].([]any)) == 1 }); err != nil {
		return fmt.Errorf("%w\n%s", err, node.errOut)
	}
	if err := os.WriteFile(p.path("letter.pdf"), []byte(letter("the shared one")), 0o600); err != nil {
		return err
	}
	r, err = p.launch(nil, append([]string{"ingest", "--data", "d1", "letter.pdf"}, particulars(patient)...)...)
	if err != nil {
		return err
	}
	<-r.gone
	if e := r.ended(); e.status != 0 || !strings.Contains(e.out, "taken in") {
		return fmt.Errorf("%v", e)
	}
	return nil
}

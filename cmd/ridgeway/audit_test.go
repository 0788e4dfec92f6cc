package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// exportWithProofs waits until the region has witnessed the log, and exports it.
func exportWithProofs(t *testing.T, p *place, args ...string) string {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		e := p.run(t, append([]string{"audit", "export", "--data", "d1", "--proofs"}, args...)...)
		if e.status == 0 {
			return e.out
		}
		if e.status != exitStatus[admin.CodeUnavailable] || time.Now().After(deadline) {
			t.Fatal(e)
		}
	}
}

// TestExportWithProofsIsCheckedWithoutTheNode exports, checks, and then changes the file in every way that should be noticed.
func TestExportWithProofsIsCheckedWithoutTheNode(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	p.write(t, "letter.pdf", letter("to be proven"))
	id := p.ingest(t, "d1", patient, "letter.pdf")
	p.run(t, "fetch", "--data", "d1", id, "--out", "got.pdf")
	whole := exportWithProofs(t, p)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	if len(lines) < 4 {
		t.Fatalf("the export has %d lines: %s", len(lines), whole)
	}
	p.write(t, "whole", whole)
	good := p.json(t, "audit", "prove", "whole")
	if good["ok"] != true || good["proven"].(float64) < 1 || good["trust"] != "RYJ" {
		t.Fatalf("%v", good)
	}
	p.json(t, "audit", "prove", "whole", "--root", good["root"].(string))
	for name, changed := range map[string]string{
		"another root":   strings.Replace(whole, good["root"].(string), strings.Repeat("ab", 32), 1),
		"another action": strings.Replace(whole, `"action":"`, `"action":"U`, 1),
		"another time":   strings.Replace(whole, `"recorded":"20`, `"recorded":"19`, 1),
		"a line twice":   whole + "\n" + lines[1],
		"no JSON":        strings.Replace(whole, lines[1], "{\n", 1),
		"another leaf":   strings.Replace(whole, `"url":"leaf","valueString":"`, `"url":"leaf","valueString":"00`, 1),
	} {
		if changed == whole {
			t.Errorf("%s: nothing was changed", name)
			continue
		}
		p.write(t, "changed", changed)
		if e := p.run(t, "audit", "prove", "changed"); e.status != 6 || !strings.Contains(e.out, "NOT hold") {
			t.Errorf("%s: %v", name, e)
		}
	}
	if e := p.run(t, "audit", "prove", "whole", "--root", strings.Repeat("cd", 32)); e.status != 6 {
		t.Errorf("the root of another trust differs: %v", e)
	}
	p.fails(t, admin.CodeBadInput, []string{"audit export --proofs"}, "audit", "prove", "letter.pdf")
	p.fails(t, admin.CodeBadInput, []string{"--since", "30d"}, "audit", "search", "--data", "d1", "--since", "yesterday")
	p.fails(t, admin.CodeBadInput, []string{"kind", "refusal"}, "audit", "search", "--data", "d1", "--kind", "nothing")
	p.fails(t, admin.CodeDenied, []string{"records-staff", "PATRQT"}, "audit", "search", "--data", "d1", "--role", "doctor")
	for _, l := range strings.SplitAfter(p.run(t, "audit", "export", "--data", "d1", "--kind", "ingest").out, "\n") {
		var event map[string]any
		if l != "" && (json.Unmarshal([]byte(l), &event) != nil || event["resourceType"] != "AuditEvent" || event["action"] != "C") {
			t.Errorf("%s", l)
		}
	}
	for _, l := range strings.Split(p.run(t, "audit", "search", "--data", "d1").out, "\n") {
		if len([]rune(l)) > 110 {
			t.Errorf("%d columns: %s", len([]rune(l)), l)
		}
	}
}

// TestLogThatIsNotTheNodesOwnIsRefused puts the log of another node, an older copy, and none in the place of the log.
func TestLogThatIsNotTheNodesOwnIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1").interrupt(t)
	p.founded(t, "d2").interrupt(t)
	copyTo := func(from, to string) {
		t.Helper()
		if err := os.RemoveAll(p.path(to)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(p.path(to), os.DirFS(p.path(from))); err != nil {
			t.Fatal(err)
		}
	}
	copyTo("d1/audit", "own")
	for name, spoil := range map[string]func(){
		"swapped":   func() { copyTo("d2/audit", "d1/audit") },
		"gone":      func() { _ = os.RemoveAll(p.path("d1/audit/entries")) },
		"truncated": func() { _ = os.Truncate(p.path("d1/audit/AHEAD"), 100) },
		"tampered": func() {
			b := p.read(t, "d1/audit/AHEAD")
			p.write(t, "d1/audit/AHEAD", string(bytes.Map(func(r rune) rune { return r ^ 1 }, b[:4096]))+string(b[4096:]))
		},
	} {
		spoil()
		e := p.run(t, "serve", "--data", "d1", dev, "--json")
		if e.status == 0 || !strings.Contains(e.out, string(admin.CodeIntegrity)) {
			t.Errorf("%s: %v, want it refused with %s", name, e, admin.CodeIntegrity)
		}
		copyTo("own", "d1/audit")
	}
	p.serve(t, "d1")
	if o := p.json(t, "audit", "verify", "--data", "d1"); o["ok"] != true {
		t.Errorf("the own log, put back: %v", o)
	}
}

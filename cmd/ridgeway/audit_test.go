package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// exportWithProofs exports a log: the region witnesses all of it first.
func exportWithProofs(t *testing.T, p *place, data string) string {
	t.Helper()
	e := p.run(t, "audit", "export", "--data", data, "--proofs")
	if e.status != 0 {
		t.Fatal(e)
	}
	p.write(t, "exported", e.out)
	if o := p.json(t, "audit", "prove", "exported"); o["ok"] != true || o["proven"] != float64(strings.Count(e.out, "\n")-1) {
		t.Fatalf("not every entry that was there has its proof: %v", o)
	}
	return e.out
}

// TestExportWithProofsIsCheckedWithoutTheNode exports, checks, and then changes the file in every way that should be noticed.
func TestExportWithProofsIsCheckedWithoutTheNode(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	p.write(t, "letter.pdf", letter("to be proven"))
	id := p.ingest(t, "d1", patient, "letter.pdf")
	p.run(t, "fetch", "--data", "d1", id, "--out", "got.pdf")
	whole := exportWithProofs(t, p, "d1")
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

// TestAnotherTrustSaysWhatTheRegionHasWitnessed has one trust's log verified by what another has of it, and its export proven at
// the other, also when the region has witnessed more since.
func TestAnotherTrustSaysWhatTheRegionHasWitnessed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	two := p.joined(t, "d1", "d2", "RAS")
	p.known(t, "d1", 2)
	p.run(t, "locate", "--data", "d2", patient)
	exportWithProofs(t, p, "d2")
	p.write(t, "whole", exportWithProofs(t, p, "d1"))
	if o := p.json(t, "audit", "prove", "whole"); o["committed"] != false || o["ok"] != true {
		t.Errorf("what was not compared counts as committed: %v", o)
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !done(); {
			if time.Now().After(deadline) {
				t.Fatal(what)
			}
		}
	}
	head := p.json(t, "audit", "prove", "whole")
	newest := func() map[string]any {
		roots := p.json(t, "audit", "root", "--data", "d2", "--trust", "RYJ")["roots"].([]any)
		if len(roots) == 0 {
			return map[string]any{}
		}
		return roots[0].(map[string]any)
	}
	until("the other trust never hears of a later checkpoint", func() bool {
		exportWithProofs(t, p, "d1") // which has the region witness it
		size, _ := newest()["size"].(float64)
		return size > head["size"].(float64)
	})
	if newest()["root"] == head["root"] {
		t.Error("another size has the same root")
	}
	if o := p.json(t, "audit", "prove", "whole", "--region", "--data", "d2"); o["ok"] != true || o["committed"] != true {
		t.Errorf("an older checkpoint, at another trust: %v", o)
	}
	whole := string(p.read(t, "whole"))
	for name, changed := range map[string]string{
		"another root":   strings.Replace(whole, head["root"].(string), strings.Repeat("ab", 32), 1),
		"another size":   strings.Replace(whole, fmt.Sprintf(`"size":%v,`, head["size"]), fmt.Sprintf(`"size":%v,`, head["size"].(float64)-1), 1),
		"another region": strings.Replace(whole, `"region":"`, `"region":"00`, 1),
		"another node":   strings.Replace(whole, `"node":"`+head["node"].(string)[:4], `"node":"`+"0000", 1),
	} {
		if changed == whole {
			t.Errorf("%s: nothing was changed", name)
		}
		first, _, _ := strings.Cut(changed, "\n") // the head alone: no entry gives it away
		p.write(t, "changed", first+"\n")
		if e := p.run(t, "audit", "prove", "changed", "--region", "--data", "d2"); e.status != 6 || !strings.Contains(e.out, "NOT hold") {
			t.Errorf("%s: %v", name, e)
		}
	}
	p.fails(t, admin.CodeBadInput, []string{"--root", "--region"}, "audit", "prove", "whole", "--region", "--root", "ab", "--data", "d2")
	p.fails(t, admin.CodeNotFound, []string{"no such trust"}, "audit", "root", "--data", "d2", "--trust", "R0A")
	o := p.json(t, "audit", "verify", "--data", "d1", "--region")
	sites := o["sites"].([]any)
	if o["ok"] != true || len(sites) != 1 || sites[0].(map[string]any)["trust"] != "RAS" || sites[0].(map[string]any)["entries"].(float64) < head["size"].(float64) {
		t.Errorf("%v", o)
	}
	two.interrupt(t)
	if e := p.run(t, "audit", "verify", "--data", "d1", "--region"); e.status != exitStatus[admin.CodePartly] || !strings.Contains(e.out, "did NOT answer") {
		t.Errorf("a trust that is away: %v", e)
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
		for _, want := range []string{"is not the one that this node wrote", "it is evidence", "put this node's own back", "ridgeway repair --data"} {
			if !strings.Contains(e.out, want) {
				t.Errorf("%s: the refusal lacks %q: %v", name, want, e)
			}
		}
		if e := p.run(t, "repair", "--data", "d1", dev); name == "swapped" && (e.status != exitStatus[admin.CodeIntegrity] || !strings.Contains(strings.Join(strings.Fields(e.out), " "), "something was put in their place")) {
			t.Errorf("%s: what repair would do: %v", name, e)
		}
		copyTo("own", "d1/audit")
	}
	p.serve(t, "d1")
	if o := p.json(t, "audit", "verify", "--data", "d1"); o["ok"] != true {
		t.Errorf("the own log, put back: %v", o)
	}
}

package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// contents tells the files of a folder apart by name, size and digest.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "LOCK" {
			return err
		}
		b, err := os.ReadFile(path)
		lines = append(lines, fmt.Sprintf("%s %x", path, sha256.Sum256(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// hurt flips a bit in the middle of the last n bytes of a file that are not zero.
func hurt(t *testing.T, path string, n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(strings.TrimRight(string(b), "\x00"))
	if end < n {
		t.Fatalf("%s has %d bytes that are not zero", path, end)
	}
	b[end-n/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newest returns the last file in a folder that has data in it.
func newest(t *testing.T, pattern string, least int64) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	for _, path := range slices.Backward(found) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(strings.TrimRight(string(b), "\x00"))) >= least {
			return path
		}
	}
	t.Fatalf("no file %s with data", pattern)
	return ""
}

func TestRepairSaysWhatIsDamagedAndSavesTheRest(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	node := p.founded(t, "d1")
	p.write(t, "one.bin", string(noise(30<<10))+"one")
	p.write(t, "two.bin", string(noise(30<<10))+"two")
	one, two := p.ingest(t, "d1", patient, "one.bin"), p.ingest(t, "d1", patient, "two.bin")
	p.fails(t, admin.CodeInUse, []string{"d1", "in use", "stop"}, "repair", "--data", "d1", dev)
	node.kill()

	if o := p.json(t, "repair", "--data", "d1", dev); o["damaged"] != false || o["changed"] != false {
		t.Errorf("nothing is damaged: %v", o)
	}
	hurt(t, newest(t, p.path("d1/chunks/*.vlog"), 4000), 2000) // the content that came last
	p.fails(t, admin.CodeIntegrity, []string{"d1", "damaged", "ridgeway repair --data"}, "serve", "--data", "d1", dev)
	before := contents(t, p.path("d1"))
	look := p.run(t, "repair", "--data", "d1", dev, "--json")
	o := look.only(t)
	if look.status != 6 || o["damaged"] != true || o["lost"] != true || o["changed"] != false || !slices.Equal(texts(o["documents"]), []string{two}) {
		t.Errorf("touched are %v, want %s: %v", o["documents"], two, look)
	}
	if after := contents(t, p.path("d1")); after != before {
		t.Error("looking has changed something")
	}
	done := p.run(t, "repair", "--data", "d1", dev, "--yes", "--json")
	o = done.only(t)
	if done.status != 6 || o["changed"] != true || !slices.Equal(texts(o["documents"]), []string{two}) {
		t.Errorf("repaired: %v", done)
	}
	if _, err := os.Stat(p.path("d1/chunks/damaged")); err != nil {
		t.Errorf("the damaged file is not kept: %v", err)
	}
	node = p.start(t, "serve", "--data", "d1", dev, "--json")
	node.shows(t, node.out, `"ready": true`)
	p.until(t, "d1", "there is a leader", hasLeader)
	p.json(t, "fetch", "--data", "d1", one, "--out", p.path("again.bin"))
	if string(p.read(t, "again.bin")) != string(p.read(t, "one.bin")) {
		t.Error("the other document is not what it was")
	}
	p.json(t, append([]string{"ingest", "--data", "d1", "two.bin"}, particulars(patient)...)...) // held already, and healed
	p.json(t, "fetch", "--data", "d1", two, "--out", p.path("healed.bin"))
	if string(p.read(t, "healed.bin")) != string(p.read(t, "two.bin")) {
		t.Error("the healed document is not what it was")
	}
	if o := p.json(t, "scrub", "--data", "d1"); len(texts(o["damaged_documents"])) != 0 {
		t.Errorf("after it was taken in again: %v", o)
	}
}

func TestRepairOfTheAuditLogPutsBackWhatWasWrittenAhead(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	node := p.founded(t, "d1")
	entries := p.json(t, "audit", "verify", "--data", "d1")["entries"].(float64)
	node.kill()
	hurt(t, newest(t, p.path("d1/audit/entries/*.mem"), 400), 300)
	p.fails(t, admin.CodeIntegrity, []string{"d1", "audit log", "ridgeway repair --data"}, "serve", "--data", "d1", dev)
	if look := p.run(t, "repair", "--data", "d1", dev); look.status != 6 || !strings.Contains(look.out, "audit log") || !strings.Contains(look.out, "Nothing was changed") {
		t.Errorf("damaged: %v", look)
	}
	if done := p.run(t, "repair", "--data", "d1", dev, "--yes"); done.status != 0 || !strings.Contains(done.out, "nothing is lost") {
		t.Errorf("repaired: %v", done)
	}
	node = p.start(t, "serve", "--data", "d1", dev, "--json")
	node.shows(t, node.out, `"ready": true`)
	p.until(t, "d1", "there is a leader", hasLeader)
	if o := p.json(t, "audit", "verify", "--data", "d1"); o["ok"] != true || o["entries"].(float64) <= entries {
		t.Errorf("%v, %v entries before", o, entries)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// lose takes a part of the copy of the region's state away.
func (p *place) lose(t *testing.T, data, pattern string) {
	t.Helper()
	files, err := filepath.Glob(p.path(data + "/region/" + pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no %s: %v", data, pattern, err)
	}
	for _, f := range files {
		if err := os.RemoveAll(f); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRecoverTwiceAndCutOff recovers a voter while the others are away, recovers it again, and once more after a recovery
// that was cut off in the middle; when the others are back it gets the state and its vote.
func TestRecoverTwiceAndCutOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	one := p.founded(t, "d1", "--voters", "3")
	two, three := p.joined(t, "d1", "d2", "RAS"), p.joined(t, "d1", "d3", "R1K")
	p.known(t, "d1", 3)
	p.until(t, "d1", "there are three voters", threeVoters)
	p.write(t, "letter.pdf", letter("recovered"))
	p.ingest(t, "d1", patient, "letter.pdf")
	p.listed(t, "d2", 1)
	p.listed(t, "d3", 1)
	p.fails(t, admin.CodeInUse, []string{"d1", "in use"}, "recover", "--data", "d1", dev)
	p.fails(t, admin.CodeConfig, []string{"master key", "none is named", "--insecure-dev-keys"}, "recover", "--data", "d1")
	one.kill()
	p.lose(t, "d1", "log*/*")
	p.fails(t, admin.CodeIntegrity, []string{"d1", "ridgeway recover"}, "serve", "--data", "d1", dev)
	two.kill()
	three.kill()

	p.fails(t, admin.CodeUnavailable, []string{"d1", "one voter at a time", "0 answer", "RAS", "R1K", "--yes"}, "recover", "--data", "d1", dev)
	for range 2 {
		if o := p.json(t, "recover", "--data", "d1", dev, "--yes"); o["recovered"] != true {
			t.Errorf("got %v", o)
		}
	}
	r := p.serve(t, "d1")
	p.until(t, "d1", "it waits and says for what", func(o object) bool {
		return !hasLeader(o) && strings.Contains(strings.Join(texts(o["warnings"]), " "), "has no vote until it has caught up")
	})
	r.kill()
	// Cut off in the middle: one part of the copy was set aside, and the other not.
	aside, err := filepath.Glob(p.path("d1/region/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range aside {
		if name := filepath.Base(f); strings.HasPrefix(name, "log") {
			if err := os.Rename(f, filepath.Join(p.dir, "aside-"+name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.json(t, "recover", "--data", "d1", dev, "--yes")

	p.serve(t, "d1")
	p.serve(t, "d2")
	p.serve(t, "d3")
	p.until(t, "d1", "it has its vote again", func(o object) bool {
		return hasLeader(o) && (o["state"] == "voter" || o["state"] == "leader") && o["pointers"] == float64(1)
	})
}

// TestRecoverOfTheOnlyCopyIsRefused: nobody else could give it back.
func TestRecoverOfTheOnlyCopyIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.init(t, "d1")
	p.fails(t, admin.CodeIntegrity, []string{"d1", "nobody else", "backup"}, "recover", "--data", "d1", dev)
	r := p.serve(t, "d1")
	p.until(t, "d1", "it is founded all the same", hasLeader)
	r.interrupt(t)
	p.fails(t, admin.CodeIntegrity, []string{"d1", "nobody else", "backup"}, "recover", "--data", "d1", dev)
}

// TestRecoverLooksFirst: a copy that is whole is not set aside, one that is gone is noticed, and the vote of one voter is not
// given up while another is away.
func TestRecoverLooksFirst(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.founded(t, "d1", "--voters", "3")
	two, three := p.joined(t, "d1", "d2", "RAS"), p.joined(t, "d1", "d3", "R1K")
	p.known(t, "d1", 3)
	p.until(t, "d1", "there are three voters", threeVoters)
	p.until(t, "d3", "it knows of that", threeVoters)
	three.interrupt(t)
	p.fails(t, admin.CodeBadInput, []string{"d3", "is whole", "ridgeway serve --data d3", "--yes"}, "recover", "--data", "d3", dev)
	if err := os.RemoveAll(p.path("d3/region")); err != nil {
		t.Fatal(err)
	}
	p.fails(t, admin.CodeIntegrity, []string{"d3/region", "gone or was emptied", "ridgeway recover --data d3"}, "serve", "--data", "d3", dev)
	two.kill()
	p.fails(t, admin.CodeUnavailable, []string{"3 voters", "1 answer", "no answer: RAS", "one voter at a time"}, "recover", "--data", "d3", dev)
	p.serve(t, "d2")
	p.until(t, "d2", "it is back", hasLeader)
	for _, what := range []string{"it is set aside", "it was set aside before"} {
		if o := p.json(t, "recover", "--data", "d3", dev); o["recovered"] != true {
			t.Errorf("%s: got %v", what, o)
		}
	}
	p.serve(t, "d3")
	p.until(t, "d3", "it has its vote again", func(o object) bool { return hasLeader(o) && o["state"] == "voter" })
}

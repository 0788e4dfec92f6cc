package testnet

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mapped are the folders that say which file is about what, and where they say it.
var mapped = map[string]string{
	"node": "DESIGN.md", "cmd/ridgeway": "DESIGN.md", "federation/exchange": "DESIGN.md", "storage/record": "DESIGN.md", "testnet": "DESIGN.md",
	"federation": "DESIGN.md", "federation/index": "DESIGN.md", "federation/endpoint": "DESIGN.md", "node/ingest": "DESIGN.md",
	"storage": "DESIGN.md", "storage/blob": "DESIGN.md", "policy": "doc.go",
	"node/web": "doc.go", "consensus": "doc.go",
}

// mapLine is a line of such a map, in a table (| files | what they are about |) or in a comment (- files: what they are about).
var mapLine = regexp.MustCompile(`(?m)^(?:\| |//   - )((?:[a-z0-9_\\*]+\.go(?:,\s+(?://\s+)?)?)+)(?: \||:)`)

func TestEveryFileStandsInTheMapOfItsFolder(t *testing.T) {
	for folder, where := range mapped {
		t.Run(folder, func(t *testing.T) {
			dir := filepath.Join(moduleRoot(t), filepath.FromSlash(folder))
			text, err := os.ReadFile(filepath.Join(dir, where))
			if err != nil {
				t.Fatal(err)
			}
			var patterns []string
			for _, line := range mapLine.FindAllStringSubmatch(string(text), -1) {
				for p := range strings.SplitSeq(strings.ReplaceAll(line[1], `\`, ""), ",") {
					patterns = append(patterns, strings.Trim(p, "/ \n"))
				}
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.go"))
			if err != nil || len(patterns) == 0 {
				t.Fatalf("%d patterns in the map, %v", len(patterns), err)
			}
			used := make(map[string]bool)
			for _, f := range files {
				name := filepath.Base(f)
				at := slices.IndexFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
				if at >= 0 {
					used[patterns[at]] = true
				} else if name != "doc.go" && !strings.HasSuffix(name, "_test.go") {
					t.Errorf("%s stands in no line of the map in %s/%s: put it where a reader would look for it", name, folder, where)
				}
			}
			for _, p := range patterns {
				if !used[p] {
					t.Errorf("the map in %s/%s has %s, and there is no such file", folder, where, p)
				}
			}
		})
	}
}

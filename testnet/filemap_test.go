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

// mapped are the folders whose DESIGN.md has a table of which file is about what.
var mapped = []string{"node", "cmd/ridgeway"}

// mapLine is a line of such a table: | files | what they are about |
var mapLine = regexp.MustCompile(`(?m)^\| ((?:[a-z0-9\\*]+\.go(?:, )?)+) \|`)

func TestEveryFileStandsInTheMapOfItsFolder(t *testing.T) {
	for _, folder := range mapped {
		t.Run(folder, func(t *testing.T) {
			dir := filepath.Join(moduleRoot(t), filepath.FromSlash(folder))
			text, err := os.ReadFile(filepath.Join(dir, "DESIGN.md"))
			if err != nil {
				t.Fatal(err)
			}
			var patterns []string
			for _, line := range mapLine.FindAllStringSubmatch(string(text), -1) {
				patterns = append(patterns, strings.Split(strings.ReplaceAll(line[1], `\`, ""), ", ")...)
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.go"))
			if err != nil || len(patterns) == 0 {
				t.Fatalf("%d patterns in the map, %v", len(patterns), err)
			}
			used := make(map[string]bool)
			for _, f := range files {
				name := filepath.Base(f)
				if name == "doc.go" || strings.HasSuffix(name, "_test.go") {
					continue
				}
				at := slices.IndexFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
				if at < 0 {
					t.Errorf("%s stands in no line of the map in %s/DESIGN.md: put it where a reader would look for it", name, folder)
					continue
				}
				used[patterns[at]] = true
			}
			for _, p := range patterns {
				if !used[p] {
					t.Errorf("the map in %s/DESIGN.md has %s, and there is no such file", folder, p)
				}
			}
		})
	}
}

package testnet

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

const (
	modulePath   = "github.com/ridgeway-exchange/ridgeway"
	maxFileLines = 600
)

// arrows says which packages of ours each package may import outside its tests; "x/..." is x and all below it. A line
// that is added here is a decision on the design: the vocabulary and the two movers of bytes stand alone, parts know the
// vocabulary and what is below them, only node puts parts together, and nothing but the command line knows testnet.
var arrows = map[string][]string{
	"federation":          {},
	"consensus":           {},
	"federation/endpoint": {},
	"federation/wire":     {"federation"},
	"policy":              {"federation"},
	"storage":             {"federation"},
	"storage/blob":        {"federation", "storage"},
	"storage/record":      {"federation", "storage", "storage/blob"},
	"storage/audit":       {"federation", "storage"},
	"federation/index":    {"federation", "consensus", "storage"},
	"federation/gossip":   {"federation", "federation/endpoint"},
	"federation/exchange": {"federation", "federation/endpoint", "federation/index", "federation/wire", "policy", "storage/..."},
	"node/admin":          {"federation", "policy"},
	"node/media":          {"federation"},
	"node/ingest":         {"federation", "node/media", "policy", "storage/..."},
	"node/fhir":           {"federation", "federation/exchange", "federation/index", "node/media", "policy", "storage/..."},
	"node/hl7":            {"federation", "federation/exchange", "federation/index", "node/media", "policy", "storage/..."},
	"node/web":            {"federation", "federation/exchange", "federation/index", "node/admin", "node/fhir", "node/media", "policy", "storage/..."},
	"node":                {"federation/...", "consensus", "storage/...", "policy", "node/..."},
	"testnet/synth":       {"federation", "node/media"},
	"testnet":             {"federation/...", "consensus", "storage/...", "policy", "node/...", "testnet/..."},
	"testnet/tour":        {"federation/...", "node/...", "testnet", "testnet/synth"},
	"testnet/bench":       {"federation/...", "consensus", "storage/...", "policy", "node/...", "testnet/..."},
	"cmd/ridgeway":        {"federation", "node/...", "testnet/..."},
}

// owners says which packages of ours, tests included, may import a module, so that each can be replaced or its traps
// avoided in one place.
var owners = []struct {
	module string
	by     []string
	why    string
}{
	{"github.com/quic-go/quic-go", []string{"federation/endpoint", "testnet/..."}, "open streams through federation/endpoint"},
	{"github.com/hashicorp/raft", []string{"consensus"}, "agree through consensus"},
	{"github.com/hashicorp/raft-wal", []string{"consensus"}, "agree through consensus"},
	{"github.com/hashicorp/memberlist", []string{"federation/gossip"}, "ask federation/gossip who is alive"},
	{"github.com/cedar-policy/cedar-go", []string{"policy"}, "a forbid that errors is skipped by Cedar, which policy guards against: ask policy"},
	{"github.com/dgraph-io/badger/v4", []string{"storage/..."}, "keep data through storage, which guards Badger's files"},
	{"google.golang.org/grpc", []string{"federation/wire", "node", "node/admin", "cmd/...", "testnet/..."}, "calls between nodes are made in node"},
	{"google.golang.org/protobuf", []string{"federation/wire", "node/admin"}, "contracts are defined in federation/wire and node/admin"},
	{"github.com/stretchr/testify", nil, "compare with if, or with go-cmp"},
	{"github.com/pkg/errors", nil, "wrap with %w"},
}

// alone must not reach policy, however far down: replicas have to agree whatever version of a policy library they run.
var alone = []string{"federation/index", "consensus"}

// topLevel is all that the module's root holds.
var topLevel = []string{
	"cmd", "node", "federation", "consensus", "storage", "policy", "testnet", "go.mod", "go.sum", "README.md",
	"LICENSE", ".ci", ".golangci.yml", ".gitignore", ".git",
}

// listed is what "go list" says of a package.
type listed struct {
	Dir, ImportPath, Name                              string
	GoFiles, TestGoFiles, XTestGoFiles, CgoFiles       []string
	IgnoredGoFiles, Imports, TestImports, XTestImports []string
}

// rel is the package's path inside the module.
func (p listed) rel() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, modulePath), "/")
}

// ours returns those of imports that are in this module, as paths inside it.
func ours(imports []string) []string {
	var out []string
	for _, i := range imports {
		if rel, ok := strings.CutPrefix(i, modulePath+"/"); ok {
			out = append(out, rel)
		}
	}
	return out
}

// moduleRoot is where go.mod is.
func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// packages lists the module's packages. It needs no network.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=Dir,ImportPath,Name,GoFiles,TestGoFiles,XTestGoFiles,CgoFiles,IgnoredGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = moduleRoot(t)
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// matches reports whether a package is among patterns.
func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, below := strings.CutSuffix(p, "/...")
		return pkg == base || below && strings.HasPrefix(pkg, base+"/")
	})
}

func TestPackagesKeepTheRulesOfTheHouse(t *testing.T) {
	all := packages(t)
	for name, check := range map[string]func(*testing.T, []listed){
		"imports follow the arrows":                checkImportsFollowTheArrows,
		"modules are imported by their owners":     checkModulesAreImportedByTheirOwners,
		"the state machine never reaches policy":   checkStateMachineNeverReachesPolicy,
		"every package has one comment, in doc.go": checkEveryPackageHasOneCommentInDocGo,
		"files are of readable length":             checkFilesAreOfReadableLength,
	} {
		t.Run(name, func(t *testing.T) { check(t, all) })
	}
}

func checkImportsFollowTheArrows(t *testing.T, all []listed) {
	t.Helper()
	for _, p := range all {
		allowed, known := arrows[p.rel()]
		if !known {
			t.Errorf("%s has no line in arrows (testnet/arch_test.go): decide what it may import, and say so there", p.rel())
			continue
		}
		for _, i := range ours(p.Imports) {
			if !matches(allowed, i) {
				t.Errorf("%s imports %s, which is not among what it may: %v.\n\tLet the caller pass in what is needed (an interface declared in %s), or have node put the two together.",
					p.rel(), i, allowed, p.rel())
			}
		}
	}
}

func checkModulesAreImportedByTheirOwners(t *testing.T, all []listed) {
	t.Helper()
	for _, p := range all {
		imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		for _, o := range owners {
			uses := slices.ContainsFunc(imports, func(i string) bool { return i == o.module || strings.HasPrefix(i, o.module+"/") })
			if uses && !matches(o.by, p.rel()) {
				t.Errorf("%s imports %s, which only %v may: %s", p.rel(), o.module, o.by, o.why)
			}
		}
		if p.rel() == "federation" {
			for _, i := range p.Imports {
				if strings.Contains(strings.SplitN(i, "/", 2)[0], ".") {
					t.Errorf("federation imports %s: the vocabulary needs nothing but the standard library", i)
				}
			}
		}
		if slices.ContainsFunc(p.Imports, func(i string) bool { return i == "testing" || strings.HasPrefix(i, "testing/") }) {
			t.Errorf("%s imports testing outside its tests: return errors, and let the test decide what to do with them", p.rel())
		}
	}
}

func checkStateMachineNeverReachesPolicy(t *testing.T, all []listed) {
	t.Helper()
	imports := make(map[string][]string)
	for _, p := range all {
		imports[p.rel()] = ours(p.Imports)
	}
	for _, start := range alone {
		seen := map[string]string{start: ""}
		for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
			for _, next := range imports[queue[0]] {
				if _, ok := seen[next]; !ok {
					seen[next] = queue[0]
					queue = append(queue, next)
				}
			}
		}
		if via, ok := seen["policy"]; ok {
			t.Errorf("%s reaches policy by way of %s: a decision made while applying could differ between replicas; decide before submitting, or when reading", start, via)
		}
	}
}

func checkEveryPackageHasOneCommentInDocGo(t *testing.T, all []listed) {
	t.Helper()
	for _, p := range all {
		var with []string
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles) {
			if file := parse(t, filepath.Join(p.Dir, f)); file.Doc != nil {
				with = append(with, f)
			}
		}
		if !slices.Equal(with, []string{"doc.go"}) {
			t.Errorf("%s: package comments in %v, want one, in doc.go; put an empty line between other comments and the package clause", p.rel(), with)
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(p.Dir) + " "
		}
		if text := parse(t, filepath.Join(p.Dir, "doc.go")).Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins %.40q, want %q and what it is for", p.rel(), text, want)
		}
	}
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func checkFilesAreOfReadableLength(t *testing.T, all []listed) {
	t.Helper()
	for _, p := range all {
		for _, f := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles, p.IgnoredGoFiles) {
			path := filepath.Join(p.Dir, f)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b, []byte("\n")); n > maxFileLines && !ast.IsGenerated(parse(t, path)) {
				t.Errorf("%s/%s has %d lines, at most %d: split it by idea", p.rel(), f, n, maxFileLines)
			}
		}
	}
}

func TestModuleReplacesNothing(t *testing.T) {
	root := moduleRoot(t)
	for _, name := range []string{"go.mod", ".ci/tools/go.mod"} {
		b, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) && name != "go.mod" {
			continue // a source archive may leave the tools out
		} else if err != nil {
			t.Fatal(err)
		}
		f, err := modfile.Parse(name, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range f.Replace {
			t.Errorf("%s replaces %s: whoever imports or installs the module would get something else; depend on a released version", name, r.Old.Path)
		}
	}
}

func TestTopLevelHoldsNothingElse(t *testing.T) {
	found := tracked(t)
	if found == nil {
		entries, err := os.ReadDir(moduleRoot(t))
		if err != nil {
			t.Fatal(err)
		}
		found = make(map[string]bool)
		for _, e := range entries {
			found[e.Name()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(topLevel, name) {
			t.Errorf("the top level holds %s: put it into the folder of the package that it belongs to, or build tools into .ci", name)
		}
	}
}

// tracked returns the first parts of the paths that git tracks, or nil when there is no git to ask.
func tracked(t *testing.T) map[string]bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z")
	cmd.Dir = moduleRoot(t)
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		return nil
	}
	names := make(map[string]bool)
	for path := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		first, _, _ := strings.Cut(path, "/")
		names[first] = true
	}
	return names
}

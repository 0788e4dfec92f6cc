package policy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

func mustForm(t testing.TB, text string) Form {
	t.Helper()
	f, err := ParseForm([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

func TestFormsCompileToTheirGoldenCedar(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := mustForm(t, string(text)).Cedar("RYJ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".cedar"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("%s differs (%v):\n%s", golden, err, got)
			}
			for _, f := range (Checker{Own: "RYJ", Now: now}).CheckForm(mustForm(t, string(text))) {
				if f.Severity == SeverityError {
					t.Error(f)
				}
			}
		})
	}
}

func TestEveryBlockIsDocumentedAndItsExampleCompiles(t *testing.T) {
	for _, b := range Blocks() {
		t.Run(b.Name, func(t *testing.T) {
			text, err := mustForm(t, "name: x\nblocks:\n"+b.Example).Cedar("RYJ")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, `@id("`+b.Name+`")`) || strings.Count(text, "@reason(") < 1 {
				t.Errorf("no id or reason:\n%s", text)
			}
			if b.Does == "" {
				t.Error("the block does not say what it does")
			}
			for _, p := range b.Parameters {
				if p.Does == "" || p.Kind == "" || p.read == nil {
					t.Errorf("parameter %s is not documented", p.Name)
				}
			}
		})
	}
}

func TestFaultsOfAFormHaveTheirPlace(t *testing.T) {
	tests := []struct {
		name, text   string
		line, column int
		says         string
	}{
		{"empty", "", 1, 1, ""},
		{"only a word", "x", 1, 1, "keys with values"},
		{"no name", "blocks:\n  - block: own-records\n", 1, 1, "no name"},
		{"no blocks", "name: x\n", 1, 1, "no blocks"},
		{"empty blocks", "name: x\nblocks: []\n", 2, 9, "not an empty one"},
		{"unknown key", "name: x\nbloks: 1\n", 2, 1, "bloks"},
		{"unknown block", "name: x\nblocks:\n  - block: direct\n", 3, 12, "direct"},
		{"no block named", "name: x\nblocks:\n  - trusts: all\n", 3, 5, "which block"},
		{"unknown parameter", "name: x\nblocks:\n  - block: direct-care\n    trusts: all\n    trust: RAS\n", 5, 5, "trust"},
		{"missing parameter", "name: x\nblocks:\n  - block: direct-care\n", 3, 5, "needs trusts"},
		{"no types at all", "name: x\nblocks:\n  - block: only-types\n", 3, 5, "one of types"},
		{"unknown role", "name: x\nblocks:\n  - block: own-records\n    roles: [nurse, docter]\n", 4, 20, "docter"},
		{"unknown purpose", "name: x\nblocks:\n  - block: direct-care\n    trusts: all\n    purposes: direct\n", 5, 15, "direct"},
		{"unknown label", "name: x\nblocks:\n  - block: hide-sensitive\n    labels:\n      - HIV\n      - HIF\n", 6, 9, "HIF"},
		{"unknown level", "name: x\nblocks:\n  - block: own-records\n    up-to: X\n", 4, 12, "X"},
		{"not an ODS code", "name: x\nblocks:\n  - block: direct-care\n    trusts: [ras]\n", 4, 14, "ODS"},
		{"wrong check digit", "name: x\nblocks:\n  - block: only-types\n    types: [373942006]\n", 4, 13, "check digit"},
		{"twice in a list", "name: x\nblocks:\n  - block: own-records\n    roles: [nurse, nurse]\n", 4, 20, "twice"},
		{"key twice", "name: x\nname: y\n", 2, 1, ""},
		{"not a number", "name: x\nblocks:\n  - block: last-years\n    years: ten\n", 4, 12, "whole number"},
		{"not a flag", "name: x\nblocks:\n  - block: need-relationship\n    verified: maybe\n", 4, 15, "yes or no"},
		{"not a date", "name: x\neffective: soon\n", 2, 12, "date"},
		{"expires before it starts", "name: x\neffective: 2027-01-01\nexpires: 2026-01-01\n", 3, 10, "not after"},
		{"id of a block", "name: x\nblocks:\n  - block: own-records\n    id: direct-care\n", 4, 9, "id"},
		{"id that a second block gets", "name: x\nblocks:\n  - block: own-records\n    id: direct-care-2\n", 4, 9, "id"},
		{"id twice", "name: x\nblocks:\n  - {block: own-records, id: a}\n  - {block: own-records, id: a}\n", 4, 6, "two blocks"},
		{"anchor", "name: &a x\nblocks:\n  - block: own-records\n", 1, 7, "one value"},
		{"alias that loops", "name: x\nblocks: &b\n  - *b\n", 2, 9, ""},
		{"list that has itself", "name: x\nblocks:\n  - block: own-records\n    roles: &r [nurse, *r]\n", 4, 12, "one value"},
		{"alias in a list", "name: x\nblocks:\n  - block: own-records\n    roles: [nurse, *r]\n", 4, 20, "one value"},
		{"block that is another", "name: x\nblocks:\n  - block: own-records\n  - *b\n", 4, 5, "list of keys"},
		{"long line", "name: " + strings.Repeat("x", 8192), 1, 1, "longer"},
		{"merge", "name: x\n<<: {a: b}\n", 2, 1, ""},
		{"tag", "name: !!binary aGk=\nblocks:\n  - block: own-records\n", 1, 7, "one value"},
		{"two documents", "name: x\n---\nname: y\n", 3, 1, "one document"},
		{"deep flow", "name: " + strings.Repeat("[", 500), 1, 1, "nests"},
		{"deep entries", "name: x\nblocks:\n  " + strings.Repeat("- ", 500), 3, 1, "nests"},
		{"deep by lines", deepYAML(200), 130, 1, "nests"},
		{"huge", "name: " + strings.Repeat("x", maxForm), 1, 1, "at most"},
		{"not UTF-8", "name: \xff", 1, 1, "UTF-8"},
		{"many brackets", "name: x\n" + strings.Repeat("a: [{}]\n", 500), 1, 1, "brackets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseForm([]byte(tt.text))
			var te *TextError
			if !errors.As(err, &te) || !errors.Is(err, ErrAgreement) {
				t.Fatalf("got %v", err)
			}
			if f := te.Faults[0]; f.Line != tt.line || f.Column != tt.column || !strings.Contains(f.Text, tt.says) {
				t.Errorf("got %v, want %d:%d %q", err, tt.line, tt.column, tt.says)
			}
		})
	}
}

func deepYAML(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestTextOfAFormCannotBringARule(t *testing.T) {
	evil := "x\n@id(\"evil\") permit (principal, action, resource);\u2028permit (principal, action, resource);"
	f := mustForm(t, "name: x\nblocks:\n  - block: own-records\n")
	f.Name, f.Description, f.Owner = evil, evil, evil
	f.blocks[0].reason = `") permit (principal, action, resource); //` + "\n"
	text, err := f.Cedar("RYJ")
	if err != nil {
		t.Fatal(err)
	}
	if got := mustCompile(t, text).Rules(); len(got) != 1 || got[0] != "own-records" {
		t.Errorf("rules %v of\n%s", got, text)
	}
}

func TestFormKeepsItsTimes(t *testing.T) {
	f := mustForm(t, "name: x\neffective: 2026-12-01\nexpires: 2027-06-01T12:00:00+01:00\nblocks:\n  - block: own-records\n")
	if !f.Effective.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) || !f.Expires.Equal(time.Date(2027, 6, 1, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("%v %v", f.Effective, f.Expires)
	}
}

func TestZeroFormCompilesToNothing(t *testing.T) {
	if text, err := (Form{}).Cedar("RYJ"); err == nil {
		t.Errorf("got %q", text)
	}
	if text, err := mustForm(t, "name: x\nblocks:\n  - block: own-records\n").Cedar("ryj"); err == nil {
		t.Errorf("got %q", text)
	}
}

func FuzzParseForm(f *testing.F) {
	for _, file := range []string{"testdata/hospital.yaml", "testdata/community.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("name: x\nblocks:\n  - {block: direct-care, trusts: all, reason: \"\\\"); permit (principal, action, resource);\"}\n"))
	f.Add([]byte("a: &a [*a]\n? [b]\n: !!set {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		form, err := ParseForm(text)
		if err != nil {
			var te *TextError
			if !errors.As(err, &te) || len(te.Faults) == 0 || te.Faults[0].Line < 1 || te.Faults[0].Column < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		got, err := form.Cedar("RYJ")
		if err != nil {
			t.Fatalf("a form that parses does not compile: %v", err)
		}
		if again, _ := form.Cedar("RYJ"); again != got {
			t.Fatal("the same form gave two texts")
		}
	})
}

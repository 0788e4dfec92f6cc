package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestNHSNumbers(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "numbers.pdf", letter("numbers"))
	for _, c := range []struct {
		name   string
		number []string
		words  []string // of the message; none: accepted
	}{
		{"with spaces", []string{"943 476 5919"}, nil},
		{"in three arguments", []string{"943", "476", "5919"}, nil},
		{"with hyphens", []string{"943-476-5919"}, nil},
		{"fails its check digit", []string{"9434765918"}, []string{"NHS number", "check digit", "check it with the patient"}},
		{"two digits swapped", []string{"9437465919"}, []string{"NHS number", "check digit", "check it with the patient"}},
		{"all zeros", []string{"0000000000"}, []string{"NHS number", "placeholder", "check it with the patient"}},
		{"too short", []string{"943476591"}, []string{"NHS number", "9 digits", "check it with the patient"}},
		{"letters", []string{"94347659l9"}, []string{"NHS number", "not a digit", "check it with the patient"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.words == nil {
				o := p.json(t, append([]string{"locate", "--data", "d1"}, c.number...)...)
				if len(o.list(t, "documents")) == 0 {
					t.Errorf("nothing found: %v", o)
				}
				return
			}
			p.fails(t, admin.CodeBadInput, c.words, append([]string{"locate", "--data", "d1"}, c.number...)...)
			p.fails(t, admin.CodeBadInput, c.words, append([]string{"object", "--data", "d1"}, c.number...)...)
			o := p.fails(t, admin.CodeBadInput, append([]string{"numbers.pdf"}, c.words...), append([]string{"ingest", "--data", "d1", "numbers.pdf"}, particulars(c.number[0])...)...)
			if d := o.list(t, "documents"); len(d) != 1 || d[0]["outcome"] != "refused" || d[0]["code"] != "patient" {
				t.Errorf("got %v", d)
			}
		})
	}
}

// TestTextThatIsNoLineIsRefused sends it over the socket: reasons and evidence are signed, and shown on terminals and in reports.
func TestTextThatIsNoLineIsRefused(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	for name, bad := range map[string]string{"lines": "seen in\nresus today", "a terminal's commands": "seen in \x1b[31mresus", "order of text": "seen in \u202eresus", "too long": strings.Repeat("seen ", 300)} {
		for _, args := range [][]string{
			{"break-glass", "9434765919", "--user", "jsmith", "--role", "doctor", "--reason", bad},
			{"consent", "record", "9434765919", "--deny", "--evidence", bad, "--yes"},
			{"object", "9434765919", "--evidence", bad},
			{"review", "close", "x", "--outcome", "justified", "--note", bad, "--user", "g1", "--role", "governance-lead"},
			{"protect", "9434765919", "--reason", bad, "--user", "g1", "--role", "governance-lead"},
			{"withdraw", "RYJ-0000000000000000", "--reason", bad},
			{"suspend", "RAS", "--reason", bad},
			{"locate", "9434765919", "--user", bad},
			{"init", "--region", bad, "--trust", "RYJ", "--name", "N", "--listen", port(t), dev},
			{"init", "--region", "R", "--trust", "RYJ", "--name", bad, "--listen", port(t), dev},
		} {
			if args[0] != "break-glass" && name != "lines" {
				continue
			}
			t.Run(args[0]+", "+name, func(t *testing.T) {
				p.fails(t, admin.CodeBadInput, []string{"one line of text"}, append(args, "--data", "d1")...)
			})
		}
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "bad/empty.pdf", "")
	p.write(t, "bad/jpeg.pdf", "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9")
	p.write(t, "bad/text.pdf", "this is only text\n")
	p.write(t, "bad/cut.pdf", letter("cut")[:40])
	p.write(t, "bad/locked.pdf", letter("locked"))
	if err := os.Symlink("nowhere.pdf", p.path("bad/dangling.pdf")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.path("bad/locked.pdf"), 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, file string
		words      []string
	}{
		{"empty", "bad/empty.pdf", []string{"empty.pdf", "empty", "again"}},
		{"not there", "bad/none.pdf", []string{"none.pdf", "no such file", "check the name"}},
		{"a link to nowhere", "bad/dangling.pdf", []string{"dangling.pdf", "nowhere", "put the file itself there"}},
		{"not readable", "bad/locked.pdf", []string{"locked.pdf", "permission denied", "may read it"}},
		{"not what its name says", "bad/jpeg.pdf", []string{"jpeg.pdf", "not what its name says", "JPEG", "name it .jpg"}},
		{"text that is called PDF", "bad/text.pdf", []string{"text.pdf", "not what its name says"}},
		{"broken off", "bad/cut.pdf", []string{"cut.pdf", "damaged", "again"}},
		{"a folder", "bad", []string{"bad is a folder", "name one file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "not readable" && os.Geteuid() == 0 {
				t.Skip("root may read everything: go test -run TestBadFiles ./cmd/ridgeway as an ordinary user, or .ci/run nobody")
			}
			p.fails(t, admin.CodeBadInput, c.words, append([]string{"ingest", "--data", "d1", c.file}, particulars(patient)...)...)
		})
	}
}

func TestBadParticulars(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "particulars.pdf", letter("particulars"))
	for _, c := range []struct {
		name, flag, value string
		words             []string
	}{
		{"no title", "--title", "", []string{"needs --title", "--help"}},
		{"a date the other way round", "--date", "01/03/2026", []string{"particulars.pdf", "01/03/2026", "2024-03-31"}},
		{"a date to come", "--date", "2199-01-01", []string{"2199-01-01", "future"}},
		{"confidentiality unknown", "--confidentiality", "X", []string{"confidentiality", "N, U, L, M, R, V"}},
		{"supersedes nonsense", "--supersedes", "xyz", []string{"supersedes", "xyz"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.fails(t, admin.CodeBadInput, c.words, append(append([]string{"ingest", "--data", "d1", "particulars.pdf"}, particulars(patient)...), c.flag, c.value)...)
		})
	}
}

const header = "file,patient,type,title,date\n"

func row(file, number string) string { return file + "," + number + ",373942005,Letter,2026-01-02\n" }

func TestManifestHeaders(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "headers/a.pdf", letter("headers"))
	for _, c := range []struct {
		name, content string
		words         []string
	}{
		{"a wrong name", "file,nhs number,type,title,date\n", []string{"missing: patient", `"nhs number"`, `did you mean "patient"`, "expected: file,patient,type,title,date"}},
		{"none", row("a.pdf", patient), []string{"not the header", "expected: file,patient,type,title,date"}},
		{"semicolons", strings.ReplaceAll(header, ",", ";"), []string{"semicolons", "save it as CSV with commas"}},
		{"nothing at all", "", []string{"empty", "first line must be: file,patient,type,title,date"}},
		{"UTF-16", "\xff\xfef\x00i\x00", []string{"UTF-16", "save it as CSV UTF-8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := p.write(t, strings.ReplaceAll(c.name, " ", "-")+".csv", c.content)
			p.fails(t, admin.CodeBadInput, append(c.words, name), "ingest", "--data", "d1", "--manifest", name, "headers")
		})
	}
	t.Run("with what is for one file", func(t *testing.T) {
		name := p.write(t, "labels.csv", header+row("a.pdf", patient))
		for _, flag := range [][]string{{"--title", "T"}, {"--confidentiality", "R"}, {"--sensitivity", "HIV"}, {"--legal", "GRA"}} {
			p.fails(t, admin.CodeBadInput, []string{flag[0] + " is for one file", "leave " + flag[0] + " out"}, append([]string{"ingest", "--data", "d1", "--manifest", name, "headers"}, flag...)...)
		}
	})
	t.Run("no such manifest", func(t *testing.T) {
		p.fails(t, admin.CodeBadInput, []string{"--manifest", "gone.csv", "no such file"}, "ingest", "--data", "d1", "--manifest", "gone.csv", "headers")
	})
	t.Run("no such folder", func(t *testing.T) {
		name := p.write(t, "folder.csv", header)
		p.fails(t, admin.CodeBadInput, []string{"gone", "not a folder", "name the folder"}, "ingest", "--data", "d1", "--manifest", name, "gone")
	})
}

// TestManifestWithBadRows takes in the good rows, lists the bad ones by their lines, and then only what is missing.
func TestManifestWithBadRows(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	for _, name := range []string{"one", "two", "three"} {
		p.write(t, "mixed/"+name+".pdf", letter("mixed "+name))
	}
	lines := []string{
		strings.TrimSuffix(header, "\n"), // line 1
		row("one.pdf", otherPatient),     // 2
		row("missing.pdf", otherPatient), // 3: not there
		row("two.pdf", "9434765918"),     // 4: fails its check
		row("three.pdf", otherPatient),   // 5
		row("one.pdf", otherPatient),     // 6: listed before
		"three.pdf,too,few\n",            // 7
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\n")
	}
	p.write(t, "mixed.csv", strings.Join(lines, "\n")+"\n")
	args := []string{"ingest", "--data", "d1", "--manifest", "mixed.csv", "mixed"}
	o := p.fails(t, admin.CodePartly, []string{"4 of 6 rows", "run the same command again", "only what is missing"}, args...)
	for line, want := range map[int]struct{ outcome, code, says string }{
		2: {"taken_in", "", ""},
		3: {"refused", "missing_file", "no such file"},
		4: {"refused", "patient", "check digit"},
		5: {"taken_in", "", ""},
		6: {"refused", "duplicate", "line 2"},
		7: {"refused", "row", "3 fields"},
	} {
		d := atLine(t, o, line)
		code, _ := d["code"].(string)
		if d["outcome"] != want.outcome || code != want.code || !strings.Contains(d["reason"].(string), want.says) {
			t.Errorf("line %d: got %v, want %v", line, d, want)
		}
	}
	text := p.run(t, args...)
	for _, line := range []string{"line 3, missing.pdf", "line 4, two.pdf", "line 6, one.pdf", "line 7"} {
		if !strings.Contains(text.out, line) {
			t.Errorf("the list lacks %q: %v", line, text)
		}
	}
	if text.status != 10 {
		t.Errorf("got status %d, want 10", text.status)
	}

	p.write(t, "mixed/missing.pdf", letter("mixed missing"))
	lines[3], lines = row("two.pdf", otherPatient), lines[:5]
	lines[3] = strings.TrimSuffix(lines[3], "\n")
	p.write(t, "mixed.csv", strings.Join(lines, "\n")+"\n")
	again := p.json(t, args...)
	if again["taken_in"] != float64(2) || again["already_held"] != float64(2) || again["refused"] != float64(0) {
		t.Errorf("the second run takes in only what was missing: got %v", again)
	}
	if once := p.json(t, args...); once["already_held"] != float64(4) {
		t.Errorf("the third run takes in nothing: got %v", once)
	}
}

func atLine(t *testing.T, o object, line int) object {
	t.Helper()
	all := o.list(t, "documents")
	i := slices.IndexFunc(all, func(d object) bool { return d["line"] == float64(line) })
	if i < 0 {
		t.Fatalf("line %d is not listed in %v", line, o)
	}
	return all[i]
}

func TestUnknownDocument(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	for _, c := range []struct {
		name, id string
		code     admin.Code
		words    []string
	}{
		{"of a trust of the region", "RYJ-0000000000000000", admin.CodeNotFound, []string{"RYJ-0000000000000000", "ridgeway locate"}},
		{"of a trust that is not", "RZZ-0000000000000000", admin.CodeNotFound, []string{"RZZ-0000000000000000", "ridgeway locate"}},
		{"not an id", "letter.pdf", admin.CodeBadInput, []string{"letter.pdf", "ridgeway locate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.fails(t, c.code, c.words, "fetch", "--data", "d1", c.id, "--out", "unknown.bin")
			if _, err := os.Stat(p.path("unknown.bin.part")); err == nil {
				t.Error("a .part file was left behind")
			}
		})
	}
	p.fails(t, admin.CodeBadInput, []string{"RZZ", "only they"}, "withdraw", "--data", "d1", "RZZ-0000000000000000")
	p.fails(t, admin.CodeNotFound, []string{"RYJ-0000000000000000"}, "withdraw", "--data", "d1", "RYJ-0000000000000000")
}

// TestWithdrawnDocumentTakenInAgain stays withdrawn, says so, and has a way back.
func TestWithdrawnDocumentTakenInAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t, quick)
	p.founded(t, "d1")
	p.write(t, "back.pdf", letter("back"))
	id := p.ingest(t, "d1", patient, "back.pdf")
	p.listed(t, "d1", 1)
	p.fails(t, admin.CodeDenied, []string{"records-staff"}, "withdraw", "--data", "d1", id, "--as", "nurse")
	p.json(t, "withdraw", "--data", "d1", id, "--reason", "wrong patient", "--by", "r.desk")
	kept := p.json(t, "audit", "search", "--data", "d1", "--document", id, "--kind", "withdrawal").list(t, "entries")
	if len(kept) != 1 || kept[0]["user"] != "r.desk" || kept[0]["role"] != "records-staff" {
		t.Errorf("the audit log does not name who has withdrawn it: %v", kept)
	}
	p.listed(t, "d1", 0)
	again := append([]string{"ingest", "--data", "d1", "back.pdf"}, particulars(patient)...)
	if e := p.run(t, again...); e.status != 0 || !strings.Contains(e.out, "held already") || !strings.Contains(e.out, "wrong patient") || !strings.Contains(e.out, "ridgeway withdraw --undo "+id) {
		t.Errorf("it does not say that it was withdrawn: %v", e)
	}
	if n := len(p.json(t, "locate", "--data", "d1", patient).list(t, "documents")); n != 0 {
		t.Errorf("taking it in again shares it: %d documents are found", n)
	}
	if o := p.json(t, "withdraw", "--data", "d1", id, "--undo", "--reason", "it was the right one"); o["committed"] != true {
		t.Errorf("got %v", o)
	}
	if n := len(p.json(t, "locate", "--data", "d1", patient).list(t, "documents")); n != 1 {
		t.Errorf("found %d documents, want the one that is shared again", n)
	}
	p.json(t, "fetch", "--data", "d1", id, "--out", "back-got.pdf")
	if o := p.json(t, again...); strings.Contains(o.list(t, "documents")[0]["reason"].(string), "withdrawn") || o.list(t, "documents")[0]["warnings"] != nil {
		t.Errorf("it still says that it is withdrawn: %v", o)
	}
	p.fails(t, admin.CodeNotFound, []string{"RYJ-0000000000000000"}, "withdraw", "--data", "d1", "RYJ-0000000000000000", "--undo")
}

func TestBadFetchOptions(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	id := p.json(t, "locate", "--data", "d1", patient).list(t, "documents")[0]["document"].(string)
	for _, c := range []struct {
		name  string
		flags []string
		words []string
	}{
		{"pages backwards", []string{"--pages", "3-1"}, []string{"--pages", "3-1", "backwards"}},
		{"pages that are none", []string{"--pages", "first"}, []string{"--pages", "first", "1-3,7"}},
		{"a range backwards", []string{"--range", "9-3"}, []string{"--range", "9-3", "0-1023"}},
		{"pages and a range", []string{"--range", "0-3", "--pages", "1"}, []string{"--pages", "--range", "give one"}},
		{"a role that is none", []string{"--role", "wizard"}, []string{"wizard", "clinician"}},
		{"a purpose that is none", []string{"--purpose", "FUN"}, []string{"FUN", "TREAT"}},
		{"a folder that is not there", []string{"--out", "gone/x.pdf"}, []string{"gone", "no folder", "make it"}},
		{"a folder", []string{"--out", "d1"}, []string{"d1 is a folder", "name a file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"fetch", "--data", "d1", id, "--out", "options.bin"}
			p.fails(t, admin.CodeBadInput, c.words, append(args, c.flags...)...)
		})
	}
	p.fails(t, admin.CodeBadInput, []string{id, "--pages", "no page 2", "has one page"}, "fetch", "--data", "d1", id, "--out", "options.bin", "--pages", "2-3")
	p.write(t, "one-page.txt", "one page of text\n")
	text := p.json(t, append([]string{"ingest", "--data", "d1", "one-page.txt"}, particulars(otherPatient)...)...).list(t, "documents")[0]["document"].(string)
	p.fails(t, admin.CodeBadInput, []string{text, "--pages", "no page 2", "has one page"}, "fetch", "--data", "d1", text, "--out", "options.bin", "--pages", "1-3")
	p.fails(t, admin.CodeNotFound, []string{id, "nothing from byte 100000 on", "ridgeway locate"}, "fetch", "--data", "d1", id, "--out", "options.bin", "--range", "100000-")
	p.fails(t, admin.CodeNotFound, []string{id, "no part 2", "the document has 1", "ridgeway locate"}, "fetch", "--data", "d1", id, "--out", "options.bin", "--part", "2")
	e := p.run(t, "fetch", "--data", "d1", id, "--out", "-", "--json")
	e.failure(t, admin.CodeBadInput, "--json", "--out -", "name a file")
}

// TestFailuresForPeople are told on standard error, in one line unless a list needs more, and leave standard output empty.
func TestFailuresForPeople(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	for code, args := range map[admin.Code][]string{
		admin.CodeBadInput: {"locate", "--data", "d1", "9434765918"},
		admin.CodeNotFound: {"fetch", "--data", "d1", "RYJ-0000000000000000"},
		admin.CodeInUse:    {"serve", "--data", "d1", dev},
	} {
		e := p.run(t, args...)
		if e.status != exitStatus[code] || e.out != "" || !strings.Contains(e.errOut, "ridgeway: ") {
			t.Errorf("got %v", e)
		}
	}
}

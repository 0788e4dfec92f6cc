package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const header = "file,patient,type,title,date,document,part,parts,confidentiality,supersedes,language\n"

// store is a Taker that holds digests, as a node does.
type store struct {
	mu    sync.Mutex
	held  map[string]federation.DocumentID
	items []Item
	hook  func(context.Context, Item) error
}

func (s *store) Take(ctx context.Context, item Item) (Receipt, error) {
	if s.hook != nil {
		if err := s.hook(ctx, item); err != nil {
			return Receipt{}, err
		}
	}
	h := sha256.New()
	fmt.Fprint(h, item.Patient, item.Type, item.Title, item.Date)
	for _, p := range item.Parts {
		if _, err := io.Copy(h, io.NewSectionReader(p.Content, 0, p.Size)); err != nil {
			return Receipt{}, fmt.Errorf("read part: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(h.Sum(nil))
	if id := s.held[key]; id != "" {
		return Receipt{Document: id, AlreadyHeld: true}, nil
	}
	if s.held == nil {
		s.held = map[string]federation.DocumentID{}
	}
	s.held[key] = federation.NewDocumentID("RYJ", federation.DocumentKey{byte(len(s.held) + 1)})
	s.items = append(s.items, item)
	return Receipt{Document: s.held[key]}, nil
}

func config(s Taker) Config {
	return Config{
		Taker: s, Workers: 3, Now: func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) },
		KnownType: func(c string) bool { return c != "local:odd" },
		CheckPatient: func(n string) (string, error) {
			if n = bare(n); len(n) != 10 || !digits(n) {
				return "", errors.New("not a valid NHS number")
			}
			return n, nil
		},
	}
}

// drop makes a folder with these files.
func drop(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func take(t *testing.T, cfg Config, dir, rows string) Report {
	t.Helper()
	m, err := ParseManifest(strings.NewReader(header + rows))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(context.Background(), cfg, dir, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(m.Rows) || report.Rows != len(m.Rows) {
		t.Fatalf("%d results for %d rows", len(report.Results), len(m.Rows))
	}
	return report
}

func TestGoodRowsGoInAndBadOnesAreListed(t *testing.T) {
	dir := drop(t, map[string]string{
		"a.txt": "letter a", "sub/b.txt": "letter b", "empty.txt": "", "not.pdf": "<html><body>error", "cut.pdf": "%PDF-1.4 and no end",
		"cafe\u0301.txt": "decomposed on disk", "Case.txt": "x", "big.bin": strings.Repeat("\x00\x01", 600), "same.txt": "s", "two.txt": "t",
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	cfg := config(&store{})
	cfg.MaxFileBytes = 1000
	ok := ",9991234560,373942005,Title,2024-03-31,,,,,,\n"
	for _, c := range []struct {
		name, row string
		want      Outcome
		code      Code
		says      string
	}{
		{"plain", "a.txt" + ok, TakenIn, "", ""},
		{"in a folder, written the Windows way", `sub\b.txt` + ok, TakenIn, "", ""},
		{"composed in the manifest, decomposed on disk", "caf\u00e9.txt" + ok, TakenIn, "", ""},
		{"spaced number", "a.txt,999 123 4560,373942005,Other title,2024-03-31T10:00:00Z,,,,r,,cy\n", TakenIn, "", ""},
		{"missing", "none.txt" + ok, Refused, CodeMissingFile, "no such file"},
		{"missing but for the case", "case.TXT" + ok, Refused, CodeMissingFile, `did you mean "Case.txt"`},
		{"up and out", "../a.txt" + ok, Refused, CodeOutside, "out of the folder"},
		{"up and out, hidden", "sub/../../x.txt" + ok, Refused, CodeOutside, "out of the folder"},
		{"absolute", "/etc/passwd" + ok, Refused, CodeOutside, "out of the folder"},
		{"drive", `C:\scans\a.txt` + ok, Refused, CodeOutside, "out of the folder"},
		{"link out", "link.txt" + ok, Refused, CodeOutside, "link"},
		{"folder", "sub" + ok, Refused, CodeUnreadable, "not a file"},
		{"NUL in the name", "a\x00b" + ok, Refused, CodeUnreadable, ""},
		{"empty file", "empty.txt" + ok, Refused, CodeEmptyFile, "empty"},
		{"not what its name says", "not.pdf" + ok, Refused, CodeMismatch, "content is HTML"},
		{"damaged", "cut.pdf" + ok, Refused, CodeDamaged, "cut off"},
		{"too large", "big.bin" + ok, Refused, CodeTooLarge, "may have 1000 at most: split it, and take the pieces in as parts"},
		{"bad number", "a.txt,12345,373942005,Title,2024-03-31,,,,,,\n", Refused, CodePatient, "NHS number"},
		{"bad date", "a.txt,9991234560,373942005,Title,31.3.24,,,,,,\n", Refused, CodeDate, "write it as 2024-03-31"},
		{"the other form of date", "a.txt,9991234560,373942005,Title,03/04/2024,,,,,,\n", Refused, CodeDate, "write it as 2024-03-31"},
		{"future", "a.txt,9991234560,373942005,Title,2030-01-01,,,,,,\n", Refused, CodeDate, "future"},
		{"ancient", "a.txt,9991234560,373942005,Title,1066-01-01,,,,,,\n", Refused, CodeDate, "before 1900"},
		{"no title", "a.txt,9991234560,373942005,,2024-03-31,,,,,,\n", Refused, CodeField, "title is empty"},
		{"no file", ",9991234560,373942005,T,2024-03-31,,,,,,\n", Refused, CodeField, "file is empty"},
		{"control characters", "a.txt,9991234560,373942005,\"a\nb\",2024-03-31,,,,,,\n", Refused, CodeField, "title has more than one line"},
		{"tab", "a.txt,9991234560,373942005,\"a\tb\",2024-03-31,,,,,,\n", Refused, CodeField, "title has a control character"},
		{"order of text turned", "a.txt,9991234560,373942005,\"Letter \u202egnol\",2024-03-31,,,,,,\n", Refused, CodeField, "title has a mark that turns the order of text"},
		{"doubtful confidentiality", "a.txt,9991234560,373942005,T,2024-03-31,,,,secret,,\n", Refused, CodeField, "none of N"},
		{"doubtful language", "a.txt,9991234560,373942005,T,2024-03-31,,,,,,English!\n", Refused, CodeField, "language"},
		{"doubtful supersedes", "a.txt,9991234560,373942005,T,2024-03-31,,,,,letter 7,\n", Refused, CodeField, "supersedes"},
		{"part without a document", "a.txt,9991234560,373942005,T,2024-03-31,,2,3,,,\n", Refused, CodeParts, "1, 3 are not listed"},
		{"short row", "a.txt,1\n", Refused, CodeRow, "2 fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := take(t, cfg, dir, c.row).Results[0]
			if r.Outcome != c.want || r.Code != c.code || !strings.Contains(r.Reason, c.says) || r.Line != 2 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestReferenceIsKeptAsItStands reads the id of a referral from a manifest, and refuses one that is none.
func TestReferenceIsKeptAsItStands(t *testing.T) {
	s := &store{}
	m, err := ParseManifest(strings.NewReader("file,patient,type,title,date,reference\n" +
		"a.txt,9991234560,373942005,T,2024-03-31, UBRN 0000 4983 1234 \n" +
		"b.txt,9991234560,373942005,T,2024-03-31,\"two\nlines\"\n" +
		"c.txt,9991234560,373942005,T,2024-03-31," + strings.Repeat("9", maxReference+1) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), config(s), drop(t, map[string]string{"a.txt": "a", "b.txt": "b", "c.txt": "c"}), m)
	if err != nil || len(s.items) != 1 || s.items[0].Reference != "UBRN 0000 4983 1234" {
		t.Fatalf("%v, %+v", err, s.items)
	}
	for _, r := range report.Results[1:] {
		if r.Outcome != Refused || r.Code != CodeField || !strings.Contains(r.Reason, "reference") {
			t.Errorf("got %+v", r)
		}
	}
}

func TestUnknownTypeIsOnlyWarnedOf(t *testing.T) {
	r := take(t, config(&store{}), drop(t, map[string]string{"a.txt": "a"}), "a.txt,9991234560,local:odd,Title,2024-03-31,,,,,,\n").Results[0]
	if r.Outcome != TakenIn || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], `"local:odd"`) {
		t.Errorf("got %+v", r)
	}
}

func TestRepeatedAndContestedFiles(t *testing.T) {
	dir := drop(t, map[string]string{"a.txt": "a", "b.txt": "b"})
	got := take(t, config(&store{}), dir, `a.txt,9991234560,823681000000100,Title,2024-03-31,,,,,,
b.txt,9991234560,823681000000100,Title,2024-03-31,,,,,,
./a.txt,999 123 4560,823681000000100,Title,2024-03-31,,,,,,
b.txt,9991234579,823681000000100,Title,2024-03-31,,,,,,
`)
	want := []struct {
		outcome Outcome
		code    Code
		says    string
	}{{TakenIn, "", ""}, {Refused, CodeConflict, "line 5"}, {Refused, CodeDuplicate, "line 2"}, {Refused, CodeConflict, "line 3"}}
	for i, w := range want {
		if r := got.Results[i]; r.Outcome != w.outcome || r.Code != w.code || !strings.Contains(r.Reason, w.says) {
			t.Errorf("line %d: got %+v", r.Line, r)
		}
	}
}

func TestPartsOfADocumentGoInTogetherOrNotAtAll(t *testing.T) {
	dir := drop(t, map[string]string{"1.txt": "one", "2.txt": "two", "3.txt": "three", "x.txt": "x", "y.txt": ""})
	row := func(file, doc, part, parts string) string {
		return fmt.Sprintf("%s,9991234560,823681000000100,Title,2024-03-31,%s,%s,%s,,,\n", file, doc, part, parts)
	}
	for _, c := range []struct {
		name, rows string
		want       []Code // empty: taken in
		says       string
	}{
		{"whole, apart and out of order", row("2.txt", "A", "2", "3") + row("x.txt", "", "", "") + row("3.txt", "A", "3", "3") + row("1.txt", "A", "1", "3"), []Code{"", "", "", ""}, ""},
		{"unnumbered, in the order of the manifest", row("1.txt", "A", "", "") + row("2.txt", "A", "", ""), []Code{"", ""}, ""},
		{"a part missing", row("1.txt", "A", "1", "3") + row("3.txt", "A", "3", "3"), []Code{CodeParts, CodeSibling}, "of 3 parts 2 is not listed"},
		{"a part too many", row("1.txt", "A", "1", "1") + row("2.txt", "A", "2", "1"), []Code{CodeParts, CodeSibling}, "more are there"},
		{"a part twice", row("1.txt", "A", "1", "2") + row("2.txt", "A", "1", "2"), []Code{CodeSibling, CodeParts}, "line 2 already"},
		{"counts differ", row("1.txt", "A", "1", "2") + row("2.txt", "A", "2", "3"), []Code{CodeSibling, CodeParts}, ""},
		{"silly number", row("1.txt", "A", "0", "2") + row("2.txt", "A", "2", "2"), []Code{CodeParts, CodeSibling}, ""},
		{"a bad file", row("1.txt", "A", "1", "2") + row("y.txt", "A", "2", "2") + row("x.txt", "", "", ""), []Code{CodeSibling, CodeEmptyFile, ""}, "empty"},
		{"another patient", row("1.txt", "A", "1", "2") + strings.Replace(row("2.txt", "A", "2", "2"), "4560", "4579", 1), []Code{CodeSibling, CodeParts}, "patient is not that of line 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &store{}
			report := take(t, config(s), dir, c.rows)
			var got []Code
			said := false
			for _, r := range report.Results {
				got = append(got, r.Code)
				said = said || strings.Contains(r.Reason, c.says)
			}
			if d := cmp.Diff(c.want, got); d != "" || !said {
				t.Errorf("%s\n%+v", d, report.Results)
			}
			for _, item := range s.items {
				for i, p := range item.Parts {
					if len(item.Parts) > 1 && p.Name != fmt.Sprintf("%d.txt", i+1) {
						t.Errorf("part %d is %s", i+1, p.Name)
					}
				}
			}
		})
	}
}

func TestItemSaysWhatTheRowSays(t *testing.T) {
	s := &store{}
	id := federation.NewDocumentID("RYJ", federation.DocumentKey{7})
	dir := drop(t, map[string]string{"a.txt": "a"})
	take(t, config(s), dir, "a.txt,999 123 4560,373942005,Title,2024-03-31,,,,v,"+strings.ToLower(string(id))+",cy\n")
	got := s.items[0]
	if got.Patient != "9991234560" || got.Confidentiality != "V" || got.Supersedes != id || got.Language != "cy" || !got.Date.Equal(time.Date(2024, 3, 31, 0, 0, 0, 0, time.UTC)) ||
		got.Parts[0].Info.ContentType != "text/plain" || got.Parts[0].Size != 1 || got.Line != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestASecondRunChangesNothing(t *testing.T) {
	s, dir := &store{}, drop(t, map[string]string{"a.txt": "a", "b.txt": "b"})
	rows := "a.txt,9991234560,823681000000100,A,2024-03-31,,,,,,\nb.txt,9991234560,823681000000100,B,2024-03-31,,,,,,\n"
	first, second := take(t, config(s), dir, rows), take(t, config(s), dir, rows)
	if first.TakenIn != 2 || first.Documents != 2 || first.Bytes != 2 || first.Pages != 2 {
		t.Errorf("first: %+v", first.Counts)
	}
	if second.AlreadyHeld != 2 || second.TakenIn != 0 || second.Bytes != 0 || second.Results[0].Document != first.Results[0].Document {
		t.Errorf("second: %+v", second.Counts)
	}
}

func TestCheckOnlyHandsNothingOver(t *testing.T) {
	cfg := config(nil)
	cfg.CheckOnly = true
	got := take(t, cfg, drop(t, map[string]string{"a.txt": "a"}), "a.txt,9991234560,823681000000100,A,2024-03-31,,,,,,\nb.txt,9991234560,823681000000100,B,2024-03-31,,,,,,\n")
	if got.Checked != 1 || got.Refused != 1 {
		t.Errorf("got %+v", got.Counts)
	}
}

func TestPageCountOfABureauMustHold(t *testing.T) {
	dir := drop(t, map[string]string{"a.txt": "a", "b.txt": "b", "c.txt": "c"})
	text := strings.Join(bureauHeader(), ",") + "\na.txt,1,Y,9991234560,,,31/03/2024,,,\nb.txt,2,Y,9991234560,,,31/03/2024,,,\nc.txt,x,Y,9991234560,,,2024-03-31,,,\n"
	m, err := ParseManifest(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Run(context.Background(), config(&store{}), dir, m)
	if err != nil || got.Results[0].Outcome != TakenIn || got.Results[1].Code != CodePageCount || got.Results[2].Code != CodeDate {
		t.Errorf("%+v, %v", got.Results, err)
	}
}

func TestProgressCountsUp(t *testing.T) {
	dir, rows := many(t, 20)
	cfg := config(&store{})
	last := 0
	cfg.Progress = func(p Progress) {
		if p.Total != 20 || p.Rows != last+1 {
			t.Errorf("got %+v after %d", p, last)
		}
		last = p.Rows
	}
	take(t, cfg, dir, rows)
	if last != 20 {
		t.Errorf("%d of 20 rows were told of", last)
	}
}

func TestSingleFileTakesTheSamePath(t *testing.T) {
	dir := drop(t, map[string]string{"a.txt": "a"})
	s := &store{}
	row := Row{Patient: "999 123 4560", Type: "823681000000100", Title: "T", Date: "2024-03-31"}
	r, err := File(context.Background(), config(s), filepath.Join(dir, "a.txt"), row)
	if err != nil || r.Outcome != TakenIn || r.File != "a.txt" || s.items[0].Patient != "9991234560" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = File(context.Background(), config(s), filepath.Join(dir, "b.txt"), row); err != nil || r.Code != CodeMissingFile {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = File(context.Background(), config(s), filepath.Join(dir, "none", "b.txt"), row); err == nil {
		t.Error("a folder that is not there was opened")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Taker = nil }, func(c *Config) { c.CheckPatient = nil }, func(c *Config) { c.Now = nil }, func(c *Config) { c.Workers = -1 },
	} {
		cfg := config(&store{})
		change(&cfg)
		if _, err := Run(context.Background(), cfg, t.TempDir(), &Manifest{}); !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
	}
}

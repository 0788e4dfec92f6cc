package ingest

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestManifestIsReadInAnyColumnOrderWithMarkAndLineEnds(t *testing.T) {
	text := "\ufeffDate, FILE ,patient,title,type,author\r\n2024-03-31,a\\b.pdf,999 123 4560,\"Letter, with a comma\",373942005,Dr A\r\n\r\n2024-04-01,c.pdf,9991234560,T,1,\r\n"
	m, err := ParseManifest(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{
		{Line: 2, File: `a\b.pdf`, Patient: "999 123 4560", Type: "373942005", Title: "Letter, with a comma", Date: "2024-03-31", Author: "Dr A"},
		{Line: 4, File: "c.pdf", Patient: "9991234560", Type: "1", Title: "T", Date: "2024-04-01"},
	}
	if d := cmp.Diff(want, m.Rows, cmpopts.IgnoreUnexported(Row{})); d != "" {
		t.Error(d)
	}
}

func TestWrongHeaderIsExplained(t *testing.T) {
	for _, c := range []struct {
		name, header string
		says         []string
	}{
		{"missing", "file,patient,type,title", []string{"missing: date", "expected: file,patient,type,title,date"}},
		{"misspelt", "file,patiant,type,title,date", []string{"missing: patient", `unknown: "patiant" (did you mean "patient"?)`}},
		{"another word", "filename,NHS Number,type,title,date", []string{`did you mean "file"?`, `did you mean "patient"?`}},
		{"nothing like it", "file,patient,type,title,date,shoe size", []string{`unknown: "shoe size"; expected`}},
		{"twice", "file,patient,type,title,date,title", []string{"there twice: title"}},
		{"semicolons", "file;patient;type;title;date", []string{"semicolons"}},
		{"tabs", "file\tpatient\ttype\ttitle\tdate", []string{"tabs"}},
		{"no header", "a.pdf,9991234560,373942005,Letter,2024-01-01", []string{"missing: file, patient"}},
		{"bureau out of order", "NHS-NO,FILEPATH,PAGE COUNT,GP-PRACTICE-CODE,SECTION,SUB-SECTION,SCAN-DATE,SCAN-ID,USER-ID,UPLOAD", []string{"exactly these in this order"}},
		{"bureau incomplete", "FILEPATH,NHS-NO,PAGES", []string{"missing: PAGE COUNT, GP-PRACTICE-CODE", `unknown: "PAGES"`}},
		{"bad quotation", "file,pat\"ient,type", []string{"cannot be read as CSV"}},
	} {
		_, err := ParseManifest(strings.NewReader(c.header + "\n"))
		var e *HeaderError
		if !errors.Is(err, ErrHeader) || !errors.As(err, &e) {
			t.Errorf("%s: got %v, want ErrHeader", c.name, err)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %q does not say %q", c.name, err, s)
			}
		}
	}
}

func TestManifestThatIsNoneIsRefused(t *testing.T) {
	broken := errors.New("disk")
	for _, c := range []struct {
		name, text string
		want       error
	}{{"empty", "", ErrManifest}, {"a mark only", "\ufeff", ErrManifest}, {"UTF-16", "\xff\xfef\x00", ErrManifest}} {
		if _, err := ParseManifest(strings.NewReader(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if _, err := ParseManifest(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

func TestBadLinesComeBackWithTheirNumbers(t *testing.T) {
	text := "file,patient,type,title,date\na,b,c,d,2024-01-01\na,b\nx\"y,b,c,d,e\n\xff\xfe,b,c,d,e\n\"multi\nline\",b,c,d,e\nz,b,c,d,e\n" + strings.Repeat("w", maxRowBytes+1) + ",b,c,d,e\n"
	m, err := ParseManifest(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range m.Rows {
		code := Code("ok")
		if r.problem != nil {
			code = r.problem.Code
		}
		got = append(got, string(code)+"@"+string(rune('0'+r.Line)))
	}
	if d := cmp.Diff([]string{"ok@2", "row@3", "row@4", "encoding@5", "ok@6", "ok@8", "row@9"}, got); d != "" {
		t.Error(d)
	}
}

func TestBureauRowsSayWhatTheFileNameSays(t *testing.T) {
	header := strings.Join(bureauHeader(), ",") + "\n"
	line := `/9991234560/1of2_Lloyd_George_Record_[Ada Testingham]_[9991234560]_[03-04-1950].pdf,12,Y00001,9991234560,LG,Letters,31/03/2024,S1,U1,x` + "\n"
	other := `box 7\scan.pdf,,Y00001,9991234560,,,31/03/2024,S1,U1,x` + "\n"
	wrong := `1of1_Lloyd_George_Record_[Ada Testingham]_[9991234579]_[03-04-1950].pdf,,Y00001,9991234560,,,31/03/2024,S1,U1,x` + "\n"
	odd := `Xof1_Lloyd_George_Record_[A]_[9991234560]_[03-04-1950].pdf,,Y00001,9991234560,,,31/03/2024,S1,U1,x` + "\n"
	m, err := ParseManifest(strings.NewReader(header + line + other + wrong + odd))
	if err != nil || len(m.Rows) != 4 {
		t.Fatalf("%d rows, %v", len(m.Rows), err)
	}
	r := m.Rows[0]
	if r.Part != "1" || r.Parts != "2" || r.Document == "" || r.PageCount != "12" || r.Type != "16521000000101" || !strings.HasPrefix(r.File, "999") || !strings.Contains(r.Title, "LG Letters") {
		t.Errorf("got %+v", r)
	}
	if m.Rows[1].problem != nil || m.Rows[1].Document != "" {
		t.Errorf("a plain name: %+v", m.Rows[1])
	}
	if p := m.Rows[2].problem; p == nil || p.Code != CodePatient {
		t.Errorf("another number in the name: %v", p)
	}
	if p := m.Rows[3].problem; p == nil || p.Code != CodeParts {
		t.Errorf("no count in the name: %v", p)
	}
}

// FuzzParseManifest checks that no text makes the parser or the planner panic, and that every row is planned exactly once.
func FuzzParseManifest(f *testing.F) {
	f.Add("file,patient,type,title,date\na.pdf,999 123 4560,1,t,2024-01-01\n")
	f.Add("\ufefffile,patient,type,title,date,document,part,parts\r\na,1,1,t,d,x,1,2\r\nb,1,1,t,d,x,2,2\r\na,2,,,,,,\r\n\"")
	f.Add(strings.Join(bureauHeader(), ",") + "\n/9/1of2_Lloyd_George_Record_[A]_[9]_[1].pdf,1,Y,9,,,31/03/2024,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseManifest(strings.NewReader(text))
		if err != nil {
			return
		}
		planned := 0
		for _, b := range plan(m) {
			planned += len(b.rows)
			if len(b.rows) != len(b.problems) || len(b.rows) == 0 {
				t.Fatalf("%d rows, %d problems", len(b.rows), len(b.problems))
			}
			if b.ok() {
				b.agree()
			}
			if b.ok() {
				b.sortParts()
			}
		}
		if planned != len(m.Rows) {
			t.Fatalf("%d rows planned of %d", planned, len(m.Rows))
		}
	})
}

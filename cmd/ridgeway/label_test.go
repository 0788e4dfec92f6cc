package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// labelPatient is a patient of these tests alone: what they hide is nobody else's.
const labelPatient = "9000000017"

// listedAs is what locate prints, but for the times in it.
func (p *place) listedAs(t *testing.T, patient string) string {
	t.Helper()
	times := regexp.MustCompile(`"as_of": "[^"]*"`)
	var out strings.Builder
	for _, more := range [][]string{{"--json"}, {"--json", "--limit", "1"}, {"--json", "--limit", "2"}, {"--json", "--role", "researcher"}, {"--json", "--role", "nobody"}, {"--json", "--cursor", "x"}} {
		e := p.run(t, append([]string{"locate", "--data", "d1", patient}, more...)...)
		fmt.Fprintf(&out, "%v: %d %s %s\n", more, e.status, times.ReplaceAllString(e.out, ""), e.errOut)
	}
	return out.String()
}

func (p *place) takes(t *testing.T, title string, more ...string) string {
	t.Helper()
	file := p.write(t, "label-"+title+".txt", title)
	e := p.json(t, append([]string{"ingest", "--data", "d1", "--patient", labelPatient, "--type", "local:label", "--title", title, "--date", "2026-03-01", file}, more...)...)
	return e.list(t, "documents")[0]["document"].(string)
}

func TestLabelsArePreviewedAndChanged(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	kept := p.takes(t, "kept", "--specialty", "100")
	before := p.listedAs(t, labelPatient)
	hidden := p.takes(t, "hidden")
	if p.listedAs(t, labelPatient) == before {
		t.Fatal("it is not hidden yet")
	}
	args := []string{"label", "--data", "d1", "--patient", labelPatient, "--type", "local:label", "--now", "N", "--confidentiality", "V", "--add", "hiv"}
	all := p.json(t, append(args, "--preview")...)
	if all["changed"] != 2.0 || all["sealed"] != 2.0 || all["done"] != false || all["impact"].(map[string]any)["lost"] != 2.0 {
		t.Errorf("preview: %v", all)
	}
	if e := p.run(t, append(args, "--preview")...); e.status != 0 || !strings.Contains(e.out, "2 documents would be changed") || !strings.Contains(e.out, "Loses") || !strings.Contains(e.out, "Nothing was changed.") {
		t.Errorf("preview: %v", e)
	}
	// One of two is named in a file, beside one that is another trust's.
	p.write(t, "ids.csv", "title, document\nhidden, "+hidden+"\nother,RAS-0W00000000000000\n")
	e := p.run(t, "label", "--data", "d1", "--manifest", "ids.csv", "--confidentiality", "V", "--yes", "--reason", "reviewed")
	if e.status != exitStatus[admin.CodePartly] || !strings.Contains(e.out, "1 document changed") || !strings.Contains(e.errOut, "is held by RAS") {
		t.Errorf("done: %v", e)
	}
	if after := p.listedAs(t, labelPatient); after != before {
		t.Errorf("what is hidden shows in an answer:\nwithout %s\nwith    %s", before, after)
	}
	again := p.json(t, "label", "--data", "d1", hidden, "--confidentiality", "V", "--yes")
	if again["changed"] != 0.0 || again["unchanged"] != 1.0 || again["done"] != true {
		t.Errorf("again: %v", again)
	}
	p.fails(t, admin.CodeNotFound, []string{"you may know of"}, "fetch", "--data", "d1", hidden, "--out", filepath.Join(t.TempDir(), "x"))
	if back := p.json(t, "label", "--data", "d1", kept, hidden, "--confidentiality", "N", "--yes"); back["changed"] != 1.0 || back["committed"] != true {
		t.Errorf("back: %v", back)
	}
	later := p.takes(t, "later", "--supersedes", kept)
	args = []string{"label", "--data", "d1", later, "--add", "HIV"}
	if e := p.run(t, append(args, "--preview")...); !strings.Contains(e.out, "Note: "+later+" replaces "+kept+", which is open to more people") {
		t.Errorf("nobody is told that the earlier one is shown as the latest: %v", e)
	}
	if notes := p.json(t, append(args, "--yes")...).list(t, "notes"); len(notes) != 1 || notes[0]["document"] != later {
		t.Errorf("notes: %v", notes)
	}
}

func TestLabelSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	p.write(t, "empty.csv", "document\n")
	p.write(t, "two.csv", "a,b\n1,2\n")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"say which documents", []string{"--confidentiality", "R"}},
		{"say what to change", []string{"RYJ-0W00000000000000"}},
		{"give one of them", []string{"--type", "x", "--add", "HIV", "--preview", "--yes"}},
		{"is no sensitivity label: it is one of", []string{"--type", "x", "--add", "HIIV"}},
		{"empty.csv names no documents", []string{"--manifest", "empty.csv", "--add", "HIV"}},
		{"none is called \"document\"", []string{"--manifest", "two.csv", "--add", "HIV"}},
		{"--manifest: open", []string{"--manifest", "no-such-list.csv", "--add", "HIV"}},
	} {
		p.fails(t, admin.CodeBadInput, []string{c.want}, append([]string{"label", "--data", "d1"}, c.args...)...)
	}
	p.fails(t, admin.CodeNotFound, []string{"holds no document"}, "label", "--data", "d1", "RYJ-0W00000000000000", "--add", "HIV")
	p.fails(t, admin.CodeDenied, []string{"may not do that"}, "label", "--data", "d1", "RYJ-0W00000000000000", "--add", "HIV", "--as", "nurse")
}

func FuzzReadIDs(f *testing.F) {
	f.Add("document\nRYJ-0W00000000000000\n")
	f.Add("\uFEFFa,document\n\"x\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ids, err := readIDs(path)
		if (err == nil) != (len(ids) > 0) {
			t.Errorf("%d ids, %v", len(ids), err)
		}
	})
}

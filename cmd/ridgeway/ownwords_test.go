package main

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// TestFileAboutAnotherPatientIsNotTakenIn: a structured document and an image say themselves whom they are about. Where that is
// somebody else they are refused one by one, from a manifest, and by --check; the right patient's goes in.
func TestFileAboutAnotherPatientIsNotTakenIn(t *testing.T) {
	t.Parallel()
	p := sharedNode(t)
	source := synth.New(31)
	people := source.Patients(2)
	owner, wrong := people[0], people[1]
	files := map[string]string{}
	for d := range source.Documents(owner, 60) {
		if strings.HasPrefix(d.ContentType, "application/dicom") || d.ContentType == "text/xml" {
			files[d.ContentType] = p.write(t, "own/"+path.Base(d.Name), string(d.Bytes()))
		}
	}
	if len(files) != 2 {
		t.Fatalf("got %v, want a structured document and an image", files)
	}
	p.write(t, "own/letter.pdf", letter("enclosed with it"))
	manifest := "file,patient,type,title,date,document,part,parts\n"
	for _, file := range files {
		refusal := []string{path.Base(file), "another patient", "NHS number " + owner.SpacedNumber() + ", not " + wrong.SpacedNumber(), "Nothing of the document was taken in", "Take it in for the patient that it is about"}
		for _, more := range [][]string{nil, {"--check"}} {
			args := append(append([]string{"ingest", "--data", "d1", file}, particulars(wrong.NHSNumber)...), more...)
			o := p.fails(t, admin.CodeBadInput, refusal, args...)
			if got := rowOf(t, o, 0); got["outcome"] != "refused" || got["code"] != "other_patient" || !strings.Contains(fmt.Sprint(got["reason"]), owner.SpacedNumber()) || got["document"] != "" {
				t.Errorf("%s %v: got %v", file, more, got)
			}
		}
		// The number may be right, and the person who is known under it another.
		o := p.fails(t, admin.CodeBadInput, []string{path.Base(file), "another patient", "Date of birth", "not 1 January 1901", "Name", "not SOMEBODY"},
			append([]string{"ingest", "--data", "d1", file, "--check", "--name", "SOMEBODY, Quite Else", "--birth-date", "1901-01-01"}, particulars(owner.NHSNumber)...)...)
		if got := rowOf(t, o, 0); got["code"] != "other_patient" {
			t.Errorf("%s: got %v", file, got)
		}
		manifest += path.Base(file) + "," + wrong.NHSNumber + ",373942005,T,2026-03-01,,,\n"
	}
	var image string
	for kind, file := range files {
		if kind != "text/xml" {
			image = path.Base(file)
		}
	}
	manifest += "letter.pdf," + owner.NHSNumber + ",373942005,T,2026-03-01,,,\n"
	p.write(t, "mixed.csv", manifest)
	e := p.run(t, "ingest", "--data", "d1", "--manifest", "mixed.csv", "own", "--json")
	o := e.failure(t, admin.CodePartly, "2 of 3 rows refused")
	for i := range 2 {
		if got := rowOf(t, o, i); got["outcome"] != "refused" || got["code"] != "other_patient" || got["line"] != float64(i+2) {
			t.Errorf("line %d: got %v", i+2, got)
		}
	}
	if got := rowOf(t, o, 2); !isHeld(got) {
		t.Errorf("the letter: %v", got)
	}
	if e := p.run(t, "ingest", "--data", "d1", "--manifest", "mixed.csv", "own"); !strings.Contains(e.out, "line 2, ") || !strings.Contains(e.out, "about another patient") {
		t.Errorf("for people: %v", e)
	}
	// Of several files of a document the one is named.
	p.write(t, "parts.csv", "file,patient,type,title,date,document,part,parts\nletter.pdf,"+wrong.NHSNumber+",373942005,T,2026-03-02,a,1,2\n"+image+","+wrong.NHSNumber+",373942005,T,2026-03-02,a,2,2\n")
	p.run(t, "ingest", "--data", "d1", "--manifest", "parts.csv", "own", "--json").failure(t, admin.CodeBadInput)
	if e := p.run(t, "ingest", "--data", "d1", "--manifest", "parts.csv", "own"); !strings.Contains(e.out, image+" says itself that it is about another patient") {
		t.Errorf("for people: %v", e)
	}
	for _, file := range files {
		if o := p.json(t, append([]string{"ingest", "--data", "d1", file}, particulars(owner.NHSNumber)...)...); !isHeld(rowOf(t, o, 0)) {
			t.Errorf("for its own patient: %v", o)
		}
	}
}

func rowOf(t *testing.T, o object, i int) map[string]any {
	t.Helper()
	rows, _ := o["documents"].([]any)
	if len(rows) <= i {
		t.Fatalf("got %v, want row %d", o, i)
	}
	row, _ := rows[i].(map[string]any)
	return row
}

// isHeld reports whether a row is in the store, from now on or from an earlier run on the same node.
func isHeld(row map[string]any) bool {
	return (row["outcome"] == "taken_in" || row["outcome"] == "already_held") && row["document"] != ""
}

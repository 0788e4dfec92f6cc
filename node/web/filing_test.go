package web_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// filing has a real node take documents in as they come, put them right and move them.
func filing(t *testing.T, r *testnet.Region, people []synth.Patient) {
	t.Helper()
	n := r.Node(reader)
	right, wrong := people[1].NHSNumber, people[0].NHSNumber
	staff := &admin.Asker{User: "s.lindqvist", Role: "records-staff", Purpose: "PATADMIN"}
	form := func(title string) web.Particulars {
		return web.Particulars{Patient: wrong, Type: "373942005", Title: title, Date: "2026-03-01", Confidentiality: "N", Author: "Dr A"}
	}
	take := func(f web.Particulars, name string, content io.Reader, by *admin.Asker) (*web.Taken, error) {
		return n.TakeUpload(t.Context(), &web.Upload{Form: f, Name: name, By: by}, content)
	}
	letter := strings.Repeat("a letter about nobody\n", 40_000) // several chunks
	got, err := take(form("Letter"), `c:\x\letter.txt`, strings.NewReader(letter), staff)
	if err != nil || got.Held || got.Bytes != int64(len(letter)) {
		t.Fatalf("taken in: %+v, %v", got, err)
	}
	if again, err := take(form("Letter"), "letter.txt", strings.NewReader(letter), staff); err != nil || !again.Held || again.Document != got.Document {
		t.Errorf("again: %+v, %v", again, err)
	}
	badly := form("x")
	badly.Date = "01/02/2026"
	for name, c := range map[string]struct {
		form    web.Particulars
		file    string
		content io.Reader
		by      *admin.Asker
		code    admin.Code
		says    string
	}{
		"a date of another form": {badly, "a.txt", strings.NewReader("x"), staff, admin.CodeBadInput, "is not a date; write it as 2024-03-31"},
		"what it is not":         {form("x"), "a.pdf", strings.NewReader("plain text"), staff, admin.CodeBadInput, ""},
		"a cut PDF":              {form("x"), "a.pdf", strings.NewReader("%PDF-1.7\nhello"), staff, admin.CodeBadInput, "export or scan it again"},
		"nothing":                {form("x"), "a.txt", strings.NewReader(""), staff, admin.CodeBadInput, "export or scan it again"},
		"somebody else's CDA":    {form("x"), "a.xml", strings.NewReader(clinicalDocument(right)), staff, admin.CodeBadInput, "about another patient: NHS number " + people[1].SpacedNumber() + ", not " + people[0].SpacedNumber()},
		"what breaks off":        {form("x"), "a.txt", io.MultiReader(strings.NewReader("x"), brokenReader{}), staff, admin.CodeInterrupted, "broke off"},
		"from a doctor":          {form("x"), "a.txt", strings.NewReader("x"), &admin.Asker{User: "a.okafor", Role: "doctor"}, admin.CodeDenied, ""},
		"from nobody":            {form("x"), "a.txt", strings.NewReader("x"), &admin.Asker{Role: "records-staff"}, admin.CodeBadInput, ""},
	} {
		if _, err := take(c.form, c.file, c.content, c.by); admin.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s and %q", name, err, c.code, c.says)
		}
	}

	if own, err := take(form("Summary"), "a.xml", strings.NewReader(clinicalDocument(wrong)), staff); err != nil || len(own.Warnings) != 0 {
		t.Errorf("the patient's own CDA: %+v, %v", own, err)
	}
	if odd, err := take(form("Program"), "a.exe", strings.NewReader("MZ\x90\x00\x03"), staff); err != nil || !slices.ContainsFunc(odd.Warnings, func(w string) bool { return strings.Contains(w, "cannot be shown") }) {
		t.Errorf("a file that cannot be shown is taken in without a word: %+v, %v", odd, err)
	}

	program := func() (*web.Taken, error) {
		return take(form("Program"), "a.exe", strings.NewReader("MZ\x90\x00\x03"), staff)
	}
	again, err := program()
	if err != nil || !again.Held {
		t.Fatalf("a file that is held already: %+v, %v", again, err)
	}
	wantChanges(t, n, again.Document, staff, staff.GetUser()+": took it in by hand", staff.GetUser()+": offered it again by hand, and it was held already", ": offered again, was held already")

	corrected := form("Letter, second copy")
	filed, err := n.Correct(t.Context(), &web.Correction{Document: got.Document, Form: corrected, Reason: "the title was wrong", By: staff})
	if err != nil || !filed.Committed || filed.Document == got.Document {
		t.Fatalf("corrected: %+v, %v", filed, err)
	}
	if _, err := n.Correct(t.Context(), &web.Correction{Document: filed.Document, Form: corrected, Reason: "again", By: staff}); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("corrected to the same: %v", err)
	}
	corrected.Author, corrected.Specialty = "Dr B", "300"
	if same, err := n.Correct(t.Context(), &web.Correction{Document: filed.Document, Form: corrected, Reason: "the author was wrong", By: staff}); err != nil || same.Document != filed.Document || !same.Committed {
		t.Errorf("the author corrected: %+v, %v", same, err)
	}
	corrected.Type = "823681000000100"
	typed, err := n.Correct(t.Context(), &web.Correction{Document: filed.Document, Form: corrected, Reason: "it is an outpatient letter", By: staff})
	if err != nil || typed.Document == filed.Document {
		t.Fatalf("the type corrected: %+v, %v", typed, err)
	}

	doctor := &admin.Asker{User: "a.okafor", Role: "doctor", Purpose: "TREAT", Relationship: "appointment:A-17"}
	other := r.Node(holder)
	finds := func(n *node.Node, patient, document string) bool {
		located, err := n.Describe(t.Context(), patient, document, doctor)
		return err == nil && located != nil
	}
	if err := r.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !finds(other, wrong, typed.Document) || finds(other, wrong, filed.Document) {
		t.Error("another trust does not find the document as what it is now, or still as what it was")
	}
	moved, err := n.Move(t.Context(), &web.Moving{Document: typed.Document, Patient: right, Reason: "two patients of one name", By: staff})
	if err != nil || !moved.Committed {
		t.Fatalf("moved: %+v, %v", moved, err)
	}
	if err := r.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	if finds(other, wrong, typed.Document) || !finds(other, right, moved.Document) || finds(other, wrong, moved.Document) {
		t.Error("another trust finds a moved document where it was, or not where it is")
	}
	undo := &admin.WithdrawRequest{Document: typed.Document, Undo: true, Reason: "pressed by mistake", By: staff}
	if _, err := n.Withdraw(t.Context(), undo); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "both would have it") {
		t.Errorf("what was moved to another patient is shared again where it was: %v", err)
	}
	list, err := n.OwnDocuments(t.Context(), wrong, staff)
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]bool)
	for _, d := range list.Documents {
		said[d.ID] = d.Moved
	}
	if was, there := said[filed.Document]; !said[typed.Document] || was || !there {
		t.Errorf("what was moved and what was only withdrawn are told apart as %v", said)
	}
	for _, who := range []*admin.Asker{doctor, {User: "t.hughes", Role: "admin"}} {
		if _, err := n.Move(t.Context(), &web.Moving{Document: moved.Document, Patient: wrong, Reason: "x", By: who}); admin.CodeOf(err) != admin.CodeDenied {
			t.Errorf("%s moves a document: %v", who.GetRole(), err)
		}
	}
	if _, err := other.Move(t.Context(), &web.Moving{Document: moved.Document, Patient: wrong, Reason: "x", By: staff}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("another trust moves a document: %v", err)
	}
	back, err := n.Move(t.Context(), &web.Moving{Document: moved.Document, Patient: wrong, Reason: "it was right", By: staff})
	if err != nil || back.Document != typed.Document {
		t.Errorf("moved back: %+v, %v", back, err)
	}
	wantChanges(t, n, typed.Document, staff, "moved to another patient, is "+moved.Document, "two patients of one name", "was "+filed.Document+" until then", "is being moved")
	wantChanges(t, n, got.Document, staff, "took it in by hand", "taken in", "is being corrected (title was")
	wantHealth(t, n)
	myself(t, r, wrong)
}

// clinicalDocument is a CDA that says no more than whose it is.
func clinicalDocument(number string) string {
	return `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>T</title><recordTarget><patientRole><id root="2.16.840.1.113883.2.1.4.1" extension="` + number +
		`"/></patientRole></recordTarget><component><structuredBody><component><section><title>Plan</title><text>Rest</text></section></component></structuredBody></component></ClinicalDocument>`
}

// myself has a patient see what is shared and who looked, and say something about it.
func myself(t *testing.T, r *testnet.Region, number string) {
	t.Helper()
	n := r.Node(reader)
	sharing, err := n.MySharing(t.Context(), number)
	if err != nil || len(sharing.Trusts) != 2 || len(sharing.Region) != 3 {
		t.Fatalf("sharing: %+v, %v", sharing, err)
	}
	for _, s := range sharing.Trusts {
		if s.Code == string(reader) && (len(s.With) == 0 || s.Sealed == 0 || s.With[0].Roles == "") {
			t.Errorf("shared by %s: %+v", s.Code, s)
		}
	}
	if _, err := r.Node(holder).Locate(t.Context(), &admin.LocateRequest{Patient: number, Asker: &admin.Asker{User: "secret.name", Role: "nurse", Purpose: "TREAT", Relationship: "admission:HOSPITAL-7"}}); err != nil {
		t.Fatal(err)
	}
	report, err := n.MyReport(t.Context(), number)
	if err != nil || !report.GetComplete() {
		t.Fatalf("report: %v, %v", report, err)
	}
	text := report.String()
	for _, name := range []string{"secret.name", "s.lindqvist", "a.okafor", "HOSPITAL-7"} {
		if strings.Contains(text, name) {
			t.Errorf("the patient is told %s: %s", name, text)
		}
	}
	if want := "A nurse at Imperial looked at the list of your documents, to treat you. They said: you are or were in hospital there."; !strings.Contains(text, want) || !strings.Contains(text, "You asked who has seen your documents") {
		t.Errorf("the report does not say %q: %s", want, text)
	}
	q := &admin.RecordDirectiveRequest{Patient: number, Scope: &admin.DirectiveScope{Trust: string(holder)}}
	read, err := n.MyDirective(t.Context(), q)
	if err != nil || read.GetDirective() != "" || !strings.Contains(read.GetReadBack(), "Staff who treat you may not know") {
		t.Fatalf("read back: %v, %v", read, err)
	}
	q.Confirm = true
	said, err := n.MyDirective(t.Context(), q)
	if err != nil || !said.GetCommitted() {
		t.Fatalf("recorded: %v, %v", said, err)
	}
	if err := r.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	receipt, err := n.MyReceipt(t.Context(), number, said.GetDirective())
	if err != nil || !receipt.GetComplete() || len(receipt.GetSites()) != 3 {
		t.Errorf("receipt: %v, %v", receipt, err)
	}
	after, err := n.MySharing(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range after.Trusts {
		for _, w := range s.With {
			if w.Code == string(holder) {
				t.Errorf("%s still shares with %s", s.Code, w.Code)
			}
		}
	}
	if back, err := n.MyWithdrawal(t.Context(), number, said.GetDirective()); err != nil || !back.GetCommitted() {
		t.Errorf("taken back: %v, %v", back, err)
	}
	if list, err := n.MyDirectives(t.Context(), number); err != nil || len(list.GetDirectives()) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	// A patient is no role that anybody can take at the operator's socket.
	pretender := &admin.Asker{User: "x", Role: "patient", Purpose: "PATRQT"}
	if _, err := n.Report(t.Context(), &admin.ReportRequest{Patient: number, Asker: pretender}); err == nil {
		t.Error("somebody who calls themself a patient is given a report")
	}
	if _, err := n.RecordDirective(t.Context(), &admin.RecordDirectiveRequest{Patient: number, Confirm: true, Asker: pretender, Evidence: "x"}); err == nil {
		t.Error("somebody who calls themself a patient speaks for one")
	}
}

func wantChanges(t *testing.T, n *node.Node, document string, by *admin.Asker, wanted ...string) {
	t.Helper()
	history, err := n.Changes(t.Context(), document, by)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, c := range history.Changes {
		all.WriteString(c.User + ": " + c.Text + "\n")
	}
	for _, text := range wanted {
		if !strings.Contains(all.String(), text) {
			t.Errorf("the history does not say %q:\n%s", text, all.String())
		}
	}
}

func wantHealth(t *testing.T, n *node.Node) {
	t.Helper()
	if _, err := n.Scrub(t.Context(), &admin.ScrubRequest{}); err != nil {
		t.Fatal(err)
	}
	h, err := n.Health(t.Context())
	if err != nil || h.Scrub == nil || h.Scrub.Damaged+h.Scrub.Wrong > 0 || h.Scrub.Documents == 0 || len(h.Status.GetSites()) != 3 || h.Applied[h.Status.GetNode()] == 0 {
		t.Errorf("health: %+v, %v", h, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

package node

import (
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
)

// correct changes one thing of a letter.
func correct(t *testing.T, n *Node, id federation.DocumentID, change func(*web.Particulars)) (*web.Filed, error) {
	t.Helper()
	d, err := n.records.Document(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	form := web.Particulars{Type: d.Type, Title: d.Title, Date: d.Date.Format(time.DateOnly), Category: d.Category, Specialty: d.Specialty, Author: d.Author, Language: d.Language}
	change(&form)
	return n.Correct(t.Context(), &web.Correction{Document: string(id), Form: form, Reason: "it was wrong", By: &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATADMIN"}})
}

func TestADocumentThatThePatientHasNamedKeepsItsID(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	ids := takeLetters(t, n, 0, 5)
	named, excepted, free, here, waiting := ids[0], ids[1], ids[2], ids[3], ids[4]
	title := func(f *web.Particulars) { f.Title += ", corrected" }
	changes := map[string]func(*web.Particulars){
		"title": title, "date": func(f *web.Particulars) { f.Date = "2026-04-30" }, "type": func(f *web.Particulars) { f.Type = "823681000000100" },
	}
	refused := func(what string, id federation.DocumentID, change func(*web.Particulars)) {
		t.Helper()
		if filed, err := correct(t, n, id, change); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "this very document") {
			t.Errorf("%s: %+v, %v", what, filed, err)
		}
	}
	no := recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(named)}))
	but := permit(&admin.DirectiveScope{Type: "373942005"})
	but.Except = []*admin.DirectiveScope{{Document: string(excepted)}}
	recordDirective(t, n, but)
	for what, change := range changes {
		refused(what+" of a named document", named, change)
		refused(what+" of an excepted document", excepted, change)
	}
	if filed, err := correct(t, n, named, func(f *web.Particulars) { f.Author, f.Specialty = "Dr B", "300" }); err != nil || filed.Document != string(named) {
		t.Errorf("author and specialty: %+v, %v", filed, err)
	}
	if filed, err := correct(t, n, free, title); err != nil || filed.Document == string(free) {
		t.Errorf("a document that nobody named: %+v, %v", filed, err)
	}
	// What the patient has taken back binds nobody.
	if _, err := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: no.GetDirective(), By: "rn1", Evidence: "in person", Asker: deny(nil).GetAsker()}); err != nil {
		t.Fatal(err)
	}
	if filed, err := correct(t, n, named, title); err != nil || filed.Document == string(named) {
		t.Errorf("after the wish was taken back: %+v, %v", filed, err)
	}
	mute()
	recordDirective(t, n, deny(&admin.DirectiveScope{Document: string(here)}))
	recordDirective(t, n, permit(&admin.DirectiveScope{Document: string(waiting)}))
	refused("denied here only", here, title)
	refused("waiting", waiting, title)
}

package node

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// Who looked at a patient's choices has not looked at their documents: no report says so, at this trust or at another.
func TestReportsTellWhoLookedAtChoicesFromWhoLookedAtDocuments(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	second := joinNode(t, n, "RAS")
	eventually(t, "the second trust", func() bool { return n.ledger.Roster().Active(second.ID()) && second.ledger.Roster().Active(n.ID()) })
	nurse := &admin.Asker{User: "rn1", Role: "nurse", Purpose: "TREAT"}
	q := deny(nil)
	q.Asker = nurse
	said := recordDirective(t, n, q)
	_, listed := n.Directives(t.Context(), &admin.DirectivesRequest{Patient: patientA, Asker: nurse})
	_, receipt := n.Receipt(t.Context(), &admin.ReceiptRequest{Patient: patientA, Directive: said.GetDirective(), Asker: nurse})
	_, withdrawn := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: said.GetDirective(), By: "rn1", Evidence: "in person", Asker: nurse})
	_, located := n.Locate(t.Context(), &admin.LocateRequest{Patient: patientA, Asker: nurse})
	for _, err := range []error{listed, receipt, withdrawn, located} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Directives(t.Context(), &admin.DirectivesRequest{Patient: patientA, Asker: &admin.Asker{User: "h1", Role: "system", Purpose: "TREAT"}}); admin.CodeOf(err) != admin.CodeDenied {
		t.Fatalf("got %v, want a refusal", err)
	}
	kinds := []string{"choice_recording", "choices_listed", "choice_receipt", "choice_withdrawal", "looked_up", "choices_listed"}
	check := func(where string, reply *admin.ReportReply, err error, want []string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		var gotKinds, got []string
		for _, a := range reply.GetAccesses() {
			if a.GetKind() != "reviewed" {
				_, text, _ := strings.Cut(a.GetText(), a.GetTrustName()+" ")
				gotKinds, got = append(gotKinds, a.GetKind()), append(got, text)
			}
		}
		if !slices.Equal(gotKinds, kinds) || !slices.Equal(got, want) {
			t.Errorf("%s: %q\n%q\nwant %q\n%q", where, gotKinds, got, kinds, want)
		}
	}
	want := []string{
		"looked at your choices about sharing, so as to write one down, to treat you.", "looked at your choices about sharing, to treat you.",
		"looked at how far one of your choices about sharing has come, to treat you.", "looked at your choices about sharing, so as to end one, to treat you.",
		"looked up which documents there are about you, to treat you.",
		"asked to look at what is kept about you, to treat you. It was refused, and nothing was shown.",
	}
	clerk := &admin.ReportRequest{Patient: patientA, Asker: &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATRQT"}}
	here, err := n.Report(t.Context(), clerk)
	check("the report", here, err, want)
	there, err := second.Report(t.Context(), clerk)
	check("the report of another trust", there, err, want)
	want[4] = "looked at the list of your documents, to treat you."
	want[5] = "asked to look at what is kept about you, to treat you. The answer was no. Nothing was shown."
	mine, err := n.MyReport(t.Context(), patientA)
	check("the patient's page", mine, err, want)
}

// What another trust says of a search counts only where it is of a search, and only where this program knows it.
func TestASearchOfSomethingUnknownIsToldAsTheVersionBeforeDid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, choice, want string }{
		{"search", "", "looked_up"},
		{"search", "choices_listed", "choices_listed"},
		{"search", "opened", "looked_up"},
		{"search", "choice_of_tomorrow", "looked_up"},
		{"review", "choices_listed", "reviewed"},
	} {
		a := event{{log: "RAS", Access: &wire.Access{Kind: c.kind, Choice: c.choice, Trust: "RAS", Document: "RAS:" + strings.Repeat("0", 32), Outcome: policy.Permit.String()}}}.summary(nil)
		if a.GetKind() != c.want {
			t.Errorf("%s with %q is %q, want %q", c.kind, c.choice, a.GetKind(), c.want)
		}
	}
	long := &wire.AccessesReply{Accesses: []*wire.Access{{Choice: "a\nb"}}}
	if cleanTestimony(long, federation.Subject{1}); strings.Contains(long.GetAccesses()[0].GetChoice(), "\n") {
		t.Error("what another trust has sent is kept as it came")
	}
}

// In the export a look at choices is a search of consents.
func TestALookAtChoicesIsExportedAsASearchOfConsents(t *testing.T) {
	t.Parallel()
	e := audit.Entry{Time: time.Now().UTC(), Kind: audit.Search, Trust: "RYJ", Subject: federation.Subject{1}}
	for detail, want := range map[string]string{"": "DocumentReference?", "listed what this trust holds": "DocumentReference?", detailListed: "Consent?", detailWithdrawal: "Consent?"} {
		e.Detail = detail
		if got := queryOf(t, e); !strings.HasPrefix(got, want) {
			t.Errorf("%q is exported as %q, want %q", detail, got, want)
		}
	}
}

func queryOf(t *testing.T, e audit.Entry) string {
	t.Helper()
	for _, x := range made(t, e)["entity"].([]any) {
		if q, has := x.(map[string]any)["query"].(string); has {
			text, err := base64.StdEncoding.DecodeString(q)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
	t.Fatal("a search has no query")
	return ""
}

// What patients do when they have signed on as themselves is told as what it was.
func TestPatientsAreToldWhatTheyDidThemselves(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	_, listed := n.MyDirectives(t.Context(), patientA)
	_, shared := n.MySharing(t.Context(), patientA)
	_, read := n.MyDirective(t.Context(), deny(nil))
	_, before := n.MyReport(t.Context(), patientA)
	mine, err := n.MyReport(t.Context(), patientA)
	if err := errors.Join(listed, shared, read, before, err); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range mine.GetAccesses() {
		got = append(got, a.GetKind()+": "+a.GetText())
	}
	want := []string{
		"choices_listed: You looked at your choices about sharing.", "sharing_listed: You looked at what is shared about you and with whom.",
		"choice_recording: You looked at your choices about sharing, so as to write one down.", "reviewed: You asked who has seen your documents.",
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

package web_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// TestNodeTellsOfOnePatientsDocuments asks a real node what the portal asks it.
func TestNodeTellsOfOnePatientsDocuments(t *testing.T) {
	r, err := testnet.NewRegion(t.Context(), testnet.RegionOptions{Dir: t.TempDir(), Small: true, Network: testnet.NewNetwork(testnet.Options{}), Members: []testnet.Member{{Trust: holder, Name: "Imperial"}, {Trust: reader, Name: "Hillingdon"}, {Trust: "R1K", Name: "London North West"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	source := synth.New(3)
	people := source.Patients(2)
	take := func(trust federation.TrustID, p synth.Patient, pages int, level string) string {
		d := source.CaseNote(p, pages)
		d.Confidentiality = level
		receipt, err := r.TakeDocument(t.Context(), trust, p, d)
		if err != nil {
			t.Fatal(err)
		}
		return string(receipt.Document)
	}
	shared := take(holder, people[0], 1, "N")
	kept := take(holder, people[0], 2, "R")
	own := take(reader, people[0], 3, "R")
	if err := r.Published(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := r.Node(reader)
	doctor := &admin.Asker{User: "a.okafor", Role: "doctor", Purpose: "TREAT", Relationship: "appointment:A-17"}
	for _, c := range []struct {
		name, patient, document string
		who                     *admin.Asker
		code                    admin.Code
		told                    bool
	}{
		{"a shared document", people[0].NHSNumber, shared, doctor, "", true},
		{"one of the own trust", people[0].NHSNumber, own, doctor, "", true},
		{"one that is kept from the user", people[0].NHSNumber, kept, doctor, "", false},
		{"for a role that nothing is shared with", people[0].NHSNumber, shared, &admin.Asker{User: "x", Role: "researcher", Purpose: "HRESCH"}, "", false},
		{"under another patient", people[1].NHSNumber, shared, doctor, admin.CodeNotFound, false},
		{"that does not exist", people[0].NHSNumber, string(federation.NewDocumentID(holder, federation.DocumentKey{9})), doctor, admin.CodeNotFound, false},
		{"that is no document", people[0].NHSNumber, "../../etc", doctor, admin.CodeNotFound, false},
		{"of no patient", "123", shared, doctor, admin.CodeBadInput, false},
		{"for no role", people[0].NHSNumber, shared, &admin.Asker{User: "x", Role: "root", Purpose: "TREAT"}, admin.CodeBadInput, false},
	} {
		got, err := n.Describe(t.Context(), c.patient, c.document, c.who)
		if (err == nil) != (c.code == "") || err != nil && admin.CodeOf(err) != c.code || (got != nil) != c.told {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	if _, err := r.Withdraw(t.Context(), federation.DocumentID(shared), "a test"); err != nil {
		t.Fatal(err)
	}
	if err := r.Converged(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Describe(t.Context(), people[0].NHSNumber, shared, doctor); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("a withdrawn document: %v, %v", got, err)
	}

	if until, err := n.Emergency(t.Context(), people[0].NHSNumber, doctor.GetUser()); err != nil || !until.IsZero() {
		t.Errorf("an emergency that nobody has declared: %v, %v", until, err)
	}
	if _, err := n.BreakGlass(t.Context(), &admin.BreakGlassRequest{Patient: people[0].NHSNumber, Reason: "unconscious in resus now", Asker: doctor}); err != nil {
		t.Fatal(err)
	}
	if until, err := n.Emergency(t.Context(), people[0].NHSNumber, doctor.GetUser()); err != nil || !until.After(time.Now()) {
		t.Errorf("a declared emergency: %v, %v", until, err)
	}
	for _, c := range [][2]string{{people[1].NHSNumber, doctor.GetUser()}, {people[0].NHSNumber, "j.price"}} {
		if until, err := n.Emergency(t.Context(), c[0], c[1]); err != nil || !until.IsZero() {
			t.Errorf("an emergency of somebody else: %v, %v", until, err)
		}
	}
	if got, err := n.Describe(t.Context(), people[0].NHSNumber, kept, doctor); err != nil || got == nil {
		t.Errorf("with the glass broken: %v, %v", got, err)
	}
	filing(t, r, people)
	attending(t, n, people[0].NHSNumber)
}

// attending has the node write down who comes and goes, and finds it again as the command line does.
func attending(t *testing.T, n *node.Node, number string) {
	for _, a := range []*web.Attendance{
		{User: "a.okafor", Role: "doctor", What: "signed on"},
		{User: "x.other", Refused: true, What: "refused: not staff of this trust"},
		{Own: true, Patient: number, What: "signed on"},
		{Own: true, Refused: true, What: "refused: no papers"},
		{User: "a.okafor", Role: "doctor", Out: true, What: "signed out"},
	} {
		if err := n.Attend(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	lead := &admin.Asker{User: "n.ferreira", Role: "governance-lead", Purpose: "HOPERAT"}
	find := func(f *admin.AuditFilter) (out []string) {
		reply, err := n.SearchAudit(t.Context(), &admin.SearchAuditRequest{Filter: f, Asker: lead})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range reply.GetEntries() {
			out = append(out, e.GetKind()+" "+e.GetUser()+" "+e.GetOutcome())
			if text := e.String(); strings.Contains(text, number) {
				t.Errorf("the log has the patient's number: %s", text)
			}
		}
		return out
	}
	for _, c := range []struct {
		filter *admin.AuditFilter
		want   []string
	}{
		{&admin.AuditFilter{Kind: "sign-on,sign-out"}, []string{"sign-out a.okafor PERMIT", "sign-on patient DENIED", "sign-on patient PERMIT", "sign-on x.other DENIED", "sign-on a.okafor PERMIT"}},
		{&admin.AuditFilter{Kind: "sign-on", Patient: number}, []string{"sign-on patient PERMIT"}},
		{&admin.AuditFilter{Kind: "sign-out", User: "a.okafor"}, []string{"sign-out a.okafor PERMIT"}},
	} {
		if got := find(c.filter); !slices.Equal(got, c.want) {
			t.Errorf("%v finds %q, want %q", c.filter, got, c.want)
		}
	}

	// Who has the log verified stands in it, and who may not is refused and stands there too.
	if _, err := n.VerifyAudit(t.Context(), &admin.VerifyAuditRequest{Asker: lead}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.VerifyAudit(t.Context(), &admin.VerifyAuditRequest{Asker: &admin.Asker{User: "a.okafor", Role: "doctor", Purpose: "HOPERAT"}}); admin.CodeOf(err) != admin.CodeDenied {
		t.Errorf("a doctor has the log verified: %v", err)
	}
	if _, err := n.VerifyAudit(t.Context(), &admin.VerifyAuditRequest{}); err != nil { // the operator
		t.Fatal(err)
	}
	reply, err := n.SearchAudit(t.Context(), &admin.SearchAuditRequest{Filter: &admin.AuditFilter{Kind: "review", Limit: 4}, Asker: lead})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range reply.GetEntries() {
		got = append(got, e.GetUser()+" "+e.GetRole()+" "+e.GetOutcome()+" "+e.GetDetail())
	}
	want := []string{"operator governance-lead PERMIT verified the audit log", "a.okafor doctor DENIED verified the audit log", "n.ferreira governance-lead PERMIT verified the audit log"}
	if len(got) != 4 || !slices.Equal(got[1:], want) {
		t.Errorf("who has it verified: %q", got)
	}
}

package web_test

import (
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
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
}

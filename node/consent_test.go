package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

func deny(s *admin.DirectiveScope) *admin.RecordDirectiveRequest {
	return &admin.RecordDirectiveRequest{Patient: patientA, Scope: s, By: "rn1", Evidence: "in person", Confirm: true, Asker: &admin.Asker{User: "rn1", Role: "nurse"}}
}

func permit(s *admin.DirectiveScope) *admin.RecordDirectiveRequest {
	q := deny(s)
	q.Permit = true
	return q
}

func recordDirective(t *testing.T, n *Node, q *admin.RecordDirectiveRequest) *admin.RecordDirectiveReply {
	t.Helper()
	reply, err := n.RecordDirective(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func directives(t *testing.T, n *Node, history bool) map[string]*admin.DirectiveInfo {
	t.Helper()
	reply, err := n.Directives(t.Context(), &admin.DirectivesRequest{Patient: patientA, History: history})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*admin.DirectiveInfo)
	for _, d := range reply.GetDirectives() {
		out[d.GetDirective()] = d
	}
	return out
}

// decide asks what another trust's nurse may open of a document of the node's patient.
func decide(t *testing.T, n *Node, trust federation.TrustID, kind string) policy.Decision {
	t.Helper()
	number, err := n.patient(patientA)
	if err != nil {
		t.Fatal(err)
	}
	subject := n.records.Subject(number)
	q := policy.Request{
		User: policy.User{Trust: trust, ID: "rn9", Role: "nurse"}, Action: policy.Open, Purpose: "TREAT", Now: n.started,
		Document: policy.Document{ID: federation.NewDocumentID(n.Trust(), federation.DocumentKey{1}), Custodian: n.Trust(), Subject: subject, Type: kind, Confidentiality: federation.Normal},
	}
	local := n.refusalsBefore(t.Context(), subject)
	var f policy.Facts
	err = n.replica.View(t.Context(), consensus.Local(), func(r consensus.Reader) error {
		f = n.rules.facts(r, n.ledger.Roster(), local, factsQuery{requester: trust, custodian: n.Trust(), subject: subject, now: q.Now})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.RequesterStanding, f.LeaseAge, f.LeaseLimit = federation.Active, 0, policy.MaxLease
	return policy.Decide(q, f)
}

func TestAScopedDenialIsReadBackRecordedAndInForce(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	q := deny(&admin.DirectiveScope{Type: "373942005"})
	q.Confirm = false
	reply := recordDirective(t, n, q)
	if reply.GetDirective() != "" || len(directives(t, n, true)) > 0 || !strings.Contains(reply.GetReadBack(), policy.Risk) {
		t.Fatalf("an unconfirmed directive is read back with its risk, and nothing else: %v", reply)
	}
	q.Confirm = true
	reply = recordDirective(t, n, q)
	if !reply.GetCommitted() || !reply.GetInForce() || reply.GetIndex() == 0 {
		t.Fatalf("got %v", reply)
	}
	if d := decide(t, n, "RAS", "373942005"); d.Outcome != policy.Denied {
		t.Errorf("what is denied is open: %v", d)
	}
	if d := decide(t, n, "RAS", "other"); !d.Permitted() {
		t.Errorf("what is not denied is closed: %v", d)
	}
	info := directives(t, n, false)[reply.GetDirective()]
	if info.GetEffect() != "deny" || info.GetState() != "in_force" || info.GetBy() != "rn1" || info.GetEvidence() != "in person" || info.GetTrust() != string(n.Trust()) || info.GetAt() == 0 {
		t.Errorf("listed as %v", info)
	}
}

func TestADenialIsInForceBeforeTheRegionAgreesAndAGrantIsNot(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	mute()
	no := recordDirective(t, n, deny(&admin.DirectiveScope{Type: "a"}))
	yes := recordDirective(t, n, permit(&admin.DirectiveScope{Type: "b"}))
	if no.GetCommitted() || !no.GetInForce() || yes.GetCommitted() || yes.GetInForce() {
		t.Errorf("got %v and %v", no, yes)
	}
	listed := directives(t, n, false)
	if s := listed[no.GetDirective()].GetState(); s != "here" {
		t.Errorf("the denial is %q", s)
	}
	if s := listed[yes.GetDirective()].GetState(); s != "waiting" {
		t.Errorf("the grant is %q", s)
	}
	report, err := n.Report(t.Context(), &admin.ReportRequest{Patient: patientA, Asker: &admin.Asker{User: "rs1", Role: "records-staff", Purpose: "PATRQT"}})
	if err != nil {
		t.Fatal(err)
	}
	told := make(map[string]string)
	for _, d := range report.GetDirectives() {
		told[d.GetDirective()] = d.GetState()
	}
	if len(told) != 2 || told[no.GetDirective()] != "here" || told[yes.GetDirective()] != "waiting" {
		t.Errorf("the patient's report says %v", told)
	}
	if decide(t, n, "RAS", "a").Permitted() {
		t.Error("a denial does not count before the region has agreed")
	}
}

// A consent sets a denial of the same scope aside; with its withdrawal, unheard by the region, the denial counts again.
func TestWithdrawingAConsentClosesAtOnce(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	recordDirective(t, n, deny(&admin.DirectiveScope{Type: "a"}))
	yes := recordDirective(t, n, permit(&admin.DirectiveScope{Type: "a"}))
	if len(yes.GetConflicts()) != 1 || !strings.Contains(yes.GetConflicts()[0], "The consent wins") {
		t.Errorf("the conflict is not named: %v", yes.GetConflicts())
	}
	if !decide(t, n, "RAS", "a").Permitted() {
		t.Fatal("the consent does not count")
	}
	mute()
	reply, err := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: yes.GetDirective(), By: "rn1"})
	if err != nil || reply.GetCommitted() || !reply.GetInForce() {
		t.Fatalf("got %v, %v", reply, err)
	}
	if decide(t, n, "RAS", "a").Permitted() {
		t.Error("a consent that was withdrawn here still opens")
	}
	if s := directives(t, n, false)[yes.GetDirective()].GetState(); s != "withdrawn_here" {
		t.Errorf("the consent is %q", s)
	}
	if _, err := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: yes.GetDirective()}); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("withdrawn twice: %v", err)
	}
}

func TestHistoryKeepsWhatHasEnded(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	first := recordDirective(t, n, deny(&admin.DirectiveScope{Type: "a"}))
	q := deny(&admin.DirectiveScope{Type: "b"})
	q.Supersedes = first.GetDirective()
	second := recordDirective(t, n, q)
	gone, err := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: second.GetDirective(), By: "rn1", Evidence: "letter"})
	if err != nil || !gone.GetCommitted() {
		t.Fatalf("got %v, %v", gone, err)
	}
	if got := directives(t, n, false); len(got) > 0 {
		t.Errorf("what has ended is listed: %v", got)
	}
	all := directives(t, n, true)
	if d := all[first.GetDirective()]; d.GetState() != "superseded" || d.GetEndedBy() != second.GetDirective() {
		t.Errorf("the first is %v", d)
	}
	if d := all[second.GetDirective()]; d.GetState() != "withdrawn" || d.GetEndedBy() != gone.GetDirective() {
		t.Errorf("the second is %v", d)
	}
	q.Supersedes = first.GetDirective()
	if _, err := n.RecordDirective(t.Context(), q); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("what has ended is superseded: %v", err)
	}
}

func TestWhatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	change := func(fn func(q *admin.RecordDirectiveRequest)) *admin.RecordDirectiveRequest {
		q := deny(&admin.DirectiveScope{Type: "a"})
		fn(q)
		return q
	}
	for name, c := range map[string]struct {
		q     *admin.RecordDirectiveRequest
		code  admin.Code
		words string
	}{
		"by a student":                {change(func(q *admin.RecordDirectiveRequest) { q.Asker.Role = "student" }), admin.CodeDenied, "student"},
		"by a role unknown":           {change(func(q *admin.RecordDirectiveRequest) { q.Asker.Role = "boss" }), admin.CodeBadInput, "boss"},
		"of a misspelt trust":         {change(func(q *admin.RecordDirectiveRequest) { q.Scope.Trust = "RXX" }), admin.CodeBadInput, "no trust RXX"},
		"a role unknown":              {change(func(q *admin.RecordDirectiveRequest) { q.Scope.Role = "docter" }), admin.CodeBadInput, "docter"},
		"no evidence":                 {change(func(q *admin.RecordDirectiveRequest) { q.Evidence = "" }), admin.CodeBadInput, "evidence"},
		"superseding nothing":         {change(func(q *admin.RecordDirectiveRequest) { q.Supersedes = strings.Repeat("0a", 16) }), admin.CodeNotFound, "consent list"},
		"of a patient with no number": {change(func(q *admin.RecordDirectiveRequest) { q.Patient = "123" }), admin.CodeBadInput, "NHS"},
	} {
		_, err := n.RecordDirective(t.Context(), c.q)
		if admin.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := directives(t, n, true); len(got) > 0 {
		t.Errorf("recorded all the same: %v", got)
	}
	if _, err := n.Directives(t.Context(), &admin.DirectivesRequest{Patient: patientA, Asker: &admin.Asker{User: "x", Role: "researcher"}}); admin.CodeOf(err) != admin.CodeDenied {
		t.Errorf("a researcher reads what patients have said: %v", err)
	}
	if _, err := n.WithdrawDirective(t.Context(), &admin.WithdrawDirectiveRequest{Patient: patientA, Directive: strings.Repeat("0a", 16)}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("nothing is withdrawn: %v", err)
	}
}

func TestWithdrawingObjectionsSaysThatScopedOnesRemain(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	recordDirective(t, n, deny(nil))
	recordDirective(t, n, deny(&admin.DirectiveScope{Type: "a"}))
	reply, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: patientA, Withdraw: true, By: "rn1"})
	if err != nil || reply.GetScoped() != 1 || reply.GetState() != "shared" {
		t.Errorf("got %v, %v", reply, err)
	}
	if decide(t, n, "RAS", "a").Permitted() || !decide(t, n, "RAS", "b").Permitted() {
		t.Error("the withdrawal of objections to everything touches others")
	}
}

// Whoever names a document that they cannot see is warned before it is confirmed: with a wrong id the patient would be protected by
// nothing. Of one that is hidden from them the answer is the same but for its id.
func TestAWishAboutADocumentThatIsNotSeenIsCautioned(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	shown := string(takeLetters(t, n, 1, 1)[0])
	wrong := string(federation.NewDocumentID(n.Trust(), federation.DocumentKey{9}))
	read := func(id, role, patient string) string {
		q := deny(&admin.DirectiveScope{Document: id})
		q.Confirm, q.Asker, q.Patient = false, &admin.Asker{User: "rn1", Role: role}, patient
		return strings.ReplaceAll(recordDirective(t, n, q).GetReadBack(), id, "ID")
	}
	const caution = "Take care: you can see no document ID of this patient."
	for _, c := range []struct {
		id, role, patient string
		want              bool
	}{
		{shown, "nurse", patientA, false},
		{wrong, "nurse", patientA, true},
		{wrong, "governance-lead", patientA, true},
		{shown, "governance-lead", patientA, false},
		{shown, "nurse", patientB, true},
	} {
		if got := strings.Contains(read(c.id, c.role, c.patient), caution); got != c.want {
			t.Errorf("a %s names %s of %s: cautioned %v", c.role, c.id, c.patient, got)
		}
	}
	gone := string(takeLetters(t, n, 1, 2)[1])
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: gone, Reason: "not theirs", By: &admin.Asker{User: "r.desk", Role: "records-staff"}}); err != nil {
		t.Fatal(err)
	}
	if withdrawn, absent := read(gone, "nurse", patientA), read(wrong, "nurse", patientA); withdrawn != absent {
		t.Errorf("of a withdrawn document it says %q, of one that is not there %q", withdrawn, absent)
	}
	q := deny(&admin.DirectiveScope{Trust: string(n.Trust()), Role: "nurse"})
	recordDirective(t, n, q) // from now on a nurse may not know of it
	if hidden, absent := read(shown, "nurse", patientA), read(wrong, "nurse", patientA); hidden != absent || !strings.Contains(hidden, caution) {
		t.Errorf("of a hidden document it says %q, of one that is not there %q", hidden, absent)
	}
	but := deny(nil)
	but.Confirm, but.Except = false, []*admin.DirectiveScope{{Document: wrong}}
	if got := recordDirective(t, n, but).GetReadBack(); !strings.Contains(got, "you can see no document "+wrong) {
		t.Errorf("of an exception it says %q", got)
	}
	for code, want := range map[string]bool{"373942005": false, "local:letter-7": false, "": false, "373942006": true, " 373942005": true, "letter": true} {
		for _, scope := range []*admin.DirectiveScope{{Type: code, Trust: "RYJ"}, {Category: code, Trust: "RYJ"}} {
			q := deny(scope)
			q.Confirm = false
			if got := strings.Contains(recordDirective(t, n, q).GetReadBack(), "no document is taken in with the code"); got != want {
				t.Errorf("code %q: cautioned %v", code, got)
			}
		}
	}
}

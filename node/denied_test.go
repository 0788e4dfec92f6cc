package node

import (
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// deniedTo returns what the audit log has of refusals of somebody.
func deniedTo(t *testing.T, n *Node, user string) (out []string) {
	t.Helper()
	page, err := n.audit.Search(t.Context(), audit.Filter{User: user, Outcome: policy.Denied.String()}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		out = append(out, r.Entry.Kind.String()+" "+r.Entry.Role+" "+r.Entry.Detail)
	}
	return out
}

// TestWhoWasDeniedToGovernIsWrittenDown: somebody who tries what is not theirs leaves evidence of it, as somebody does who reads.
func TestWhoWasDeniedToGovernIsWrittenDown(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ctx := t.Context()
	as := func(user, role string) *admin.Asker { return &admin.Asker{User: user, Role: role, Purpose: "HOPERAT"} }
	form := "name: Direct care\n\n" + policy.StarterBlocks
	made, err := n.ProposeAgreement(ctx, &admin.ProposeAgreementRequest{Text: &admin.AgreementText{Form: form}, Asker: as("a.mensah", "governance-lead")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.reviews.begin(ctx, &review{ID: "RYJ-1", Kind: ruleOwnRecord, User: "own1", Trust: n.Trust(), At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	document := string(mustTake(t, n, "Letter", "one", nil).Document)
	for user, c := range map[string]struct {
		do   func(*admin.Asker) error
		role string
		want []string // of the entry
	}{
		"rejects1": {func(a *admin.Asker) error {
			_, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Proposal: made.GetId(), Reject: true, Asker: a})
			return err
		}, "records-staff", []string{"agreement", made.GetId(), "a.mensah", "rejects another's proposal"}},
		"rejects2": {func(a *admin.Asker) error {
			_, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Proposal: made.GetId(), Reject: true, Asker: a})
			return err
		}, "nurse", []string{"takes their own proposal back"}},
		"approves1": {func(a *admin.Asker) error {
			_, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Proposal: made.GetId(), Asker: a})
			return err
		}, "records-staff", []string{"approves"}},
		"proposes1": {func(a *admin.Asker) error {
			_, err := n.ProposeAgreement(ctx, &admin.ProposeAgreementRequest{Text: &admin.AgreementText{Form: form}, Asker: a})
			return err
		}, "nurse", []string{"proposes"}},
		"withdraws1": {func(a *admin.Asker) error {
			_, err := n.Withdraw(ctx, &admin.WithdrawRequest{Document: document, Reason: "x", By: a})
			return err
		}, "nurse", []string{"withdraws documents"}},
		"labels1": {func(a *admin.Asker) error {
			_, err := n.Relabel(ctx, &admin.RelabelRequest{Choice: &admin.DocumentChoice{Documents: []string{document}}, Confidentiality: "N", By: a})
			return err
		}, "nurse", []string{"labels documents"}},
		"protects1": {func(a *admin.Asker) error {
			_, err := n.Protect(ctx, &admin.ProtectRequest{Patient: patientA, Lift: true, Asker: a})
			return err
		}, "nurse", []string{"marks people"}},
		"judges1": {func(a *admin.Asker) error {
			_, err := n.CloseReview(ctx, &admin.CloseReviewRequest{Id: "RYJ-1", Outcome: reviewJustified, Note: "n", Asker: a})
			return err
		}, "nurse", []string{"review", "closed by a"}},
		"own1": {func(a *admin.Asker) error {
			_, err := n.CloseReview(ctx, &admin.CloseReviewRequest{Id: "RYJ-1", Outcome: reviewJustified, Note: "n", Asker: a})
			return err
		}, "privacy-officer", []string{"review", "RYJ-1", "cannot judge it"}},
	} {
		if err := c.do(as(user, c.role)); admin.CodeOf(err) != admin.CodeDenied {
			t.Errorf("%s: %v", user, err)
		}
		got := deniedTo(t, n, user)
		if len(got) != 1 || !strings.Contains(got[0], c.role) {
			t.Errorf("%s: the log has %q", user, got)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(got[0], want) {
				t.Errorf("%s: %q says nothing of %q", user, got[0], want)
			}
		}
	}
	if r, found := n.reviews.get("RYJ-1"); !found || !r.open() {
		t.Error("the review is closed")
	}
	if kept, err := n.agreementProposals(ctx); err != nil || len(kept) != 1 || kept[0].State != stateProposed {
		t.Errorf("the proposal: %+v, %v", kept, err)
	}
}

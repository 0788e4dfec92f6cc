package node

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

func suspendUser(n *Node, user, reason, by, role string, lift bool) error {
	_, err := n.SuspendUser(context.Background(), &admin.SuspendUserRequest{User: user, Reason: reason, Lift: lift, Asker: &admin.Asker{User: by, Role: role, Purpose: "HOPERAT"}})
	return err
}

func TestNothingIsDoneForASuspendedMemberOfStaff(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ctx := t.Context()
	as := func(role, purpose string) *admin.Asker {
		return &admin.Asker{User: "J.Price", Role: role, Purpose: purpose}
	}
	lead, nurse := as("governance-lead", "HOPERAT"), as("nurse", "TREAT")
	document := string(federation.NewDocumentID(n.Trust(), federation.DocumentKey{1}))
	asks := map[string]func() error{
		"locate": func() error {
			_, err := n.Locate(ctx, &admin.LocateRequest{Patient: patientA, Asker: nurse})
			return err
		},
		"describe": func() error { _, err := n.Describe(ctx, patientA, document, nurse); return err },
		"fetch":    func() error { return n.Fetch(ctx, &admin.FetchRequest{Document: document, Asker: nurse}, nil) },
		"emergency": func() error {
			_, err := n.BreakGlass(ctx, &admin.BreakGlassRequest{Patient: patientA, Reason: "unconscious in resus now", Asker: nurse})
			return err
		},
		"wishes": func() error {
			_, err := n.Directives(ctx, &admin.DirectivesRequest{Patient: patientA, Asker: nurse})
			return err
		},
		"propose": func() error {
			_, err := n.ProposeAgreement(ctx, &admin.ProposeAgreementRequest{Asker: lead})
			return err
		},
		"approve": func() error {
			_, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Asker: lead})
			return err
		},
		"simulate": func() error {
			_, err := n.SimulateAgreement(ctx, &admin.SimulateAgreementRequest{Asker: lead})
			return err
		},
		"why":     func() error { _, err := n.Why(ctx, &admin.WhyRequest{Document: document, By: lead}); return err },
		"who":     func() error { _, err := n.Who(ctx, &admin.WhoRequest{Document: document, By: lead}); return err },
		"reviews": func() error { _, err := n.Reviews(ctx, &admin.ReviewsRequest{Asker: lead}); return err },
		"judge": func() error {
			_, err := n.CloseReview(ctx, &admin.CloseReviewRequest{Id: "x", Outcome: reviewJustified, Note: "n", Asker: lead})
			return err
		},
		"audit":   func() error { _, err := n.SearchAudit(ctx, &admin.SearchAuditRequest{Asker: lead}); return err },
		"export":  func() error { return n.ExportAudit(ctx, &admin.ExportAuditRequest{Asker: lead}, nil) },
		"protect": func() error { _, err := n.Protect(ctx, &admin.ProtectRequest{Asker: lead}); return err },
		"suspend": func() error { _, err := n.Suspend(ctx, &admin.SuspendRequest{Trust: "RAS", By: lead}); return err },
		"lift":    func() error { return suspendUser(n, "j.price", "", "j.price", "governance-lead", true) },
	}
	// A piece of a download that began before is not sent after.
	var sent int
	send := n.whileAdmitted(ctx, nurse, func(*admin.FetchReply) error { sent++; return nil })
	if err := send(nil); err != nil || sent != 1 {
		t.Fatalf("a piece before the suspension: %v", err)
	}
	if err := suspendUser(n, "j.price", "badge stolen", "n.ferreira", "governance-lead", false); err != nil {
		t.Fatal(err)
	}
	if err := send(nil); admin.CodeOf(err) != admin.CodeDenied || sent != 1 {
		t.Errorf("a piece after the suspension: %v, %d sent", err, sent)
	}
	n.shutOuts.by = nil // as after a restart
	if err := n.openShutOuts(ctx); err != nil {
		t.Fatal(err)
	}
	for name, ask := range asks {
		if err := ask(); admin.CodeOf(err) != admin.CodeDenied || !strings.Contains(err.Error(), "suspended by this trust") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := suspendUser(n, "j.price", "badge found", "p.osei", "privacy-officer", true); err != nil {
		t.Fatal(err)
	}
	for name, ask := range asks {
		if err := ask; name == "locate" || name == "wishes" || name == "audit" {
			if err := err(); err != nil {
				t.Errorf("%s once it is lifted: %v", name, err)
			}
		}
	}
	list, err := n.Audited(ctx, audit.Filter{Kinds: []audit.Kind{audit.Admin}, User: "n.ferreira"})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Detail, "suspended j.price: badge stolen") {
		t.Errorf("the log has %v, %v", list, err)
	}
}

func TestWhoMaySuspendAMemberOfStaff(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	for name, c := range map[string]struct {
		user, reason, by, role string
		lift                   bool
		want                   admin.Code
	}{
		"a doctor":          {"j.price", "r", "a.okafor", "doctor", false, admin.CodeDenied},
		"records staff":     {"j.price", "r", "s.lindqvist", "records-staff", false, admin.CodeDenied},
		"oneself":           {"N.Ferreira", "r", "n.ferreira", "governance-lead", false, admin.CodeDenied},
		"nobody":            {"j.price", "r", "", "governance-lead", false, admin.CodeBadInput},
		"without a reason":  {"j.price", " ", "n.ferreira", "governance-lead", false, admin.CodeBadInput},
		"no staff id":       {"two words", "r", "n.ferreira", "governance-lead", false, admin.CodeBadInput},
		"a look-alike":      {"j.prіce", "r", "n.ferreira", "governance-lead", false, admin.CodeBadInput},
		"lift without need": {"j.price", "", "n.ferreira", "governance-lead", true, admin.CodeNotFound},
	} {
		if err := suspendUser(n, c.user, c.reason, c.by, c.role, c.lift); admin.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if reply := n.shutOutReply(); len(reply.GetUsers()) != 0 {
		t.Errorf("suspended: %v", reply)
	}
	if err := suspendUser(n, "j.price", "r", "n.ferreira", "governance-lead", false); err != nil {
		t.Fatal(err)
	}
	if err := suspendUser(n, "J.PRICE", "r", "n.ferreira", "governance-lead", false); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("twice: %v", err)
	}
	if n.ShutOut("j.price ") == n.ShutOut("j.pric") {
		t.Error("it does not count for the staff id alone")
	}
}

func TestOneEntryOfTheAuditLogIsReadAndProven(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	ctx := t.Context()
	lead := &admin.Asker{User: "n.ferreira", Role: "governance-lead", Purpose: "HOPERAT"}
	one := func(i uint64) *admin.AuditFilter { return &admin.AuditFilter{Single: true, Entry: i} }
	reply, err := n.SearchAudit(ctx, &admin.SearchAuditRequest{Filter: one(0), Asker: lead})
	if err != nil || len(reply.GetEntries()) != 1 || reply.GetEntries()[0].GetIndex() != 0 {
		t.Fatalf("entry 0: %v, %v", reply, err)
	}
	if _, err := n.SearchAudit(ctx, &admin.SearchAuditRequest{Filter: one(1 << 40), Asker: lead}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("an entry that there is not: %v", err)
	}
	if _, err := n.SearchAudit(ctx, &admin.SearchAuditRequest{Filter: one(0), Asker: &admin.Asker{User: "a", Role: "doctor", Purpose: "TREAT"}}); admin.CodeOf(err) != admin.CodeDenied {
		t.Errorf("for a doctor: %v", err)
	}
	lines := 0
	if err := n.ExportAudit(ctx, &admin.ExportAuditRequest{Filter: one(0), Asker: lead}, func([]byte) error { lines++; return nil }); err != nil || lines != 1 {
		t.Errorf("exported %d lines: %v", lines, err)
	}
	if err := n.ExportAudit(ctx, &admin.ExportAuditRequest{Filter: one(1 << 40), Asker: lead}, func([]byte) error { return errors.New("sent") }); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("the export of an entry that there is not: %v", err)
	}
}

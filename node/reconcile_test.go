package node

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

func TestReconcileNamesWhatOneLogLacks(t *testing.T) {
	t.Parallel()
	here := settledNode(t, nil)
	there := joinNode(t, here, "RAS")
	eventually(t, "the second trust", func() bool {
		return there.ledger.Roster().Active(there.ID()) && here.ledger.Roster().Active(there.ID())
	})
	own, theirs := federation.NewDocumentID(here.Trust(), federation.DocumentKey{1}), federation.NewDocumentID("RAS", federation.DocumentKey{2})
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	var proof []byte
	var of audit.Ref
	put := func(n *Node, transfer byte, kind audit.Kind, trust federation.TrustID, id federation.DocumentID, request byte, bytes int64, outcome string) uint64 {
		t.Helper()
		e := audit.Entry{
			Proof: proof, Of: of,
			Time: at, Kind: kind, Trust: trust, User: "c.jones", Document: id, Custodian: id.Custodian(), Transfer: [16]byte{transfer}, Bytes: bytes, Outcome: outcome,
			Detail: "kept for the test",
		}
		if request != 0 {
			e.Request = federation.Digest{request}
		}
		at, err := n.audit.Append(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	const permit = "PERMIT"
	// exchanged is a release of 10 bytes to RAS that both logs have, in writing as far as it is changed.
	exchanged := func(transfer byte, change func(*exchange.Receipt, *exchange.Ruling), receipt, ruling func([]byte) []byte) {
		t.Helper()
		proof, of = nil, 0
		index := put(here, transfer, audit.Intent, "RAS", own, transfer, 10, permit)
		put(there, transfer, audit.Intent, "RAS", own, transfer, 0, permit)
		r := exchange.Receipt{Assertion: federation.Digest{transfer}, Intent: index, Bytes: 10, At: at}
		u := exchange.Ruling{Assertion: federation.Digest{transfer}, Entry: index, Bytes: 10, At: at, Outcome: policy.Permit}
		change(&r, &u)
		proof, of = receipt(exchange.SignReceipt(r, there.keys.statement)), audit.RefTo(index)
		put(here, transfer, audit.Completion, "RAS", own, 0, 10, permit)
		proof, of = ruling(exchange.SignRuling(u, here.keys.statement)), 0
		put(there, transfer, audit.Receipt, "RAS", own, transfer, 10, permit)
		proof = nil
	}
	asIs, gone := func(b []byte) []byte { return b }, func([]byte) []byte { return nil }
	forged := func(b []byte) []byte { b[0] ^= 1; return b }
	honest := func(*exchange.Receipt, *exchange.Ruling) {}
	// In both logs: nothing to say.
	exchanged(1, honest, asIs, asIs)
	// In both logs, and one of them lacks what the other trust should have signed.
	exchanged(0x21, honest, gone, asIs)
	exchanged(0x22, honest, forged, asIs)
	exchanged(0x23, func(r *exchange.Receipt, _ *exchange.Ruling) { r.Assertion[5] = 1 }, asIs, asIs)
	exchanged(0x24, func(r *exchange.Receipt, _ *exchange.Ruling) { r.Bytes++ }, asIs, asIs)
	exchanged(0x25, honest, asIs, gone)
	exchanged(0x26, honest, asIs, forged)
	exchanged(0x27, func(_ *exchange.Receipt, u *exchange.Ruling) { u.Entry++ }, asIs, asIs)
	exchanged(0x28, func(_ *exchange.Receipt, u *exchange.Ruling) { u.Assertion[5] = 1 }, asIs, asIs)
	// The requester's log has lost a read; the custodian's has; both have it with different requests.
	put(here, 2, audit.Intent, "RAS", own, 2, 20, permit)
	put(here, 2, audit.Completion, "RAS", own, 0, 20, permit)
	put(there, 3, audit.Receipt, "RAS", own, 0, 30, permit)
	put(here, 4, audit.Intent, "RAS", own, 4, 40, permit)
	put(there, 4, audit.Intent, "RAS", own, 5, 0, permit)
	// The other way round.
	put(there, 6, audit.Completion, here.Trust(), theirs, 0, 60, permit)
	// Asked for, never reached the custodian, brought nothing: no read.
	put(there, 7, audit.Intent, "RAS", own, 7, 0, permit)
	put(there, 7, audit.Receipt, "RAS", own, 0, 0, "UNAVAILABLE")
	put(here, 8, audit.Refusal, "RAS", own, 8, 0, "DENIED")
	want := map[string]string{
		"21": "in the log of RYJ: no receipt for 10 bytes that left, signed by RAS", "22": "a receipt that is not signed by RAS", "23": "a receipt for another release", "24": "a receipt for 11",
		"25": "in the log of RAS: no ruling on 10 bytes that came, signed by RYJ", "26": "a ruling that is not signed by RYJ", "27": "a ruling on another request", "28": "a ruling on another request",
		"02": "20 bytes were released to RAS", "03": "30 bytes came from", "04": "not the same signed request", "06": "60 bytes were released", "08": "refused to RAS",
	}
	for _, n := range []*Node{here, there} {
		r, err := n.Reconcile(t.Context(), &admin.ReconcileRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.GetSites()) != 1 || !r.GetSites()[0].GetAnswered() || r.GetCompared() != 15 {
			t.Errorf("%s: compared %d with %v", n.Trust(), r.GetCompared(), r.GetSites())
		}
		got := map[string]bool{}
		for _, o := range r.GetOneSided() {
			got[o.GetTransfer()[:2]] = true
			if !strings.Contains(o.GetProblem(), want[o.GetTransfer()[:2]]) || want[o.GetTransfer()[:2]] == "" {
				t.Errorf("%s: %v, want %q", n.Trust(), o, want[o.GetTransfer()[:2]])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", n.Trust(), got, want)
		}
	}
	r, err := here.Reconcile(t.Context(), &admin.ReconcileRequest{Since: time.Now().Add(-time.Second).UnixMicro()})
	if err != nil || r.GetCompared() != 0 {
		t.Errorf("what was before is compared: %v, %v", r, err)
	}
}

// What a log has of patients is told to members only, to those who may ask only, and is in the log before it is told.
func TestAccessesAreToldToThoseWhoMayAskOnly(t *testing.T) {
	t.Parallel()
	n := settledNode(t, func(o *Options) { o.Settings.Watch.PatientsAnHour = 2 })
	second := joinNode(t, n, "RAS")
	eventually(t, "the second trust", func() bool { return n.ledger.Roster().Active(second.ID()) })
	subject := federation.Subject{1}
	q := func(role, purpose string, subject []byte) *wire.AccessesRequest {
		return &wire.AccessesRequest{Subject: subject, User: "r.clerk", Role: role, Purpose: purpose}
	}
	count := func(outcome string) int {
		page, err := n.audit.Search(t.Context(), audit.Filter{Kinds: []audit.Kind{audit.Review}, Trust: "RAS", Outcome: outcome}, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Records)
	}
	for name, c := range map[string]struct {
		by   federation.NodeID
		q    *wire.AccessesRequest
		want codes.Code
	}{
		"a stranger":      {testNode(7), q("records-staff", "PATRQT", subject[:]), codes.PermissionDenied},
		"a doctor":        {second.ID(), q("doctor", "PATRQT", subject[:]), codes.PermissionDenied},
		"for treatment":   {second.ID(), q("records-staff", "TREAT", subject[:]), codes.PermissionDenied},
		"nobody":          {second.ID(), &wire.AccessesRequest{Role: "records-staff", Purpose: "PATRQT"}, codes.PermissionDenied},
		"half a subject":  {second.ID(), q("records-staff", "PATRQT", subject[:8]), codes.InvalidArgument},
		"who may":         {second.ID(), q("records-staff", "PATRQT", subject[:]), codes.OK},
		"who may, of all": {second.ID(), q("governance-lead", "HOPERAT", nil), codes.OK},
	} {
		if _, err := n.answerAccesses(t.Context(), c.by, c.q); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if permitted, denied := count("PERMIT"), count("DENIED"); permitted != 2 || denied != 3 {
		t.Errorf("the log has %d that were told and %d that were refused, want 2 and 3", permitted, denied)
	}
	// A sweep over many patients is noticed, however the one who asks is written.
	suspected := func() int {
		reply, err := n.Reviews(t.Context(), &admin.ReviewsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return len(slices.DeleteFunc(reply.GetReviews(), func(r *admin.Review) bool { return r.GetKind() != ruleManyPatients || r.GetTrust() != "RAS" }))
	}
	for i, user := range []string{"R.Clerk", "r.CLERK"} {
		if got := suspected(); got != 0 {
			t.Errorf("%d suspicions after %d patients", got, i+1)
		}
		if _, err := n.answerAccesses(t.Context(), second.ID(), &wire.AccessesRequest{Subject: append([]byte{byte(i + 2)}, subject[1:]...), User: user, Role: "records-staff", Purpose: "PATRQT"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := suspected(); got != 1 {
		t.Errorf("%d suspicions after three patients, want 1", got)
	}
	if err := n.audit.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.answerAccesses(context.Background(), second.ID(), q("records-staff", "PATRQT", subject[:])); status.Code(err) != codes.Unavailable {
		t.Errorf("told without evidence: %v", err)
	}
}

func TestAccessesComeInPagesAndNotTooOften(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	second := joinNode(t, n, "RAS")
	eventually(t, "the second trust", func() bool { return n.ledger.Roster().Active(second.ID()) && second.ledger.Roster().Active(n.ID()) })
	subject := federation.Subject{1}
	for i := range 1300 {
		if _, err := n.audit.Append(t.Context(), audit.Entry{Time: time.Now().UTC(), Kind: audit.Search, Trust: n.Trust(), Subject: subject, Bytes: int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	heard := second.hear(t.Context(), func() []*wire.AccessesRequest {
		return []*wire.AccessesRequest{{Subject: subject[:], User: "r.clerk", Role: "records-staff", Purpose: "PATRQT"}}
	})
	if len(heard) != 1 || !heard[0].site.GetAnswered() || len(heard[0].accesses) != 1300 {
		t.Fatalf("%v, %d accesses, want 1300", heard[0].site, len(heard[0].accesses))
	}
	for i, a := range heard[0].accesses {
		if a.GetBytes() != uint64(i) {
			t.Fatalf("access %d is of entry %d", i, a.GetBytes())
		}
	}
	allowed, now := 0, time.Now() // by which all come at once, however long they take
	for range 100 {
		if n.permit(second.ID(), wire.Region_Accesses_FullMethodName, now) == nil {
			allowed++
		}
	}
	if allowed > 30 {
		t.Errorf("%d of 100 calls at once are let through", allowed)
	}
}

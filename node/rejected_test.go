package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// withRejected is a node of which the region has refused two agreements.
func withRejected(t *testing.T) *Node {
	t.Helper()
	n := settledNode(t, nil)
	signed := nextStatement(t, n, secondAgreement(), 0)
	stop(t, n)
	offline(t, n, func(s *record.Store) {
		for range 2 {
			id, err := s.Enqueue(t.Context(), secondAgreement())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetInFlight(t.Context(), record.InFlight{Envelope: signed.Encode(), Entries: []record.EntryID{id}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Complete(t.Context(), record.Outcome{Statement: signed.ID(), Seq: 9, Refused: "bad-agreement: whatever"}); err != nil {
				t.Fatal(err)
			}
		}
	})
	return reopen(t, n.options)
}

func TestWhatTheRegionRefusedIsListedRetriedAndDismissed(t *testing.T) {
	t.Parallel()
	n := withRejected(t)
	s, err := n.Status(t.Context(), &admin.StatusRequest{})
	if err != nil || s.GetRejected() != 2 || !strings.Contains(strings.Join(s.GetWarnings(), " "), "ridgeway rejected list") {
		t.Errorf("got %d and %q, %v, want 2 with the next step", s.GetRejected(), s.GetWarnings(), err)
	}
	list, err := n.Rejected(t.Context(), &admin.RejectedRequest{})
	if err != nil || list.GetTotal() != 2 || len(list.GetRejections()) != 2 {
		t.Fatalf("got %v, %v", list, err)
	}
	first := list.GetRejections()[0]
	if first.GetKind() != federation.KindAgreement.String() || first.GetReason() != "bad-agreement: whatever" || first.GetEffect() == "" || first.GetQueued() == 0 {
		t.Errorf("got %v", first)
	}
	for _, q := range []*admin.SettleRequest{{}, {Ids: []string{first.GetId()}, All: true}, {Ids: []string{"what"}}} {
		if _, err := n.Settle(t.Context(), q); admin.CodeOf(err) != admin.CodeBadInput {
			t.Errorf("%v: got %v, want BAD_INPUT", q, err)
		}
	}
	// One that is not there: nothing of it is done.
	if _, err := n.Settle(t.Context(), &admin.SettleRequest{Ids: []string{first.GetId(), "1"}}); admin.CodeOf(err) != admin.CodeNotFound {
		t.Errorf("got %v, want NOT_FOUND", err)
	}
	if _, err := n.Rejected(t.Context(), &admin.RejectedRequest{Limit: 1 << 20}); admin.CodeOf(err) != admin.CodeBadInput {
		t.Errorf("a limit without bound: %v", err)
	}
	before := n.audit.Size()
	if reply, err := n.Settle(t.Context(), &admin.SettleRequest{Ids: []string{first.GetId()}, Retry: true}); err != nil || reply.GetSettled() != 1 {
		t.Errorf("retry: %v, %v", reply, err)
	}
	eventually(t, "the second agreement", func() bool { return agreementVersion(t, n) == 2 })
	if reply, err := n.Settle(t.Context(), &admin.SettleRequest{All: true, By: &admin.Asker{User: "d.shah", Role: "records-staff"}}); err != nil || reply.GetSettled() != 1 {
		t.Errorf("dismiss: %v, %v", reply, err)
	}
	if list, err := n.Rejected(t.Context(), &admin.RejectedRequest{}); err != nil || list.GetTotal() != 0 || len(list.GetRejections()) != 0 {
		t.Errorf("got %v, %v, want none left", list, err)
	}
	if got := n.audit.Size(); got < before+2 {
		t.Errorf("the audit log grew by %d entries, want one for each", got-before)
	}
	if all, err := n.Audited(t.Context(), audit.Filter{User: "d.shah"}); err != nil || len(all) != 1 || !strings.HasPrefix(all[0].Detail, "dismissed ") {
		t.Errorf("the log says who did it as %+v, %v", all, err)
	}
}

// What broke the region's rules is told by status, whoever said it.
func TestStatusTellsWhatTheRegionRefused(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	foul := nextStatement(t, n, secondAgreement(), 3)
	if _, err := n.replica.Submit(t.Context(), foul.Encode(), consensus.Urgent); err != nil {
		t.Fatal(err)
	}
	s, err := n.Status(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.GetRefusedEver() != 1 || len(s.GetRefused()) != 1 {
		t.Fatalf("%d refused, %v", s.GetRefusedEver(), s.GetRefused())
	}
	if gap := s.GetRefused()[0]; gap.GetTrust() != "RYJ" || gap.GetKind() != "agreement" || gap.GetCode() != index.Gap.String() || gap.GetEntry() == 0 || gap.GetDetail() == "" {
		t.Errorf("out of its place: %v", gap)
	}
}

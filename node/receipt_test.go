package node

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/wire"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func receipt(t *testing.T, n *Node, id, role string) *admin.ReceiptReply {
	t.Helper()
	reply, err := n.Receipt(t.Context(), &admin.ReceiptRequest{Patient: patientA, Directive: id, Asker: &admin.Asker{User: "x", Role: role}})
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAReceiptSaysHowFarADirectiveHasCome(t *testing.T) {
	t.Parallel()
	n, mute := mutableNode(t)
	takeLetters(t, n, 0, 1)
	eventually(t, "an empty outbox", func() bool { return outbox(t, n).Outbox == 0 })
	agreed := recordDirective(t, n, deny(&admin.DirectiveScope{Type: "a"}))
	eventually(t, "the moment of the directive", func() bool { return receipt(t, n, agreed.GetDirective(), "nurse").GetCommitted() > 0 })
	r := receipt(t, n, agreed.GetDirective(), "nurse")
	if !r.GetAgreed() || !r.GetComplete() || r.GetRecorded() == 0 || r.GetIndex() != agreed.GetIndex() || len(r.GetSites()) != 1 || !r.GetSites()[0].GetApplied() || r.GetSites()[0].GetAt() == 0 {
		t.Errorf("got %v", r)
	}
	if r.GetSites()[0].GetHolds() {
		t.Error("a nurse is told who holds documents")
	}
	if r := receipt(t, n, agreed.GetDirective(), "privacy-officer"); !r.GetSites()[0].GetHolds() {
		t.Error("a privacy officer is not told who holds documents")
	}
	mute()
	waiting := recordDirective(t, n, deny(&admin.DirectiveScope{Type: "b"}))
	if r := receipt(t, n, waiting.GetDirective(), "nurse"); r.GetAgreed() || r.GetComplete() || r.GetCommitted() != 0 || r.GetRecorded() == 0 || !r.GetSites()[0].GetApplied() {
		t.Errorf("a refusal that counts here only: %v", r)
	}
	grant := recordDirective(t, n, permit(&admin.DirectiveScope{Type: "c"}))
	if r := receipt(t, n, grant.GetDirective(), "nurse"); r.GetSites()[0].GetApplied() {
		t.Errorf("a grant that counts nowhere: %v", r)
	}
}

func TestMomentsOfDirectivesOutlastTheProcessAndAreBounded(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	a, err := loadApplications(t.Context(), n.records)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a.now = func() time.Time { return at }
	var last federation.DirectiveID
	for i := range keptApplications + 1 {
		last = federation.DirectiveID{1, byte(i), byte(i >> 8)}
		a.applied(last)
	}
	at = at.Add(time.Hour)
	a.applied(last)
	b, changed := a.encode()
	if !changed {
		t.Error("what is new is not written down")
	}
	if err := n.records.SetSetting(t.Context(), applicationsSetting, b); err != nil {
		t.Fatal(err)
	}
	again, err := loadApplications(t.Context(), n.records)
	if err != nil {
		t.Fatal(err)
	}
	if got, known := again.of(last); !known || !got.Equal(at.Add(-time.Hour)) {
		t.Errorf("got %v, %v", got, known)
	}
	if _, known := again.of(federation.DirectiveID{1, 0, 0}); known || len(again.at) != keptApplications {
		t.Errorf("%d are kept", len(again.at))
	}
}

func TestAppliedChecksWhatItIsAsked(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	s := regionServer{n: n}
	if _, err := s.Applied(t.Context(), &wire.AppliedRequest{Subject: []byte{1}, Directive: make([]byte, 16)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if reply, err := s.Applied(t.Context(), &wire.AppliedRequest{Subject: make([]byte, 16), Directive: make([]byte, 16)}); err != nil || reply.GetApplied() {
		t.Errorf("got %v, %v", reply, err)
	}
}

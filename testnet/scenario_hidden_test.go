package testnet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// TestOtherTrustsTellNothingOfHiddenDocuments compares all that a trust is told of a patient before and after another holds documents
// that its staff may not know of, while that one can be reached and while it cannot.
func TestOtherTrustsTellNothingOfHiddenDocuments(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		custodian, patient := s.r.Trusts()[2], s.patients[0]
		s.must(s.keeps(custodian, patient, "local:secret"))
		for i := range 3 {
			s.published(custodian, patient, 1000+i)
		}
		hide := func(i int, change func(*admin.RelabelRequest)) federation.DocumentID {
			id := s.published(custodian, patient, 5000+i)
			q := &admin.RelabelRequest{Choice: &admin.DocumentChoice{Documents: []string{string(id)}}, Confirm: true, By: &admin.Asker{User: "ig1", Role: "governance-lead"}}
			change(q)
			if reply, err := s.r.Node(custodian).Relabel(s.ctx, q); err != nil || reply.GetChanged() != 1 || !reply.GetCommitted() {
				s.Fatalf("relabel: %v, %v", reply, err)
			}
			return id
		}
		named := s.version(custodian, patient, "", "N")
		s.must(s.names(custodian, patient, named))
		s.must(s.r.Converged(s.ctx))
		before := s.told(ras, patient)
		later := s.version(custodian, patient, named, "N") // of what the patient has named
		versions := []federation.DocumentID{named, later, s.version(custodian, patient, later, "R")}
		hidden := []federation.DocumentID{s.secret(custodian, patient)}
		for i := range 4 {
			hidden = append(hidden, hide(i, func(q *admin.RelabelRequest) { q.Confidentiality = "V" }),
				s.barred(custodian, patient, "GRA"), hide(20+i, func(q *admin.RelabelRequest) { q.Add = []string{"HIV"} }))
		}
		s.must(s.soon(time.Minute, "publish", func(ctx context.Context) error { return s.r.Published(ctx) }))
		s.must(s.r.Converged(s.ctx))
		if after := s.told(ras, patient); after != before {
			s.Errorf("what is hidden shows in an answer:\nwithout %s\nwith    %s", before, after)
		}
		absent := federation.NewDocumentID(custodian, federation.DocumentKey{5})
		s.sameFetches(ras, absent, append(versions, hidden...))
		// An emergency opens what its agreement lets it, and neither V nor what the law bars; nothing more is told of these.
		s.must(err2(s.glass(ras, doctor("dr1"), patient)))
		for i, id := range hidden[1:] {
			want := admin.Code("")
			if i%3 < 2 {
				want = admin.CodeNotFound
			}
			s.fetchAs(doctor("dr1"), ras, id, want)
		}
		s.must(s.r.Stop(custodian))
		s.sameFetches(ras, absent, append(versions, hidden[:4]...))
		s.must(s.r.Restart(s.ctx, custodian))
		s.must(s.soon(time.Minute, "the region to be complete", s.r.Ready))
		// What is no longer hidden is there again; the stage opens every document that was published, when it ends.
		q := &admin.RelabelRequest{Choice: &admin.DocumentChoice{Confidentiality: "V"}, Confidentiality: "N", Confirm: true, By: &admin.Asker{User: "ig1", Role: "governance-lead"}}
		if reply, err := s.r.Node(custodian).Relabel(s.ctx, q); err != nil || reply.GetChanged() != 4 || !reply.GetCommitted() {
			s.Fatalf("relabel: %v, %v", reply, err)
		}
		s.must(s.r.Converged(s.ctx))
	})
}

func err2(_ *admin.BreakGlassReply, err error) error { return err }

// keeps records that a patient keeps documents of a type from the staff of other trusts.
func (s *stage) keeps(at federation.TrustID, patient synth.Patient, kind string) error {
	_, err := s.r.Node(at).RecordDirective(s.ctx, &admin.RecordDirectiveRequest{
		Patient: patient.NHSNumber, Scope: &admin.DirectiveScope{Type: kind}, By: "rn1", Evidence: "in person", Confirm: true, Asker: &admin.Asker{User: "rn1", Role: "nurse"},
	})
	return err
}

// names records that a patient keeps one document from the staff of other trusts.
func (s *stage) names(at federation.TrustID, patient synth.Patient, id federation.DocumentID) error {
	_, err := s.r.Node(at).RecordDirective(s.ctx, &admin.RecordDirectiveRequest{
		Patient: patient.NHSNumber, Scope: &admin.DirectiveScope{Document: string(id)}, By: "rn1", Evidence: "in person", Confirm: true, Asker: &admin.Asker{User: "rn1", Role: "nurse"},
	})
	return err
}

// version takes in a document that replaces another, unless that is empty.
func (s *stage) version(at federation.TrustID, patient synth.Patient, old federation.DocumentID, confidentiality string) federation.DocumentID {
	s.Helper()
	item := s.item(patient, s.content(2000))
	item.Supersedes, item.Confidentiality = old, confidentiality
	receipt, err := s.r.Take(s.ctx, at, item)
	s.must(err)
	return receipt.Document
}

// secret takes in a document of the type that the patient keeps to their trust.
func (s *stage) secret(at federation.TrustID, patient synth.Patient) federation.DocumentID {
	s.Helper()
	item := s.item(patient, s.content(2000))
	item.Type = "local:secret"
	receipt, err := s.r.Take(s.ctx, at, item)
	s.must(err)
	return receipt.Document
}

// barred takes in a document of a legally restricted class, which is never published.
func (s *stage) barred(at federation.TrustID, patient synth.Patient, class string) federation.DocumentID {
	s.Helper()
	item := s.item(patient, s.content(2000))
	item.Legal = class
	receipt, err := s.r.Node(at).Take(s.ctx, item)
	s.must(err)
	return receipt.Document
}

// told is all that a trust's staff are told of a patient, but for the times.
func (s *stage) told(at federation.TrustID, patient synth.Patient) string {
	s.Helper()
	var out strings.Builder
	for _, who := range []*admin.Asker{nil, doctor("dr1"), {User: "rs1", Role: "researcher", Purpose: "HRESCH"}} {
		for limit := range 6 {
			for cursor := ""; ; {
				reply, err := s.r.Node(at).Locate(s.ctx, &admin.LocateRequest{Patient: patient.NHSNumber, Asker: who, Limit: uint32(limit), Cursor: cursor})
				s.must(err)
				reply.AsOf = 0
				for _, site := range reply.GetSites() {
					site.AsOf = 0
				}
				b, err := json.Marshal(reply)
				s.must(err)
				fmt.Fprintf(&out, "%d %d %q\n", limit, len(b), b)
				if cursor = reply.GetNext(); cursor == "" {
					break
				}
			}
		}
	}
	return out.String()
}

// sameFetches asks for documents that are hidden as for one that does not exist.
func (s *stage) sameFetches(at federation.TrustID, absent federation.DocumentID, hidden []federation.DocumentID) {
	s.Helper()
	for _, q := range []*admin.FetchRequest{{}, {Part: 2}, {Pages: "1-"}, {Pages: "2"}, {Offset: 5, Length: 1}} {
		answer := func(id federation.DocumentID) string {
			ask := &admin.FetchRequest{Document: string(id), Part: q.GetPart(), Pages: q.GetPages(), Offset: q.GetOffset(), Length: q.GetLength(), Asker: doctor("dr2")}
			_, err := s.r.Fetch(s.ctx, at, ask, io.Discard)
			return strings.ReplaceAll(fmt.Sprint(codeOf(err), " ", err), string(id), "ID")
		}
		want := answer(absent)
		for i, id := range hidden {
			if got := answer(id); got != want {
				s.Errorf("hidden document %d: %s\nabsent: %s", i, got, want)
			}
		}
	}
}

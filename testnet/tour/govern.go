package tour

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// newRules is what the holder of the case note proposes: as before, but not for the coordination of care.
const newRules = `name: Direct care
blocks:
  - block: own-records
  - block: direct-care
    trusts: all
    purposes: [TREAT, ETREAT]
  - block: break-glass
`

// The people who govern in the tour.
const (
	proposer, approver, officer = "a.mensah", "j.okafor", "p.walsh"
)

func lead(user string) *admin.Asker { return &admin.Asker{User: user, Role: "governance-lead"} }

// node returns the node of a trust.
func (t *Tour) node(id federation.TrustID) (*node.Node, error) {
	n := t.region.Node(id)
	if n == nil {
		return nil, fmt.Errorf("%s: %w", t.name(id), testnet.ErrDown)
	}
	return n, nil
}

// reads has somebody at the reader's trust open the first page of the case note, and wants a code; empty: it must come.
func (t *Tour) reads(ctx context.Context, who *admin.Asker, want admin.Code) error {
	got, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id), Pages: "1", Asker: who}, io.Discard)
	switch {
	case err == nil && want == "", err != nil && admin.CodeOf(err) == want && got.Bytes == 0:
		return nil
	case err == nil:
		return fmt.Errorf("%s in the role %s read the case note, and must not", who.GetUser(), who.GetRole())
	default:
		return fmt.Errorf("%d bytes came, and the answer was %w", got.Bytes, err)
	}
}

// agreement changes the rules of the trust that holds the case note, and sees that they count.
func (t *Tour) agreement(ctx context.Context) (string, error) {
	n, err := t.node(t.note.trust)
	if err != nil {
		return "", err
	}
	text := &admin.AgreementText{Form: newRules}
	tried, err := n.SimulateAgreement(ctx, &admin.SimulateAgreementRequest{Text: text, Asker: lead(proposer)})
	if err != nil {
		return "", err
	}
	changed := tried.GetMatrix()
	if changed.GetLost() == 0 && !t.o.Reopen {
		return "", errors.New("the trial of the new rules says that nobody loses anything")
	}
	p, err := n.ProposeAgreement(ctx, &admin.ProposeAgreementRequest{Text: text, Asker: lead(proposer), Note: "treatment only"})
	if err != nil {
		return "", err
	}
	if _, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Proposal: p.GetId(), Asker: lead(proposer)}); admin.CodeOf(err) != admin.CodeDenied {
		return "", fmt.Errorf("who proposed the rules was to be kept from approving them: %w", err)
	}
	done, err := n.ApproveAgreement(ctx, &admin.ApproveAgreementRequest{Proposal: p.GetId(), Asker: lead(approver), Note: "read and tried"})
	if err != nil {
		return "", err
	}
	if !done.GetCommitted() {
		return "", errDisagree
	}
	coordinator := &admin.Asker{User: "c.reid", Role: "doctor", Purpose: "COC"}
	if err := testnet.WaitFor(ctx, "the new rules to be in force", func(ctx context.Context) error {
		return t.reads(ctx, coordinator, admin.CodeNotFound)
	}); err != nil {
		return "", err
	}
	if err := t.reads(ctx, &admin.Asker{User: "c.reid", Role: "doctor", Purpose: "TREAT"}, ""); err != nil {
		return "", err
	}
	return fmt.Sprintf("One person proposed that records are read for treatment and no longer to coordinate care. A trial before anything counted went through %d kinds of request "+
		"and showed %d that lose access and %d that gain it. %s may not approve their own proposal and was refused; a second person, %s, approved it as version %d. "+
		"From then on a doctor at %s who names that other purpose is told that there is no such document, and one who treats the patient reads it as before.",
		changed.GetDecided(), changed.GetLost(), changed.GetGained(), proposer, approver, done.GetVersion(), t.name(t.reader)), nil
}

// directive has the patient keep the nurses of one trust out, and sees who is kept out, and where that has arrived.
func (t *Tour) directive(ctx context.Context) (string, error) {
	n, err := t.node(t.desk)
	if err != nil {
		return "", err
	}
	desk := &admin.Asker{User: "records-desk", Role: "records-staff"}
	q := &admin.RecordDirectiveRequest{
		Patient: t.focus.NHSNumber, Scope: &admin.DirectiveScope{Trust: string(t.reader), Role: "nurse"}, By: "records-desk",
		Evidence: "an invented conversation", Confirm: true, Asker: desk,
	}
	said, err := n.RecordDirective(ctx, q)
	if err != nil {
		return "", err
	}
	if !said.GetCommitted() {
		return "", errDisagree
	}
	nurse, doctor := &admin.Asker{User: "n.ward", Role: "nurse"}, &admin.Asker{User: "d.grey", Role: "doctor"}
	if err := testnet.WaitFor(ctx, "the refusal to be in force", func(ctx context.Context) error { return t.reads(ctx, nurse, admin.CodeDenied) }); err != nil {
		return "", err
	}
	if err := t.reads(ctx, doctor, ""); err != nil {
		return "", err
	}
	var receipt *admin.ReceiptReply
	if err := testnet.WaitFor(ctx, "every trust to have applied it", func(ctx context.Context) (err error) {
		receipt, err = n.Receipt(ctx, &admin.ReceiptRequest{Patient: t.focus.NHSNumber, Directive: said.GetDirective(), Asker: desk})
		if err == nil && !receipt.GetComplete() {
			err = errors.New("not every trust has")
		}
		return err
	}); err != nil {
		return "", err
	}
	var last int64
	for _, s := range receipt.GetSites() {
		last = max(last, s.GetAt())
	}
	arrived := ""
	if spent := time.Duration(last-receipt.GetRecorded()) * time.Microsecond; spent > 0 {
		arrived = fmt.Sprintf(", the last %s after it was recorded", took(spent))
	}
	if _, err := n.WithdrawDirective(ctx, &admin.WithdrawDirectiveRequest{Patient: t.focus.NHSNumber, Directive: said.GetDirective(), By: "records-desk", Evidence: "an invented conversation", Asker: desk}); err != nil {
		return "", err
	}
	if err := testnet.WaitFor(ctx, "the refusal to be gone", func(ctx context.Context) error { return t.reads(ctx, nurse, "") }); err != nil {
		return "", err
	}
	return fmt.Sprintf("The desk read back what it had understood before it was recorded: \"%s\" Then a nurse at %s was refused and a doctor was not. "+
		"The patient's receipt names all %d trusts that have applied it%s. Afterwards the patient took it back.",
		strings.Join(strings.Fields(said.GetReadBack()), " "), t.name(t.reader), len(receipt.GetSites()), arrived), nil
}

// breakGlass has a doctor open the record that the patient objects to sharing, and both sites hear of it.
func (t *Tour) breakGlass(ctx context.Context) (string, error) {
	n, err := t.node(t.reader)
	if err != nil {
		return "", err
	}
	doctor := &admin.Asker{User: "d.grey", Role: "doctor"}
	declared, err := n.BreakGlass(ctx, &admin.BreakGlassRequest{Patient: t.focus.NHSNumber, Reason: "unconscious in resus, no next of kin", Asker: doctor})
	if err != nil {
		return "", err
	}
	if err := t.reads(ctx, doctor, ""); err != nil {
		return "", err
	}
	if err := t.reads(ctx, &admin.Asker{User: "d.other", Role: "doctor"}, admin.CodeDenied); err != nil {
		return "", err
	}
	for _, at := range []federation.TrustID{t.reader, t.note.trust} {
		if err := t.waitsForReview(ctx, at, declared.GetId()); err != nil {
			return "", err
		}
	}
	closed, err := n.CloseReview(ctx, &admin.CloseReviewRequest{
		Id: declared.GetId(), Outcome: "justified", Note: "seen in resus", Asker: &admin.Asker{User: officer, Role: "privacy-officer"},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("The objection stands, but a doctor gave a reason and may open this one patient's record for %.0f minutes; it worked, and a colleague without an emergency was still refused. "+
		"Both trusts had it in their logs before the first byte, and the privacy officers of both were told. The review at %s was closed by %s, who is not the doctor, as %s; %s has a review of its own with a deadline.",
		time.Until(time.UnixMicro(declared.GetUntil())).Minutes(), t.name(t.reader), closed.GetClosedBy(), closed.GetOutcome(), t.name(t.note.trust)), nil
}

func (t *Tour) waitsForReview(ctx context.Context, at federation.TrustID, id string) error {
	n, err := t.node(at)
	if err != nil {
		return err
	}
	return testnet.WaitFor(ctx, "the review at "+t.name(at), func(ctx context.Context) error {
		list, err := n.Reviews(ctx, &admin.ReviewsRequest{})
		if err != nil {
			return err
		}
		for _, r := range list.GetReviews() {
			if r.GetId() == id {
				return nil
			}
		}
		return fmt.Errorf("%s has no review of %s", t.name(at), id)
	})
}

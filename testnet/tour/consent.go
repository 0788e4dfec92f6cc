package tour

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// errDisagree is returned when the region did not agree on what a patient said.
var errDisagree = errors.New("the region did not agree on it in time")

// closed waits until the case note is refused to the reader because the patient objects, and nothing of theirs at other
// trusts is found. Not a byte may come.
func (t *Tour) closed(ctx context.Context) error {
	return testnet.WaitFor(ctx, "the objection to be in force", func(ctx context.Context) error {
		got, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id)}, nil)
		if err == nil || admin.CodeOf(err) != admin.CodeDenied || got.Bytes > 0 {
			return fmt.Errorf("%d bytes came, and the answer was %w", got.Bytes, err)
		}
		reply, err := t.region.Locate(ctx, t.reader, t.focus.NHSNumber)
		if err != nil {
			return err
		}
		for _, d := range reply.GetDocuments() {
			if d.GetCustodian() != string(t.reader) {
				return fmt.Errorf("%s is still found", d.GetDocument())
			}
		}
		return nil
	})
}

func (t *Tour) objection(ctx context.Context) (string, error) {
	started := time.Now()
	reply, err := t.region.Object(ctx, t.desk, &admin.ObjectRequest{Patient: t.focus.NHSNumber, By: "records-desk", Evidence: "an invented conversation"})
	if err != nil {
		return "", err
	}
	if !reply.GetCommitted() {
		return "", errDisagree
	}
	agreed := time.Since(started)
	if err := t.closed(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("The region agreed on it within %s. Then %s asked for the case note again: %s refused (DENIED) and sent not one byte. "+
		"Of this patient %s now finds only what it holds itself. Recording, agreeing and refusing took %s together.",
		took(agreed), t.name(t.reader), t.name(t.note.trust), t.name(t.reader), took(time.Since(started))), nil
}

func (t *Tour) withdrawal(ctx context.Context) (string, error) {
	started := time.Now()
	reply, err := t.region.Object(ctx, t.desk, &admin.ObjectRequest{Patient: t.focus.NHSNumber, Withdraw: true, By: "records-desk", Evidence: "an invented conversation"})
	if err != nil {
		return "", err
	}
	if !reply.GetCommitted() {
		return "", errDisagree
	}
	err = testnet.WaitFor(ctx, "the release to be allowed again", func(ctx context.Context) error {
		_, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id), Pages: "1"}, nil)
		if err != nil {
			return err
		}
		reply, err := t.region.Locate(ctx, t.reader, t.focus.NHSNumber)
		if err == nil && len(reply.GetDocuments()) != t.expected() {
			err = fmt.Errorf("%d documents are found, and %d were before", len(reply.GetDocuments()), t.expected())
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("After %s the case note opened again at %s, and all is found as before. A refusal counts at once where it is recorded; a permission counts only when the region has agreed.",
		took(time.Since(started)), t.name(t.reader)), nil
}

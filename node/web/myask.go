package web

import (
	"context"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// MyRecord is what patients ask about themselves. The number is the one that their sign-on has proved; nothing of a form.
type MyRecord interface {
	// MySharing tells which trusts hold documents of the patient, and who outside may open them.
	MySharing(ctx context.Context, patient string) (*Shares, error)
	// MyReport gathers who has seen the patient's documents, at every trust, in words for them.
	MyReport(ctx context.Context, patient string) (*admin.ReportReply, error)
}

// MyChoices is what patients say about sharing.
type MyChoices interface {
	// MyDirectives lists what the patient has said that counts or waits to.
	MyDirectives(ctx context.Context, patient string) (*admin.DirectivesReply, error)
	// MyDirective reads back what the patient wants, or records it.
	MyDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error)
	// MyWithdrawal takes back what the patient has said.
	MyWithdrawal(ctx context.Context, patient, directive string) (*admin.RecordDirectiveReply, error)
	// MyReceipt says where it has come into force.
	MyReceipt(ctx context.Context, patient, directive string) (*admin.ReceiptReply, error)
}

// Named is a trust with what it is called.
type Named struct{ Code, Name string }

// Shares is what there is of a patient in the region.
type Shares struct {
	Trusts []SharedTrust // that hold documents
	Region []Named       // all active trusts
	Cut    bool          // there is more than can be listed
}

// SharedTrust is what one trust holds.
type SharedTrust struct {
	Named
	Documents []SharedDocument // newest first
	Sealed    int              // documents of which the region is told only that they are there
	With      []SharedWith
}

// SharedDocument is a document as the region lists it.
type SharedDocument struct {
	ID, Title, Type string
	Date            time.Time
}

// SharedWith is a trust whose staff may open some of it.
type SharedWith struct {
	Named
	Roles string
}

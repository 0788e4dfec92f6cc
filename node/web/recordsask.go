package web

import (
	"context"
	"io"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Filing is what records staff ask of their own trust's documents.
type Filing interface {
	// OwnDocuments lists what the trust itself holds of a patient, withdrawn documents too, newest first.
	OwnDocuments(ctx context.Context, patient string, by *admin.Asker) (*OwnList, error)
	// Changes tells what became of a document, newest first.
	Changes(ctx context.Context, document string, by *admin.Asker) (*History, error)
	// TakeUpload takes in one file as it comes.
	TakeUpload(ctx context.Context, q *Upload, content io.Reader) (*Taken, error)
	// Correct puts right what is said of a document.
	Correct(ctx context.Context, q *Correction) (*Filed, error)
	Refiling
}

// Refiling changes where documents are, and who finds them.
type Refiling interface {
	// Move files a document under another patient, and withdraws it where it was.
	Move(ctx context.Context, q *Moving) (*Filed, error)
	// Relabel changes labels, or says what that would do.
	Relabel(ctx context.Context, q *admin.RelabelRequest) (*admin.RelabelReply, error)
	// Withdraw takes a document out of the region, or undoes that.
	Withdraw(ctx context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error)
}

// Particulars are what a form says of a document, as it was typed.
type Particulars struct {
	Patient, Type, Title, Date, Category, Specialty, Author, Confidentiality, Sensitivity, Legal, Language string
}

// Upload is one file that comes to be taken in.
type Upload struct {
	Form Particulars
	Name string // of the file, as the browser says
	Size int64  // at most so many bytes, as the browser says; 0: not known
	By   *admin.Asker
}

// Taken is a file that was taken in.
type Taken struct {
	Document string
	Held     bool // it was here already, and nothing was changed
	Warnings []string
	Pages    int
	Bytes    int64
}

// Correction is what is to be put right about a document. Of the form, patient and labels are not looked at.
type Correction struct {
	Document string
	Form     Particulars
	Reason   string
	By       *admin.Asker
}

// Moving is a document that belongs to another patient.
type Moving struct {
	Document, Patient, Reason string
	By                        *admin.Asker
}

// Filed is a document that was put right.
type Filed struct {
	Document  string // its id now
	Committed bool   // the region knows; else it is told as soon as it can be reached
}

// The states of a trust's own documents.
const (
	OwnShared    = "shared"    // the region lists it
	OwnWaiting   = "waiting"   // the region has yet to be told
	OwnRefused   = "refused"   // by the region
	OwnWithdrawn = "withdrawn" // nobody finds it
	OwnKept      = "kept"      // by law never shared
)

// OwnDocument is a document that this trust holds.
type OwnDocument struct {
	ID, Type, Title, Category, Specialty, Author, Confidentiality, Legal, Language, ContentType, File string
	Date, Taken, Since                                                                                time.Time
	Labels                                                                                            []string
	Pages, Parts                                                                                      int
	Bytes                                                                                             uint64
	State, Reason, Replaces, ReplacedBy                                                               string
	Sealed                                                                                            bool // other trusts are not told what it is
	Linked                                                                                            bool // under another number of the same patient
	Moved                                                                                             bool // to another patient: it is not shared again here

	// What the portal itself finds in the list.
	Earlier  string // the version that it replaces, where others would find that one if this one were gone
	Restored bool   // it is the latest again: what replaced it was withdrawn, or moved to another patient
}

// OwnList is what a trust holds of a patient.
type OwnList struct {
	Documents []OwnDocument
	Damaged   int  // documents that cannot be read
	Cut       bool // there are more
}

// settle finds out what would be the latest without each document, and is because another is gone.
func (l *OwnList) settle() {
	at := make(map[string]int)
	for i, d := range l.Documents {
		at[d.ID] = i
	}
	found := func(id string) bool {
		i, here := at[id]
		return here && (l.Documents[i].State == OwnShared || l.Documents[i].State == OwnWaiting)
	}
	for i := range l.Documents {
		d := &l.Documents[i]
		if found(d.Replaces) && found(d.ID) {
			d.Earlier = d.Replaces
		}
		later, here := at[d.ReplacedBy]
		d.Restored = found(d.ID) && here && l.Documents[later].State == OwnWithdrawn
	}
}

// History is what became of a document.
type History struct {
	Changes []Change // newest first
	Damaged int      // entries of the patient that cannot be read
	Cut     bool     // there may be older changes
}

// Change is something that was done with a document.
type Change struct {
	At               time.Time
	User, Role, Text string
}

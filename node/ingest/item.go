package ingest

import (
	"context"
	"io"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// Item is one document on its way in: its particulars, checked, and its files, open and inspected.
type Item struct {
	Line            int    // of the first row; 0 for a single file
	Patient         string // NHS number as Config.CheckPatient returned it
	Type            string // SNOMED CT concept, or local:code
	Category        string // the same; empty when not given
	Specialty       string // treatment function code; empty when not given
	Title           string
	Author          string
	Date            time.Time             // UTC
	Confidentiality string                // HL7 v3 code, never empty
	Sensitivity     []string              // labels of HL7 v3-ActCode
	Legal           string                // class that statute keeps from being shared; empty for none
	Language        string                // BCP 47, never empty
	Supersedes      federation.DocumentID // empty when it replaces nothing
	Reference       string                // its id in the system that it comes from; empty when that is not known
	Parts           []Part                // at least one, in order
	Person          Person                // who the patient is said to be; its fields may be empty
}

// Person is who a patient is, as intake was told. Every field may be empty.
type Person struct {
	Family, Given string
	Born          string // year-month-day
	Sex           string // male, female, other, unknown
}

// Part is one file of a document.
type Part struct {
	Name    string // file name without folders
	Info    media.Info
	Size    int64       // bytes
	Content io.ReaderAt // valid until Take returns
}

// Receipt is a Taker's word that a document is held.
type Receipt struct {
	Document    federation.DocumentID
	AlreadyHeld bool   // the same content with the same particulars was there before; nothing was changed
	Note        string // what whoever takes it in has to know, such as that it had been withdrawn; it becomes a warning
}

// Taker stores documents. Take is called by several goroutines at once. It must be idempotent: a document that is held is answered with
// its id and AlreadyHeld. When it returns nil the document is durable.
//
// Outcomes: nil; a *RefusalError, which refuses this document and lets the run go on; any other error, which stops the run: the node
// cannot take in anything now (a full disk, for instance), and the rest of the manifest is reported as not reached.
type Taker interface {
	Take(ctx context.Context, item Item) (Receipt, error)
}

package ingest

import "github.com/ridgeway-exchange/ridgeway/federation"

// Outcome is what became of a row.
type Outcome string

// The outcomes of a row.
const (
	TakenIn     Outcome = "taken_in"     // stored, durably
	AlreadyHeld Outcome = "already_held" // the same content with the same particulars was stored before
	Refused     Outcome = "refused"      // see Code and Reason
	Checked     Outcome = "checked"      // would be handed over; a run that only checks goes no further
	NotReached  Outcome = "not_reached"  // the run was stopped first; run it again
)

// Code is a reason for a refusal, for programs.
type Code string

// The codes of refusals. A Taker may bring codes of its own.
const (
	CodeRow          Code = "row"           // the line is not a row of the table
	CodeEncoding     Code = "encoding"      // the line is not in UTF-8
	CodeField        Code = "field"         // a value is missing or not allowed
	CodePatient      Code = "patient"       // not a valid NHS number
	CodeDate         Code = "date"          // not a date, or not a possible one
	CodeDuplicate    Code = "duplicate"     // the file is listed before
	CodeConflict     Code = "conflict"      // the file is listed for two patients: none is taken
	CodeParts        Code = "parts"         // the parts of the document are not complete or do not agree
	CodeSibling      Code = "sibling"       // another part of the document was refused
	CodePageCount    Code = "page_count"    // the file has not the number of pages that the manifest says
	CodeOutside      Code = "outside"       // the path leads out of the folder
	CodeMissingFile  Code = "missing_file"  // there is no such file
	CodeUnreadable   Code = "unreadable"    // the file cannot be opened or read
	CodeEmptyFile    Code = "empty_file"    // the file has no bytes
	CodeMismatch     Code = "mismatch"      // the file is not what its name says
	CodeDamaged      Code = "damaged"       // the file breaks off or contradicts itself
	CodeUnsupported  Code = "unsupported"   // the file is valid and not handled
	CodeTooLarge     Code = "too_large"     // the file is larger than allowed
	CodeOtherPatient Code = "other_patient" // the file says itself that it is about another patient
	CodeNotReached   Code = "not_reached"   // see NotReached
	CodeNode         Code = "node"          // the node refused it and gave no code
)

// Result says what became of one row of a manifest.
type Result struct {
	Line     int                   `json:"line"` // of the manifest, from 1; 0 for a single file
	File     string                `json:"file"` // as the manifest has it
	Document federation.DocumentID `json:"document,omitempty"`
	Outcome  Outcome               `json:"outcome"`
	Code     Code                  `json:"code,omitempty"`
	Reason   string                `json:"reason,omitempty"` // may quote the row: show it, do not log it
	Warnings []string              `json:"warnings,omitempty"`
}

// Counts sums up results.
type Counts struct {
	Rows        int   `json:"rows"`
	TakenIn     int   `json:"taken_in"`
	AlreadyHeld int   `json:"already_held"`
	Refused     int   `json:"refused"`
	Checked     int   `json:"checked"`
	NotReached  int   `json:"not_reached"`
	Documents   int   `json:"documents"` // taken in or already held
	Pages       int   `json:"pages"`     // of documents taken in
	Bytes       int64 `json:"bytes"`     // of documents taken in
}

func (c *Counts) add(r Result) {
	c.Rows++
	switch r.Outcome {
	case TakenIn:
		c.TakenIn++
	case AlreadyHeld:
		c.AlreadyHeld++
	case Checked:
		c.Checked++
	case NotReached:
		c.NotReached++
	case Refused:
		c.Refused++
	default:
		c.Refused++
	}
}

// Report is what a run did: one result for each row, in the order of the lines.
type Report struct {
	Counts
	Results []Result `json:"results"`
}

// Progress is told during a run.
type Progress struct {
	Counts     // so far
	Total  int // rows of the manifest
}

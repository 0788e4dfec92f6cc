package ingest

import (
	"errors"
	"io"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// OwnWords is up to how many bytes of a file are read to see whom it says that it is about. Both formats that say it do so in front of
// what they hold.
const OwnWords = 64 << 20

// SaysWhose reports whether files of a format say themselves whom they are about.
func SaysWhose(f media.Format) bool { return f == media.FormatCDA || f == media.FormatDICOM }

// A Contradiction says in what a file contradicts the patient for whom it is to be filed, with the value of each; empty where it does
// not, or does not say. head is the beginning of a file of size bytes, OwnWords of it at most.
type Contradiction func(format media.Format, head []byte, size int64, patient string, known Person) string

// OtherPatient refuses a file that says itself that it is about another patient. name says which file of several; it is empty for
// the only one.
func OtherPatient(name, contradiction string) *RefusalError {
	if name == "" {
		name = "the file"
	}
	return refuse(CodeOtherPatient, "%s says itself that it is about another patient: %s. Nothing of the document was taken in: find out which is right. Take it in for the patient that it is about, or have the file corrected where it was made", name, contradiction)
}

// about refuses a part that contradicts the item's patient.
func (r *run) about(item *Item, p *Part) *RefusalError {
	if r.Contradicts == nil || !SaysWhose(p.Info.Format) {
		return nil
	}
	if p.Size > heavyFile {
		r.heavy <- struct{}{}
		defer func() { <-r.heavy }()
	}
	head := make([]byte, min(p.Size, OwnWords))
	if _, err := p.Content.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return refuse(CodeUnreadable, "the file cannot be read: %v", reason(err))
	}
	what := r.Contradicts(p.Info.Format, head, p.Size, item.Patient, item.Person)
	if what == "" {
		return nil
	}
	return OtherPatient(oneOf(p.Name, len(item.Parts)), what)
}

func oneOf(name string, files int) string {
	if files == 1 {
		return ""
	}
	return name
}

package node

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Contradicts says in what a file contradicts the patient for whom it is to be filed. It is an ingest.Contradiction.
func Contradicts(format media.Format, head []byte, size int64, patient string, known ingest.Person) string {
	return web.Contradiction(format, web.Beginning{Head: head, Size: size}, patient, web.Person{
		Number: patient, Family: known.Family, Given: known.Given, Born: known.Born, Sex: known.Sex,
	})
}

// aboutThem refuses files that say themselves that they are about another patient, whichever way they came. It goes by what this
// trust knows of the patient, and by what it is told with the document where it knows nothing.
func (n *Node) aboutThem(ctx context.Context, number record.NHSNumber, told ingest.Person, files []filed) error {
	var known ingest.Person
	asked := false
	for _, f := range files {
		format := media.FormatOf(f.part.ContentType)
		if !ingest.SaysWhose(format) {
			continue
		}
		if !asked {
			p, err := n.records.Person(ctx, n.records.Subject(number))
			if err != nil {
				return n.storeProblem(err)
			}
			known, asked = ingest.Person{Family: p.Family, Given: p.Given, Born: cmp.Or(p.Born, told.Born)}, true
			if known.Family == "" && known.Given == "" {
				known.Family, known.Given = told.Family, told.Given
			}
		}
		what, err := n.contradiction(ctx, format, f, number, known)
		if err != nil {
			return err
		}
		if what != "" {
			name := ""
			if len(files) > 1 {
				name = f.part.Name
			}
			return ingest.OtherPatient(name, what)
		}
	}
	return nil
}

func (n *Node) contradiction(ctx context.Context, format media.Format, f filed, number record.NHSNumber, known ingest.Person) (string, error) {
	size := min(f.content.Size, ingest.OwnWords)
	if err := n.cutting.Acquire(ctx, size); err != nil {
		return "", err
	}
	defer n.cutting.Release(size)
	head := make([]byte, size)
	if _, err := (&chunked{ctx: ctx, blobs: n.blobs, content: f.content, have: -1}).ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", n.storeProblem(err)
	}
	return Contradicts(format, head, f.content.Size, number.Digits(), known), nil
}

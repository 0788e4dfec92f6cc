package node

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Contradicts says in what a file contradicts the patient for whom it is to be filed. It is an ingest.Contradiction.
func Contradicts(format media.Format, head []byte, size int64, patient string, known ingest.Person) string {
	return web.Contradiction(format, web.Beginning{Head: head, Size: size}, patient, web.Person{
		Number: patient, Family: known.Family, Given: known.Given, Born: known.Born, Sex: known.Sex,
	})
}

// aboutThem refuses files that say themselves that they are about another patient, whichever way they came.
func (n *Node) aboutThem(ctx context.Context, number record.NHSNumber, told ingest.Person, files []filed) error {
	name, what, err := n.aboutOther(ctx, number, told, files)
	if err != nil || what == "" {
		return err
	}
	return ingest.OtherPatient(name, what)
}

// theirsAfterMove refuses to file a document that is held under a patient about whom its files are not, as they say themselves.
func (n *Node) theirsAfterMove(ctx context.Context, number record.NHSNumber, parts []federation.Part) error {
	files := make([]filed, len(parts))
	for i, p := range parts {
		files[i] = filed{p, contentOf(p)}
	}
	name, what, err := n.aboutOther(ctx, number, ingest.Person{}, files)
	if err != nil || what == "" {
		return err
	}
	return admin.Errorf(admin.CodeBadInput, "%s says itself that it is about another patient: %s. Nothing was changed: find out which is right. Move the document to the patient that it is about, or withdraw it and have the file corrected where it was made", cmp.Or(name, "the file"), what)
}

// contentOf is where the bytes of a part are.
func contentOf(p federation.Part) blob.Content {
	c := blob.Content{SHA256: p.SHA256, SHA1: p.SHA1, Size: p.Size}
	for i, digest := range p.Chunks {
		c.Chunks = append(c.Chunks, blob.Chunk{Digest: digest, Size: int(min(p.Size-int64(i)*federation.ChunkSize, federation.ChunkSize))})
	}
	return c
}

// aboutOther says in what the first of the files that says that it is about another patient contradicts this one, and its name where
// it is not the only one. It goes by what this trust knows of the patient, and by what it is told with the document where it knows nothing.
func (n *Node) aboutOther(ctx context.Context, number record.NHSNumber, told ingest.Person, files []filed) (name, what string, _ error) {
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
				return "", "", n.storeProblem(err)
			}
			known, asked = ingest.Person{Family: p.Family, Given: p.Given, Born: cmp.Or(p.Born, told.Born)}, true
			if known.Family == "" && known.Given == "" {
				known.Family, known.Given = told.Family, told.Given
			}
		}
		what, err := n.contradiction(ctx, format, f, number, known)
		if err != nil {
			return "", "", err
		}
		if what != "" {
			if len(files) > 1 {
				name = f.part.Name
			}
			return name, what, nil
		}
	}
	return "", "", nil
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

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// maxUploadName is how many bytes of a file's name are kept.
const maxUploadName = 200

// filers may take documents in by hand, correct and move them.
var filers = []string{"records-staff"}

// TakeUpload takes in one file as it comes, with the checks of a row of a manifest. The bytes go straight into the sealed store and are
// looked at there, so that nothing lies on the disk in clear; what is refused is cleared away by the store's own sweep.
func (n *Node) TakeUpload(ctx context.Context, q *web.Upload, content io.Reader) (*web.Taken, error) {
	item, warnings, err := n.readForm(q.Form, q.Name)
	if err != nil {
		return nil, err
	}
	if err := n.isFiler(ctx, q.By, "takes documents in"); err != nil {
		return nil, err
	}
	number, err := n.checkPatient(item.Patient)
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	if err := n.space.Allow(storage.Ingest, max(q.Size, 0)); err != nil {
		return nil, n.diskFull(err)
	}
	broken := &failing{r: content}
	kept, err := n.blobs.Put(ctx, broken)
	switch {
	case broken.err != nil:
		return nil, admin.Errorf(admin.CodeInterrupted, "the file broke off while it came: nothing of it was taken in: %v", broken.err)
	case err != nil:
		return nil, n.storeProblem(err)
	}
	defer n.blobs.Unpin(kept)
	info, err := n.inspect(ctx, kept, q.Name)
	if err != nil {
		return nil, err
	}
	if info.Format == media.FormatBinary {
		warnings = append(warnings, "files of this kind cannot be shown: whoever opens it must download it")
	}
	part := partOf(ingest.Part{Name: uploadName(q.Name), Info: info, Size: kept.Size}, kept)
	receipt, err := n.keep(ctx, number, item, []filed{{part, kept}})
	var refused *ingest.RefusalError
	if errors.As(err, &refused) {
		return nil, admin.Errorf(admin.CodeBadInput, "%s", refused.Reason)
	} else if err != nil {
		return nil, err
	}
	what := "took it in by hand"
	if receipt.AlreadyHeld {
		what = "offered it again by hand, and it was held already"
	}
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Ingest, Trust: n.Trust(), Node: n.ID(), User: q.By.GetUser(), Role: q.By.GetRole(), Subject: n.records.Subject(number),
		Document: receipt.Document, Outcome: policy.Permit.String(), Detail: what,
	}); err != nil {
		return nil, err
	}
	if receipt.Note != "" {
		warnings = append(warnings, plainNote(receipt.Note))
	}
	return &web.Taken{Document: string(receipt.Document), Held: receipt.AlreadyHeld, Warnings: warnings, Pages: info.Pages, Bytes: kept.Size}, nil
}

// plainNote leaves out the command that a note ends with.
func plainNote(text string) string {
	text, _, _ = strings.Cut(text, ". 'ridgeway")
	return text
}

// readForm checks what was filled in, in the words of a manifest's check.
func (n *Node) readForm(f web.Particulars, name string) (ingest.Item, []string, error) {
	row := ingest.Row{
		File: name, Patient: f.Patient, Type: f.Type, Title: f.Title, Date: f.Date, Category: f.Category, Specialty: f.Specialty, Author: f.Author,
		Confidentiality: f.Confidentiality, Sensitivity: f.Sensitivity, Legal: f.Legal, Language: f.Language,
	}
	item, warnings, err := ingest.CheckRow(row, ReadNHSNumber, time.Now)
	if err != nil {
		return item, nil, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	return item, warnings, nil
}

// isFiler refuses whoever is not to file documents.
func (n *Node) isFiler(ctx context.Context, by *admin.Asker, what string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.governs(ctx, by, what, filers)
}

// inspect says what a stored file is.
func (n *Node) inspect(ctx context.Context, c blob.Content, name string) (media.Info, error) {
	weight := min(c.Size, assembleLimit) // a PDF is held in memory while its pages are counted
	if err := n.cutting.Acquire(ctx, weight); err != nil {
		return media.Info{}, err
	}
	defer n.cutting.Release(weight)
	r := &chunked{ctx: ctx, blobs: n.blobs, content: c, have: -1}
	info, err := media.Inspect(r, c.Size, uploadName(name))
	switch {
	case r.err != nil:
		return media.Info{}, n.storeProblem(r.err)
	case err != nil:
		return media.Info{}, admin.Errorf(admin.CodeBadInput, "%v", ingest.Unfit(err))
	}
	return info, nil
}

// uploadName is a file's name as it is kept: without folders, whichever way a browser's machine writes them, and without what is no text.
func uploadName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(path.Base(strings.ReplaceAll(name, `\`, "/")), ""))
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, name)
	for len(name) > maxUploadName { // the ending says what the file is
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:]
	}
	if name == "" || name == "." || name == "/" {
		return "file"
	}
	return name
}

// failing remembers why reading failed, so that a broken connection is not taken for a broken disk.
type failing struct {
	r   io.Reader
	err error
}

// Read reads on.
func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// chunked reads stored content at any place, and holds one chunk.
type chunked struct {
	ctx     context.Context
	blobs   *blob.Store
	content blob.Content
	have    int // the chunk in buf
	buf     []byte
	err     error // why the store could not be read
}

// ReadAt reads at a place.
func (c *chunked) ReadAt(b []byte, off int64) (done int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	at := int64(0)
	for i, chunk := range c.content.Chunks {
		end := at + int64(chunk.Size)
		for off < end && off >= at && done < len(b) {
			if err := c.load(i); err != nil {
				return done, err
			}
			n := copy(b[done:], c.buf[off-at:])
			done, off = done+n, off+int64(n)
		}
		if done == len(b) {
			return done, nil
		}
		at = end
	}
	return done, io.EOF
}

func (c *chunked) load(i int) error {
	if c.have == i {
		return nil
	}
	if c.err = c.ctx.Err(); c.err != nil {
		return c.err
	}
	c.have = -1
	c.buf, c.err = c.blobs.AppendChunk(c.ctx, c.buf[:0], c.content.Chunks[i].Digest)
	if c.err == nil && len(c.buf) != c.content.Chunks[i].Size {
		c.err = fmt.Errorf("a chunk of %d bytes has %d: %w", c.content.Chunks[i].Size, len(c.buf), storage.ErrIntegrity)
	}
	if c.err == nil {
		c.have = i
	}
	return c.err
}

var _ io.ReaderAt = (*chunked)(nil)

// ownState is a word for where a document is on its way.
func ownState(d *record.Document) string {
	switch {
	case d.State.Phase == record.Withdrawn:
		return web.OwnWithdrawn
	case d.Legal != "":
		return web.OwnKept
	case d.State.Phase == record.Refused:
		return web.OwnRefused
	case d.State.Phase == record.Queued || d.State.Pending():
		return web.OwnWaiting
	default:
		return web.OwnShared
	}
}

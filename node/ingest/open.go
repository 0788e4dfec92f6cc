package ingest

import (
	"context"
	"errors"
	"os"
	"path"

	"golang.org/x/text/unicode/norm"

	"github.com/ridgeway-exchange/ridgeway/node/media"
)

// openFiles are the files of a document while it is handed over.
type openFiles struct {
	files   []*os.File
	watched []*watchedFile
}

func (o *openFiles) close() {
	for _, f := range o.files {
		_ = f.Close() // opened for reading: nothing can be lost
	}
}

// openParts opens and inspects the files of a document and notes what is wrong with each in b.
func (r *run) openParts(ctx context.Context, b *batch, item *Item, files *openFiles) {
	for i, row := range b.rows {
		if ctx.Err() != nil {
			return
		}
		part, problem := r.openPart(ctx, row, files)
		b.problems[i] = problem
		item.Parts = append(item.Parts, part)
	}
}

func (r *run) openPart(ctx context.Context, row *Row, files *openFiles) (Part, *RefusalError) {
	f, size, problem := r.folder.open(row.File)
	if problem != nil {
		return Part{}, problem
	}
	watched := &watchedFile{ReaderAt: f, stopped: ctx.Err}
	files.files, files.watched = append(files.files, f), append(files.watched, watched)
	if size > r.MaxFileBytes {
		return Part{}, refuse(CodeTooLarge, "the file has %d bytes, and a file may have %d at most: split it, and take the pieces in as parts of one document (columns document, part and parts of a manifest)", size, r.MaxFileBytes)
	}
	if size > heavyFile {
		select {
		case r.heavy <- struct{}{}:
			defer func() { <-r.heavy }()
		case <-ctx.Done():
			return Part{}, nil
		}
	}
	name := path.Base(canonical(row.File))
	info, err := media.Inspect(watched, size, name)
	if err != nil {
		return Part{}, fileProblem(err, watched.failure())
	}
	if row.PageCount != "" {
		want, ok := number(row.PageCount, 1<<20)
		switch {
		case !ok:
			return Part{}, refuse(CodeField, "the page count %q is not a number", clip(row.PageCount))
		case info.Pages > 0 && want != info.Pages: // a page too few is a page of the record that is lost
			return Part{}, refuse(CodePageCount, "the manifest says %d pages, the file has %d", want, info.Pages)
		}
	}
	return Part{Name: norm.NFC.String(name), Info: info, Size: size, Content: watched}, nil
}

// fileProblem turns an error of the inspection into a refusal. A failure to read counts before what was made of the bytes.
func fileProblem(err, failure error) *RefusalError {
	switch {
	case failure != nil:
		return refuse(CodeUnreadable, "the file cannot be read: %v: copy it anew", reason(failure))
	case errors.Is(err, media.ErrEmpty):
		return refuse(CodeEmptyFile, "%v: export or scan it again", err)
	case errors.Is(err, media.ErrMismatch):
		return refuse(CodeMismatch, "%v", err)
	case errors.Is(err, media.ErrCorrupt):
		return refuse(CodeDamaged, "%v: export or scan it again", err)
	case errors.Is(err, media.ErrTooLarge):
		return refuse(CodeTooLarge, "%v", err)
	case errors.Is(err, media.ErrUnsupported):
		return refuse(CodeUnsupported, "%v", err)
	default:
		return refuse(CodeUnreadable, "the file cannot be read: %v", reason(err))
	}
}

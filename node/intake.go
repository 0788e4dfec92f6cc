package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Take takes one document in. Content and description are durable when it returns; the outbox publishes it. Taking the
// same document in again gives the same id and changes nothing. It is an ingest.Taker.
func (n *Node) Take(ctx context.Context, item ingest.Item) (ingest.Receipt, error) {
	number, err := n.checkPatient(item.Patient)
	if err != nil {
		return ingest.Receipt{}, refuseItem(ingest.CodePatient, err)
	}
	if err := n.space.Allow(storage.Ingest, itemSize(item)); err != nil {
		return ingest.Receipt{}, n.diskFull(err)
	}
	parts := make([]federation.Part, 0, len(item.Parts))
	stored := make([]blob.Content, 0, len(item.Parts))
	defer func() {
		for _, c := range stored {
			n.blobs.Unpin(c)
		}
	}()
	for _, p := range item.Parts {
		content, err := n.blobs.Put(ctx, io.NewSectionReader(p.Content, 0, p.Size))
		if err != nil {
			return ingest.Receipt{}, n.storeProblem(err)
		}
		stored = append(stored, content)
		if content.Size != p.Size {
			return ingest.Receipt{}, refuseItem(ingest.CodeUnreadable, fmt.Errorf("%s had %d bytes and ended after %d: it changed while it was read", p.Name, p.Size, content.Size))
		}
		parts = append(parts, partOf(p, content))
	}
	return n.keep(ctx, number, item, parts)
}

// keep describes a document whose content is durable.
func (n *Node) keep(ctx context.Context, number record.NHSNumber, item ingest.Item, parts []federation.Part) (ingest.Receipt, error) {
	added, err := n.records.Add(ctx, record.Item{Patient: number, Document: documentOf(item, parts)})
	switch {
	case errors.Is(err, record.ErrDocument), errors.Is(err, record.ErrSupersedes):
		return ingest.Receipt{}, refuseItem(ingest.CodeField, err)
	case err != nil:
		return ingest.Receipt{}, n.storeProblem(err)
	}
	signal(n.speaker.wake)
	return ingest.Receipt{Document: added.ID, AlreadyHeld: added.Held}, nil
}

func documentOf(item ingest.Item, parts []federation.Part) record.Document {
	confidentiality, err := federation.ParseConfidentiality(item.Confidentiality)
	if err != nil {
		confidentiality = federation.VeryRestricted // doubt about confidentiality must not end as normal
	}
	return record.Document{
		Supersedes: item.Supersedes, Type: item.Type, Category: item.Category, Specialty: item.Specialty, Title: item.Title, Author: item.Author,
		Date: item.Date, Confidentiality: confidentiality, Language: item.Language, Parts: parts,
	}
}

func partOf(p ingest.Part, c blob.Content) federation.Part {
	part := federation.Part{ContentType: p.Info.ContentType, Name: p.Name, Size: c.Size, SHA256: c.SHA256, SHA1: c.SHA1, PageCount: p.Info.Pages}
	for _, chunk := range c.Chunks {
		part.Chunks = append(part.Chunks, chunk.Digest)
	}
	for _, s := range p.Info.Spans {
		page := federation.Page{Directory: s.Directory}
		for _, x := range s.Extents {
			page.Extents = append(page.Extents, federation.Extent{Offset: x.Offset, Length: x.Length})
		}
		part.Pages = append(part.Pages, page)
	}
	return part
}

// spansOf is the inverse of what partOf does with pages.
func spansOf(pages []federation.Page) []media.PageSpan {
	var out []media.PageSpan
	for _, p := range pages {
		span := media.PageSpan{Directory: p.Directory}
		for _, x := range p.Extents {
			span.Extents = append(span.Extents, media.Extent{Offset: x.Offset, Length: x.Length})
		}
		out = append(out, span)
	}
	return out
}

func itemSize(item ingest.Item) int64 {
	var size int64
	for _, p := range item.Parts {
		size += p.Size
	}
	return size
}

func refuseItem(code ingest.Code, err error) error {
	return &ingest.RefusalError{Code: code, Reason: err.Error()}
}

// checkPatient reads an NHS number and refuses those that have no place at this node.
func (n *Node) checkPatient(text string) (record.NHSNumber, error) {
	number, err := record.ParseNHSNumber(text)
	if err != nil {
		return number, misread(err)
	}
	mode := record.Live
	if n.options.Settings.TestNumbers || n.options.Settings.InsecureDevKeys {
		mode = record.Test
	}
	_, err = mode.Check(number)
	return number, err
}

// patient is checkPatient for what somebody typed.
func (n *Node) patient(text string) (record.NHSNumber, error) {
	number, err := n.checkPatient(text)
	if err != nil {
		return number, admin.Errorf(admin.CodeBadInput, "%v", err)
	}
	return number, nil
}

func (n *Node) diskFull(err error) error {
	free, total := n.space.Free()
	n.logger.Warn("too little free space", slog.Any("error", err))
	return admin.Errorf(admin.CodeDiskFull, "too little space is free for it at %s: %d MiB of %d MiB, of which a reserve is kept. Nothing was lost; make room and run it again", n.options.Data, free>>20, total>>20)
}

// storeProblem says what a failed write means.
func (n *Node) storeProblem(err error) error {
	switch {
	case errors.Is(err, storage.ErrDiskFull):
		return n.diskFull(err)
	case errors.Is(err, storage.ErrFailed):
		n.fail(admin.Errorf(admin.CodeInternal, "a write to %s failed, so the node stops rather than go on with what it cannot be sure of: %v", n.options.Data, err))
		return admin.Errorf(admin.CodeInternal, "the node's disk failed: %v", err)
	case errors.Is(err, storage.ErrIntegrity):
		return admin.Errorf(admin.CodeIntegrity, "%v: run 'ridgeway scrub --data %s'", err, n.options.Data)
	default:
		return err
	}
}

// note appends to the audit log.
func (n *Node) note(ctx context.Context, e audit.Entry) error {
	e.Custodian = orTrust(e.Custodian, n.Trust())
	if _, err := n.audit.Append(ctx, e); err != nil {
		return admin.Errorf(admin.CodeUnavailable, "the audit log cannot be written (%v), and nothing is done without evidence", err)
	}
	return nil
}

func orTrust(t, other federation.TrustID) federation.TrustID {
	if t == "" {
		return other
	}
	return t
}

// ReadNHSNumber returns an NHS number as it is kept, ten digits, or what is wrong with it.
func ReadNHSNumber(text string) (string, error) {
	number, err := record.ParseNHSNumber(text)
	if err != nil {
		return "", misread(err)
	}
	return number.Digits(), nil
}

// misread adds what to do about an NHS number that is none.
func misread(err error) error { return fmt.Errorf("%w; check it with the patient's papers", err) }

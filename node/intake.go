package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Take takes one document in. Content and description are durable when it returns; the outbox publishes it. Taking the
// same document in again gives the same id and changes nothing. It is an ingest.Taker.
func (n *Node) Take(ctx context.Context, item ingest.Item) (ingest.Receipt, error) {
	rest := item.Parts
	receipt, _, err := n.takeIn(ctx, item, func() (ingest.Part, io.Reader, bool, error) {
		if len(rest) == 0 {
			return ingest.Part{}, nil, false, nil
		}
		p := rest[0]
		rest = rest[1:]
		return p, io.NewSectionReader(p.Content, 0, p.Size), true, nil
	})
	return receipt, err
}

// takeIn takes a document in whose files next hands out, one after the other, each to be read before the one after it. They
// go straight into the store, sealed: nothing lies on the disk in clear meanwhile.
func (n *Node) takeIn(ctx context.Context, item ingest.Item, next func() (p ingest.Part, content io.Reader, more bool, err error)) (ingest.Receipt, []federation.Part, error) {
	number, err := n.checkPatient(item.Patient)
	if err != nil {
		return ingest.Receipt{}, nil, refuseItem(ingest.CodePatient, err)
	}
	var parts []federation.Part
	var files []filed
	defer func() {
		for _, f := range files {
			n.blobs.Unpin(f.content)
		}
	}()
	for {
		p, r, more, err := next()
		if err != nil {
			return ingest.Receipt{}, nil, err
		}
		if !more {
			break
		}
		if err := n.space.Allow(storage.Ingest, p.Size); err != nil {
			return ingest.Receipt{}, nil, n.diskFull(err)
		}
		content, err := n.blobs.Put(ctx, r)
		if err != nil {
			return ingest.Receipt{}, nil, n.storeProblem(err)
		}
		files = append(files, filed{partOf(p, content), content})
		if content.Size != p.Size {
			return ingest.Receipt{}, nil, refuseItem(ingest.CodeUnreadable, fmt.Errorf("%s had %d bytes and ended after %d: it changed while it was read", p.Name, p.Size, content.Size))
		}
		parts = append(parts, files[len(files)-1].part)
	}
	receipt, err := n.keep(ctx, number, item, files)
	return receipt, parts, err
}

// filed is a file whose content is durable.
type filed struct {
	part    federation.Part
	content blob.Content
}

// keep describes a document whose content is durable.
func (n *Node) keep(ctx context.Context, number record.NHSNumber, item ingest.Item, files []filed) (ingest.Receipt, error) {
	person := record.Person{Family: item.Person.Family, Given: item.Person.Given, Born: item.Person.Born, Sex: item.Person.Sex}
	if err := n.checkPerson(ctx, number, person); err != nil {
		return ingest.Receipt{}, err
	}
	if err := n.aboutThem(ctx, number, item.Person, files); err != nil {
		return ingest.Receipt{}, err
	}
	parts := make([]federation.Part, len(files))
	for i := range files {
		parts[i] = files[i].part
	}
	for _, t := range []struct{ name, value string }{{"title", item.Title}, {"author", item.Author}, {"reference", item.Reference}} {
		if err := lineProblem("the "+t.name, t.value, admin.MaxLine); err != nil {
			return ingest.Receipt{}, refuseItem(ingest.CodeField, err)
		}
	}
	taken := record.Item{Patient: number, Document: documentOf(item, parts)}
	added, said, err := n.add(ctx, taken)
	if err != nil {
		return ingest.Receipt{}, err
	}
	n.speaker.taken.Add(1)
	signal(n.speaker.came)
	if err := n.takings.wait(ctx, added.ID, n.records.Subject(number), added.Held); err != nil {
		return ingest.Receipt{}, err
	}
	changed, err := n.keepPerson(ctx, number, person)
	if err != nil {
		return ingest.Receipt{}, err
	}
	notes := []string{withdrawnNote(added), changed}
	if !added.Held {
		notes = append(notes, said, n.moreOpen(ctx, &taken.Document))
	}
	notes = slices.DeleteFunc(notes, func(s string) bool { return s == "" })
	return ingest.Receipt{Document: added.ID, AlreadyHeld: added.Held, Note: strings.Join(notes, "; ")}, nil
}

// add adds a document that nothing the patient has said until then speaks against.
func (n *Node) add(ctx context.Context, taken record.Item) (_ record.Added, said string, _ error) {
	n.wishing.RLock()
	defer n.wishing.RUnlock()
	said, err := n.covered(ctx, taken, false)
	switch {
	case admin.CodeOf(err) == admin.CodeBadInput:
		return record.Added{}, "", refuseItem(ingest.CodeField, err)
	case err != nil:
		return record.Added{}, "", err
	}
	added, err := n.records.Add(ctx, taken)
	switch {
	case errors.Is(err, record.ErrDocument), errors.Is(err, record.ErrSupersedes):
		// One document is asked for, so that its place among several means nothing.
		return record.Added{}, "", refuseItem(ingest.CodeField, errors.New(strings.TrimPrefix(err.Error(), "document 1 of 1: ")))
	case err != nil:
		return record.Added{}, "", n.storeProblem(err)
	}
	return added, said, nil
}

func documentOf(item ingest.Item, parts []federation.Part) record.Document {
	confidentiality, err := federation.ParseConfidentiality(item.Confidentiality)
	if err != nil {
		confidentiality = federation.VeryRestricted // doubt about confidentiality must not end as normal
	}
	return record.Document{
		Supersedes: item.Supersedes, Type: item.Type, Category: item.Category, Specialty: item.Specialty, Title: item.Title, Author: item.Author,
		Date: item.Date, Confidentiality: confidentiality, Language: item.Language, Parts: parts,
		Labels: item.Sensitivity, Legal: item.Legal, SourceID: item.Reference,
	}
}

func partOf(p ingest.Part, c blob.Content) federation.Part {
	part := federation.Part{ContentType: p.Info.ContentType, Name: p.Name, Size: c.Size, SHA256: c.SHA256, SHA1: c.SHA1, PageCount: p.Info.Pages, Pages: p.Info.Spans}
	for _, chunk := range c.Chunks {
		part.Chunks = append(part.Chunks, chunk.Digest)
	}
	return part
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

func (n *Node) diskFull(err error) error { return n.noRoom("", err) }

// noRoom is diskFull with what it means, said first.
func (n *Node) noRoom(what string, err error) error {
	free, total := n.space.Free()
	n.logger.Warn("too little free space", slog.Any("error", err))
	return admin.Errorf(admin.CodeDiskFull, "%stoo little space is free on the volume of %s's data folder %s: %d MiB of %d MiB, of which a reserve is kept. Nothing was lost; make room and run it again", what, n.Trust(), n.options.Data, free>>20, total>>20)
}

// undone says first of a full disk what was not done because of it. Other errors stay as they are.
func undone(err error, format string, args ...any) error {
	var full *admin.Error
	if !errors.As(err, &full) || full.Code != admin.CodeDiskFull {
		return err
	}
	return admin.Errorf(full.Code, "%s: %s", fmt.Sprintf(format, args...), full.Message)
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
		return admin.Errorf(admin.CodeIntegrity, "%v: run 'ridgeway scrub --data %s'", err, admin.Arg(n.options.Data))
	default:
		return err
	}
}

// note appends to the audit log.
func (n *Node) note(ctx context.Context, e audit.Entry) error {
	p, err := n.beginNote(ctx, e)
	if err != nil {
		return err
	}
	return n.noted(p)
}

// beginNote hands an entry to the audit log. It is not written before noted has returned.
func (n *Node) beginNote(ctx context.Context, e audit.Entry) (*audit.Pending, error) {
	e.Custodian = orTrust(e.Custodian, n.Trust())
	p, err := n.audit.Begin(ctx, e)
	return p, n.unwritten(err)
}

// noted waits until an entry is on the disk.
func (n *Node) noted(p *audit.Pending) error {
	_, err := p.Wait()
	return n.unwritten(err)
}

// unwritten says why an entry is not in the audit log.
func (n *Node) unwritten(err error) error {
	if errors.Is(err, storage.ErrDiskFull) {
		return n.noRoom("nothing is done without evidence, and ", err)
	} else if err != nil {
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

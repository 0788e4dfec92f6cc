package tour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// expected is how many of the patient's documents the reader may know of.
func (t *Tour) expected() int {
	n := 0
	for _, d := range t.taken {
		if d.patient.NHSNumber == t.focus.NHSNumber && (d.doc.Confidentiality == "N" || d.doc.Confidentiality == "R" && d.trust == t.reader) {
			n++
		}
	}
	return n
}

func (t *Tour) locate(ctx context.Context) (string, error) {
	started := time.Now()
	reply, err := t.region.Locate(ctx, t.reader, t.focus.SpacedNumber())
	spent := time.Since(started)
	if err != nil {
		return "", err
	}
	custodians := map[string]int{}
	for _, d := range reply.GetDocuments() {
		custodians[d.GetCustodian()]++
	}
	if got, want := len(reply.GetDocuments()), t.expected(); got != want {
		return "", fmt.Errorf("%d documents of %s were found, and there are %d that may be known there", got, t.focus.SpacedNumber(), want)
	}
	for _, s := range reply.GetSites() {
		if !s.GetReachable() {
			return "", fmt.Errorf("%s is said not to be reachable, and it runs", s.GetName())
		}
	}
	return fmt.Sprintf("%s, NHS number %s: %s at %s, found in %s in %s's own copy of the index. Nobody else was asked, so it works when others are away; "+
		"the answer then says who is. A document that the rules keep from this clinician is not listed and not counted.",
		t.focus.Name(), t.focus.SpacedNumber(), count(len(reply.GetDocuments()), "document", "documents"), count(len(custodians), "trust", "trusts"), took(spent), t.name(t.reader)), nil
}

// isTIFF reports whether bytes begin as a TIFF file does.
func isTIFF(b []byte) bool {
	return bytes.HasPrefix(b, []byte("II*\x00")) || bytes.HasPrefix(b, []byte("MM\x00*"))
}

func (t *Tour) firstPage(ctx context.Context) (string, error) {
	var page bytes.Buffer
	got, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id), Pages: "1"}, &page)
	if err != nil {
		return "", err
	}
	if !isTIFF(page.Bytes()) || page.Len() >= len(t.content) {
		return "", fmt.Errorf("what came, %d bytes, is not one page of the scan", page.Len())
	}
	holder := t.name(t.note.trust)
	return fmt.Sprintf("The first byte was there after %.1f ms. In that time %s decided that this clinician may read it, and wrote that down in its audit log. "+
		"Then it sent page 1 and nothing else: %s of %s. Every byte is checked against what the region agreed on before it is handed on.",
		got.Done.GetFirstByteMs(), holder, size(page.Len()), size(len(t.content))), nil
}

// errCut ends a transfer as a lost connection does.
var errCut = errors.New("the connection was cut")

// cutAfter passes so many bytes on and then fails: the node resets the stream in the middle.
type cutAfter struct {
	to   *os.File
	left int
	cut  bool
}

// Write takes what comes before the cut.
func (c *cutAfter) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.to.Write(b)
	}
	c.cut = true
	n, err := c.to.Write(b[:c.left])
	c.left = 0
	return n, errors.Join(errCut, err)
}

func (t *Tour) stream(ctx context.Context) (string, error) {
	folder := filepath.Join(t.o.Region.Dir, "read-at-"+string(t.reader))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	whole := filepath.Join(folder, t.note.file)
	part, err := os.Create(whole + ".part")
	if err != nil {
		return "", err
	}
	defer func() { _ = part.Close() }()
	started := time.Now()
	kept := len(t.content) * 2 / 5
	first := &cutAfter{to: part, left: kept}
	cut, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id)}, first)
	if err == nil || !first.cut {
		return "", fmt.Errorf("the transfer was to be cut, and was not: %w", err)
	}
	// The manifest's digest makes sure that the second run goes on with the same document.
	rest, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(t.note.id), Offset: int64(kept), Manifest: cut.Head.GetManifest()}, part)
	if err != nil {
		return "", err
	}
	spent := time.Since(started)
	if rest.Bytes != int64(len(t.content)-kept) {
		return "", fmt.Errorf("the second run brought %d bytes, and %d were missing", rest.Bytes, len(t.content)-kept)
	}
	if err := part.Close(); err != nil {
		return "", err
	}
	got, err := os.ReadFile(part.Name())
	if err != nil {
		return "", err
	}
	if sum := federation.Sum(got); sum != federation.Sum(t.content) {
		return "", fmt.Errorf("what came has the SHA-256 %s, and what was taken in %s", sum, federation.Sum(t.content))
	}
	return fmt.Sprintf("It was cut after %s of %s. What had come was kept; the second run brought the rest and nothing twice, %s in all. "+
		"The file is the one that %s took in, to the last byte: SHA-256 %s...",
		size(kept), size(len(t.content)), took(spent), t.name(t.note.trust), federation.Sum(got).String()[:16]), os.Rename(part.Name(), whole)
}

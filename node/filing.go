package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/web"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	ownPage    = 500
	mostOwn    = 5000 // documents of one patient that are listed
	wrongPlace = "it was filed in the wrong place"
	wrongType  = "it was filed as another type"

	namedNotCorrected = "the patient has said who may see this very document, or a version of it, and a corrected one would not be covered: change only author and specialty, or have their choice recorded anew first"
	namedNotMoved     = "the patient has said who may see this very document, or a version of it, and what they said would not hold for it in another patient's record: withdraw it now if it must not be seen here, have their choice withdrawn ('ridgeway consent list'), and then move it"
)

// OwnDocuments lists what this trust itself holds of a patient, withdrawn documents too, newest first.
func (n *Node) OwnDocuments(ctx context.Context, patient string, by *admin.Asker) (*web.OwnList, error) {
	number, err := n.patient(patient)
	if err != nil {
		return nil, err
	}
	if err := n.isFiler(ctx, by, "looks after documents"); err != nil {
		return nil, err
	}
	subject := n.records.Subject(number)
	if err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Search, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Purpose: "PATADMIN", Subject: subject,
		Outcome: policy.Permit.String(), Detail: "listed what this trust holds",
	}); err != nil {
		return nil, err
	}
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, err
	}
	out := &web.OwnList{}
	for _, s := range subjects {
		if err := n.listOwn(ctx, s, s != subject, out); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out.Documents, func(a, b web.OwnDocument) int { return b.Date.Compare(a.Date) })
	return out, nil
}

func (n *Node) listOwn(ctx context.Context, s federation.Subject, linked bool, out *web.OwnList) error {
	for cursor := record.Cursor(0); ; {
		page, err := n.records.BySubject(ctx, s, cursor, ownPage)
		if err != nil {
			return n.storeProblem(err)
		}
		out.Damaged += len(page.Damaged)
		for i := range page.Documents {
			d := ownDocument(&page.Documents[i])
			d.Linked = linked
			out.Documents = append(out.Documents, d)
		}
		if cursor = page.Next; cursor == 0 {
			return nil
		}
		if len(out.Documents) >= mostOwn {
			out.Cut = true
			return nil
		}
	}
}

func ownDocument(d *record.Document) web.OwnDocument {
	out := web.OwnDocument{
		ID: string(d.ID), Type: d.Type, Title: d.Title, Date: d.Date, Category: d.Category, Specialty: d.Specialty, Author: d.Author, Confidentiality: d.Confidentiality.String(),
		Labels: d.Labels, Legal: d.Legal, Language: d.Language, Pages: d.Pages(), Bytes: uint64(d.Bytes()), Parts: len(d.Parts), Taken: d.Indexed, State: ownState(d),
		Since: d.State.At, Reason: d.State.Reason, Replaces: string(d.Supersedes), ReplacedBy: string(d.State.SupersededBy), Sealed: d.Sealed(),
		Moved: wasMoved(d),
	}
	if len(d.Parts) > 0 {
		out.ContentType, out.File = d.Parts[0].ContentType, d.Parts[0].Name
	}
	return out
}

// Correct puts right what is said of a document. Title and date make it another version, which replaces this one; a type makes it
// another document, and this one is withdrawn; author, category and specialty are changed in place.
func (n *Node) Correct(ctx context.Context, q *web.Correction) (*web.Filed, error) {
	old, err := n.filed(ctx, q.Document, q.By, q.Reason)
	if err != nil {
		return nil, err
	}
	number, err := n.records.NHSNumber(old.Subject)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	form := q.Form
	form.Patient, form.Confidentiality, form.Sensitivity, form.Legal = number.Digits(), old.Confidentiality.String(), strings.Join(old.Labels, " "), old.Legal
	item, _, err := n.readForm(form, cmp.Or(firstName(&old), "file"))
	if err != nil {
		return nil, err
	}
	if q.Form.Date == old.Date.Format(time.DateOnly) {
		item.Date = old.Date // a date keeps the hour that its form does not show
	}
	was := strings.Join(differences(&old, item), "; ")
	if item.Type == old.Type && (item.Title != old.Title || !item.Date.Equal(old.Date)) {
		if err := n.unnamed(ctx, &old, namedNotCorrected); err != nil {
			return nil, err
		}
	}
	switch {
	case was == "":
		return nil, admin.Errorf(admin.CodeBadInput, "nothing is different: nothing was changed")
	case item.Type != old.Type:
		return n.refile(ctx, refiling{old: old, number: number, item: item, named: namedNotCorrected, public: wrongType, what: "corrected (" + was + ")", came: "corrected (" + was + ")", by: q.By, reason: q.Reason})
	case item.Title != old.Title || !item.Date.Equal(old.Date):
		return n.replace(ctx, &old, number, item, was, q)
	}
	if err := n.noteFiling(ctx, q.By, &old, fmt.Sprintf("corrected (%s): %s", was, q.Reason)); err != nil {
		return nil, err
	}
	if err := n.records.Amend(ctx, old.ID, record.Particulars{Author: item.Author, Category: item.Category, Specialty: item.Specialty}); err != nil {
		return nil, n.filingProblem(err)
	}
	return n.whenTold(ctx, old.ID, old.ID)
}

// differences says what a correction changes, as it was.
func differences(old *record.Document, item ingest.Item) (out []string) {
	for _, f := range []struct{ name, was, now string }{
		{"type", old.Type, item.Type},
		{"title", old.Title, item.Title},
		{"date", old.Date.Format(time.RFC3339), item.Date.Format(time.RFC3339)},
		{"category", old.Category, item.Category},
		{"specialty", old.Specialty, item.Specialty},
		{"author", old.Author, item.Author},
	} {
		if f.was != f.now {
			out = append(out, fmt.Sprintf("%s was %q", f.name, f.was))
		}
	}
	return out
}

// replace keeps a new version with the same files.
func (n *Node) replace(ctx context.Context, old *record.Document, number record.NHSNumber, item ingest.Item, was string, q *web.Correction) (*web.Filed, error) {
	doc, err := n.again(ctx, old, item)
	if err != nil {
		return nil, err
	}
	doc.Supersedes = old.ID
	if err := n.noteFiling(ctx, q.By, old, fmt.Sprintf("is being corrected (%s): %s", was, q.Reason)); err != nil {
		return nil, err
	}
	added, err := n.records.Add(ctx, record.Item{Patient: number, Document: doc})
	if err != nil {
		return nil, n.filingProblem(err)
	}
	if added.Held {
		return nil, admin.Errorf(admin.CodeBadInput, "there is a version with this title and date already, %s: withdraw this one, and share that one again if it is withdrawn", added.ID)
	}
	signal(n.speaker.wake)
	doc.ID, doc.Subject = added.ID, old.Subject
	if err := n.noteFiling(ctx, q.By, &doc, fmt.Sprintf("corrected version of %s (%s): %s", old.ID, was, q.Reason)); err != nil {
		return nil, err
	}
	return n.whenTold(ctx, added.ID, old.ID)
}

// Move files a document under the patient whose it is. It is withdrawn where it was in the same moment.
func (n *Node) Move(ctx context.Context, q *web.Moving) (*web.Filed, error) {
	old, err := n.filed(ctx, q.Document, q.By, q.Reason)
	if err != nil {
		return nil, err
	}
	number, err := n.patient(q.Patient)
	if err != nil {
		return nil, err
	}
	if n.records.Subject(number) == old.Subject {
		return nil, admin.Errorf(admin.CodeBadInput, "the document is this patient's already: nothing was changed")
	}
	item := ingest.Item{
		Type: old.Type, Title: old.Title, Date: old.Date, Category: old.Category, Specialty: old.Specialty, Author: old.Author, Language: old.Language,
		Confidentiality: old.Confidentiality.String(), Sensitivity: old.Labels, Legal: old.Legal, Reference: old.SourceID,
	}
	return n.refile(ctx, refiling{old: old, number: number, item: item, named: namedNotMoved, public: wrongPlace, what: "moved to another patient", came: "moved here from another patient", by: q.By, reason: q.Reason})
}

// refiling is a document that takes the place of another.
type refiling struct {
	old    record.Document
	number record.NHSNumber
	item   ingest.Item
	named  string // why it may not be, where a patient has named the old one
	public string // why the old one is withdrawn, as the region is told: it names neither patient
	what   string // as the old one's history says it
	came   string // as the new one's does
	by     *admin.Asker
	reason string
}

func (n *Node) refile(ctx context.Context, r refiling) (*web.Filed, error) {
	doc, err := n.again(ctx, &r.old, r.item)
	if err != nil {
		return nil, err
	}
	if n.records.Subject(r.number) != r.old.Subject {
		if err := n.theirsAfterMove(ctx, r.number, doc.Parts); err != nil {
			return nil, err
		}
	}
	added, err := n.refileUnsaid(ctx, r, doc)
	if err != nil {
		return nil, err
	}
	n.custodian.Load().DocumentChanged(r.old.ID) // what is on its way is decided anew
	signal(n.speaker.wake)
	doc.ID, doc.Subject = added.ID, n.records.Subject(r.number)
	if err := errors.Join(
		n.noteFiling(ctx, r.by, &doc, fmt.Sprintf("%s, was %s until then: %s", r.came, r.old.ID, r.reason)),
		n.noteFiling(ctx, r.by, &r.old, fmt.Sprintf("%s, is %s there: %s", r.what, added.ID, r.reason)),
	); err != nil {
		return nil, err
	}
	return n.whenTold(ctx, added.ID, r.old.ID)
}

// refileUnsaid files a document otherwise unless what the patients have said until then speaks against it.
func (n *Node) refileUnsaid(ctx context.Context, r refiling, doc record.Document) (record.Added, error) {
	n.wishing.RLock()
	defer n.wishing.RUnlock()
	if err := n.unnamed(ctx, &r.old, r.named); err != nil {
		return record.Added{}, err
	}
	if _, err := n.covered(ctx, record.Item{Patient: r.number, Document: doc}, true); err != nil {
		return record.Added{}, err
	}
	if err := n.noteFiling(ctx, r.by, &r.old, fmt.Sprintf("is being %s: %s", r.what, r.reason)); err != nil {
		return record.Added{}, err
	}
	added, err := n.records.Refile(ctx, r.old.ID, r.public, record.Item{Patient: r.number, Document: doc})
	if err != nil {
		return record.Added{}, n.filingProblem(err)
	}
	return added, nil
}

// filed reads a document of this trust that somebody wants to put right.
func (n *Node) filed(ctx context.Context, document string, by *admin.Asker, reason string) (record.Document, error) {
	if err := n.isFiler(ctx, by, "puts documents right"); err != nil {
		return record.Document{}, err
	}
	if strings.TrimSpace(reason) == "" || len(reason) > maxNote {
		return record.Document{}, admin.Errorf(admin.CodeBadInput, "say why, in at most %d bytes", maxNote)
	}
	id, err := federation.ParseDocumentID(document)
	if err != nil || id.Custodian() != n.Trust() {
		return record.Document{}, admin.Errorf(admin.CodeNotFound, "this trust holds no document %q", document)
	}
	doc, err := n.records.Document(ctx, id)
	if isGone(err) {
		return doc, admin.Errorf(admin.CodeNotFound, "this trust holds no document %s", id)
	} else if err != nil {
		return doc, n.storeProblem(err)
	}
	return doc, nil
}

// again is a document with the files of another.
func (n *Node) again(ctx context.Context, old *record.Document, item ingest.Item) (record.Document, error) {
	encoded, err := n.records.Manifest(ctx, old.ID)
	if err != nil {
		return record.Document{}, n.storeProblem(err)
	}
	m, err := federation.DecodeManifest(encoded)
	if err != nil {
		return record.Document{}, fmt.Errorf("read the files of %s: %w", old.ID, err)
	}
	doc := documentOf(item, m.Parts)
	doc.Source, doc.SourceID, doc.Created = old.Source, old.SourceID, old.Created
	return doc, nil
}

func firstName(d *record.Document) string {
	if len(d.Parts) == 0 {
		return ""
	}
	return d.Parts[0].Name
}

func (n *Node) noteFiling(ctx context.Context, by *admin.Asker, d *record.Document, text string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Admin, Trust: n.Trust(), Node: n.ID(), User: by.GetUser(), Role: by.GetRole(), Subject: d.Subject, Document: d.ID,
		Outcome: policy.Permit.String(), Detail: clipText(text, audit.MaxDetail),
	})
}

// filingProblem says what of a correction cannot be kept.
func (n *Node) filingProblem(err error) error {
	for _, known := range []error{record.ErrDocument, record.ErrSupersedes, record.ErrWithdrawn, record.ErrErased, storage.ErrNotFound} {
		if errors.Is(err, known) {
			return admin.Errorf(admin.CodeBadInput, "nothing was changed: %s", strings.TrimPrefix(err.Error(), "document 1 of 1: "))
		}
	}
	return n.storeProblem(err)
}

// whenTold waits a while for the region to hear of what was changed.
func (n *Node) whenTold(ctx context.Context, ids ...federation.DocumentID) (*web.Filed, error) {
	err := n.speaker.told(ctx, func() (bool, error) {
		for _, id := range ids {
			if doc, err := n.records.Document(ctx, id); err != nil || doc.State.Pending() {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil && admin.CodeOf(err) != admin.CodeNoQuorum {
		return nil, err
	}
	return &web.Filed{Document: string(ids[0]), Committed: err == nil}, nil
}

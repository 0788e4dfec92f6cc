package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"math"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// sendPiece is how many bytes go into one message to the command line.
const sendPiece = 512 << 10

// bulkRange is how many bytes of a part are more than somebody looks at.
const bulkRange = 1 << 20

// Fetch gives the caller of the admin socket a document, or a part, pages or a range of it: a head, data in order, and a
// last word. Every byte has been verified against what the region agreed on. It is the same for a document that is held
// here: the same decision, and the same evidence.
func (n *Node) Fetch(ctx context.Context, q *admin.FetchRequest, send func(*admin.FetchReply) error) error {
	id, err := federation.ParseDocumentID(q.GetDocument())
	if err != nil {
		return admin.Errorf(admin.CodeBadInput, "%v: 'ridgeway locate' lists the ids", err)
	}
	who := asker(q.GetAsker())
	if err := n.admit(ctx, who); err != nil {
		return err
	}
	if q.GetOffset() < 0 || q.GetLength() < 0 || len(q.GetManifest()) != 0 && len(q.GetManifest()) != sha256.Size {
		return admin.Errorf(admin.CodeBadInput, "offset and length are not negative, and a manifest's digest has 32 bytes")
	}
	if err := n.mayAnswer(); err != nil {
		return err
	}
	if err := n.mayFetch(ctx, id); err != nil {
		return undone(err, "%s was not fetched", id)
	}
	d := &delivery{node: n, id: id, who: who, asked: q, part: max(int(q.GetPart()), 1), send: n.whileAdmitted(ctx, who, send)}
	if q.GetPages() != "" || q.GetOffset() > 0 || q.GetLength() > 0 {
		d.sum = sha256.New()
	}
	fetch := d.bytes
	if q.GetPages() != "" {
		fetch = d.pages
	}
	if err = fetch(ctx); d.sent > 0 {
		return undone(err, "%s was fetched in part, %d bytes of it", id, d.sent)
	}
	return undone(err, "%s was not fetched", id)
}

// delivery is one Fetch under way.
type delivery struct {
	node  *Node
	id    federation.DocumentID
	who   *admin.Asker
	asked *admin.FetchRequest
	part  int
	send  func(*admin.FetchReply) error

	sum  hash.Hash // of what is sent; nil for a whole part, whose digest the head has for the receiver to compare
	sent int64
}

// open runs the release: from this node itself when it is the custodian. begin is told the verified manifest first.
func (d *delivery) open(ctx context.Context, s exchange.Selection, begin func(federation.Manifest) error, sink exchange.Sink) (exchange.Result, error) {
	permitted := false
	q := exchange.Request{
		Document: d.id, Selection: s, User: d.who.GetUser(), Role: d.who.GetRole(), Purpose: d.who.GetPurpose(), Relationship: d.who.GetRelationship(),
		Export: d.asked.GetExport(), Bulk: bulk(s), Begin: func(m federation.Manifest) error {
			permitted = true
			if d.part > len(m.Parts) {
				return admin.Errorf(admin.CodeBadInput, "%s has %d parts, not %d", d.id, len(m.Parts), d.part)
			}
			return begin(m)
		},
	}
	subject, known, err := d.node.subjectOf(ctx, d.id) // once for all that needs it: who waits for a document waits for each reading
	over := func(err error) error { return err }
	if err == nil && known {
		ctx, over, err = d.node.breakGlassFor(ctx, &q, subject)
	}
	if err != nil {
		return exchange.Result{}, err
	}
	if d.id.Custodian() == d.node.Trust() {
		result, err := d.node.custodian.Load().Open(ctx, q, sink)
		return result, over(d.node.releaseProblem(d.id, s, err))
	}
	if known {
		d.node.looks(ctx, d.who, subject)
		q.Vouch = d.node.vouch(ctx, subject, d.who)
	}
	asked := ctx
	ctx, watch := d.node.watchCustodian(ctx, d.id.Custodian())
	defer watch.stop(nil)
	result, err := d.node.client.Fetch(ctx, q, func(piece exchange.Segment) error {
		defer watch.hear()
		return sink(piece)
	})
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		err = &exchange.Refusal{Outcome: policy.Unavailable}
	}
	if err != nil && !permitted && asked.Err() == nil && !decided(err) && !d.node.mayKnow(asked, d.who, d.id, q.Emergency != "") {
		err = &exchange.Refusal{Outcome: policy.NotFound}
	}
	return result, over(d.node.releaseProblem(d.id, s, err))
}

// bulk reports whether somebody waits for the whole of a selection and not for its first bytes: a part, or much of one.
func bulk(s exchange.Selection) bool {
	return len(s.Pages) == 0 && (len(s.Ranges) == 0 || s.Ranges[0].Length == 0 || s.Ranges[0].Length > bulkRange)
}

// decided reports whether the custodian has answered for itself: what it tells a user, the user may know.
func decided(err error) bool {
	var refusal *exchange.Refusal
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.Outcome {
	case policy.Denied, policy.NotFound, policy.TooMany, policy.Integrity:
		return true
	default:
		return false
	}
}

// mayKnow decides here whether a user may know of another trust's document. Where the custodian could not be asked, or was not in
// a state to decide, that a document cannot be delivered now would say that there is one.
func (n *Node) mayKnow(ctx context.Context, who *admin.Asker, id federation.DocumentID, glass bool) bool {
	p, found, err := agreed{n}.Pointer(ctx, id)
	if err != nil || !found {
		return false
	}
	doc, err := n.documentOf(ctx, p)
	if err != nil {
		return false
	}
	link := n.relationship(ctx, []federation.Subject{p.Subject}, n.statedBy(who))
	q := policy.Request{
		User: policy.User{Trust: n.Trust(), ID: who.GetUser(), Role: who.GetRole()}, Action: policy.Open, Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Link: link, Document: doc, BreakGlass: glass, Now: time.Now().UTC(),
	}
	facts, err := n.factsNow(ctx, q, 0)
	if err != nil {
		return false
	}
	d := policy.Decide(q, facts)
	return d.Permitted() || d.Visible
}

// bytes sends a part, or a range of it, as it comes.
func (d *delivery) bytes(ctx context.Context) error {
	from, length, end := d.asked.GetOffset(), d.asked.GetLength(), int64(-1)
	if length > math.MaxInt64-from {
		length = 0 // to the end: no part is that long
	}
	begin := func(m federation.Manifest) error {
		p := m.Parts[d.part-1]
		if from > p.Size || from == p.Size && p.Size > 0 {
			return admin.Errorf(admin.CodeBadInput, "part %d of %s has %d bytes: there is nothing from byte %d on", d.part, d.id, p.Size, from)
		}
		if end = p.Size; length > 0 {
			end = min(from+length, p.Size)
		}
		return d.head(m, end-from)
	}
	selection := exchange.Selection{Part: d.part}
	if from > 0 || length > 0 {
		selection.Ranges = []federation.Extent{{Offset: from, Length: length}}
	}
	result, err := d.open(ctx, selection, begin, func(s exchange.Segment) error {
		lo, hi := max(from-s.Offset, 0), min(end-s.Offset, int64(len(s.Data)))
		if lo >= hi {
			return nil
		}
		return d.data(s.Data[lo:hi])
	})
	if err != nil {
		return err
	}
	return d.done(result)
}

// head sends what the caller should know before the bytes. It refuses a resumption of something that has changed meanwhile.
func (d *delivery) head(m federation.Manifest, sending int64) error {
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	digest := federation.Sum(encoded)
	if len(d.asked.GetManifest()) > 0 && !bytes.Equal(d.asked.GetManifest(), digest[:]) {
		return admin.Errorf(admin.CodeIntegrity, "%s was changed by %s since the earlier run", d.id, d.id.Custodian())
	}
	p := m.Parts[d.part-1]
	return d.send(&admin.FetchReply{Step: &admin.FetchReply_Head{Head: &admin.Head{
		Document: string(d.id), Custodian: string(d.id.Custodian()), Manifest: digest[:], ContentType: p.ContentType, Name: p.Name, Size: p.Size,
		Sha256: p.SHA256[:], Parts: uint32(len(m.Parts)), Pages: uint32(p.PageCount), Sending: sending,
	}}})
}

func (d *delivery) data(b []byte) error {
	for len(b) > 0 {
		piece := b[:min(len(b), sendPiece)]
		b = b[len(piece):]
		if d.sum != nil {
			_, _ = d.sum.Write(piece) // a hash never fails
		}
		d.sent += int64(len(piece))
		if err := d.send(&admin.FetchReply{Step: &admin.FetchReply_Data{Data: piece}}); err != nil {
			return err
		}
	}
	return nil
}

// Write makes delivery an io.Writer for pages as they are assembled.
func (d *delivery) Write(b []byte) (int, error) {
	// The receiver may keep the message until it is on its way, and assembling reuses its buffers.
	if err := d.data(slices.Clone(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (d *delivery) done(result exchange.Result) error {
	var sum []byte
	if d.sum != nil {
		sum = d.sum.Sum(nil)
	}
	return d.send(&admin.FetchReply{Step: &admin.FetchReply_Done{Done: &admin.Done{
		Bytes: d.sent, Sha256: sum, FirstByteMs: float64(result.FirstByte.Microseconds()) / 1000, Resumed: uint32(result.Resumed),
	}}})
}

// releaseProblem says what a release that failed means.
func (n *Node) releaseProblem(id federation.DocumentID, asked exchange.Selection, err error) error {
	var refusal *exchange.Refusal
	custodian := id.Custodian()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exchange.ErrAudit) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded): // here: what another node found is not told
		return n.unwritten(err)
	case errors.As(err, &refusal):
		switch refusal.Outcome {
		case policy.Denied:
			return admin.Errorf(admin.CodeDenied, "%s refuses to release %s: %s", custodian, id, refusal.Text)
		case policy.StalePolicy:
			return admin.Errorf(admin.CodeStale, "%s cannot decide on %s now: it has no recent proof that its rules are up to date, as after a start or while it is cut off. Until it has, it does not release it. Try again in a few seconds; if that does not help, try again when the region can be reached", custodian, id)
		case policy.NotFound:
			if refusal.Text != "" && refusal.Text != policy.NotFound.Safe() { // told only to who may have the document
				return admin.Errorf(admin.CodeNotFound, "%s: %s 'ridgeway locate' lists the documents with their pages and bytes", id, refusal.Text)
			}
			if asked.Part > 1 || len(asked.Pages)+len(asked.Ranges) > 0 {
				return admin.Errorf(admin.CodeNotFound, "there is no document %s that you may know of, or it has no such part, page or range: 'ridgeway locate' lists the documents with their pages and bytes", id)
			}
			return admin.Errorf(admin.CodeNotFound, "there is no document %s that you may know of: 'ridgeway locate' lists those there are", id)
		case policy.TooMany:
			return admin.Errorf(admin.CodeTooMany, "%s does not release %s now: %s", custodian, id, refusal.Text)
		case policy.Integrity:
			return admin.Errorf(admin.CodeIntegrity, "%s holds %s, but not as it was published: it may be damaged there. Nothing wrong was delivered; tell %s", custodian, id, custodian)
		default:
			if refusal.Text == exchange.Stopped {
				return admin.Errorf(admin.CodeUnavailable, "%s, which holds %s, releases nothing to other trusts until its operator has acted, in an emergency either. Trying again does not help: tell %s; 'ridgeway status' at their node says what is to be done", custodian, id, custodian)
			}
			return admin.Errorf(admin.CodeUnavailable, "%s, which holds %s, cannot deliver it now: try again later, or run the same command again to go on", custodian, id)
		}
	case errors.Is(err, exchange.ErrChanged):
		return admin.Errorf(admin.CodeIntegrity, "%s was changed by %s since the earlier run", id, custodian)
	case errors.Is(err, exchange.ErrSelection):
		return admin.Errorf(admin.CodeBadInput, "%s has no such part, page or range", id)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	var known *admin.Error
	if errors.As(err, &known) {
		return known
	}
	return admin.Errorf(admin.CodeUnavailable, "%s, which holds %s, cannot deliver it now (%v): try again later", custodian, id, err)
}

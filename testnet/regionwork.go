package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/node/media"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// ledger is what the region's nodes have given their word on. CheckInvariants holds them to it.
type ledger struct {
	mu         sync.Mutex
	documents  map[federation.DocumentID]*promise
	order      []federation.DocumentID       // of documents, as they came
	directives map[string]federation.TrustID // agreed on by the region, in hexadecimal, and who recorded them
	marks      map[uint64]mark
}

// promise is a document that a node has said it holds.
type promise struct {
	id              federation.DocumentID
	patient         string
	confidentiality string
	parts           []federation.Digest // SHA-256 of each
	published       bool                // the region has agreed on it
	withdrawn       bool                // the custodian was asked to withdraw it
}

// mark is the state root that a node had at an index.
type mark struct {
	root  federation.Digest
	trust federation.TrustID
}

func newLedger() *ledger {
	return &ledger{documents: make(map[federation.DocumentID]*promise), directives: make(map[string]federation.TrustID), marks: make(map[uint64]mark)}
}

// Taker returns a trust's node as ingest wants it. What it acknowledges is held against it.
func (r *Region) Taker(t federation.TrustID) ingest.Taker { return taker{r, t} }

type taker struct {
	region *Region
	trust  federation.TrustID
}

// Take takes one document in.
func (k taker) Take(ctx context.Context, item ingest.Item) (ingest.Receipt, error) {
	return k.region.Take(ctx, k.trust, item)
}

// Take takes one document in at a trust and holds what the node acknowledges against it.
func (r *Region) Take(ctx context.Context, t federation.TrustID, item ingest.Item) (ingest.Receipt, error) {
	n, err := r.live(t)
	if err != nil {
		return ingest.Receipt{}, err
	}
	p := &promise{patient: item.Patient, confidentiality: item.Confidentiality}
	for _, part := range item.Parts {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(part.Content, 0, part.Size)); err != nil {
			return ingest.Receipt{}, err
		}
		p.parts = append(p.parts, federation.Digest(h.Sum(nil)))
	}
	receipt, err := n.Take(ctx, item)
	if err != nil {
		return receipt, err
	}
	p.id = receipt.Document
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.ledger.documents[p.id] == nil {
		r.ledger.documents[p.id] = p
		r.ledger.order = append(r.ledger.order, p.id)
	}
	return receipt, nil
}

// TakeDocument is Take for an invented document, which it inspects as the ingest of a file would.
func (r *Region) TakeDocument(ctx context.Context, t federation.TrustID, p synth.Patient, d synth.Document) (ingest.Receipt, error) {
	content := d.Bytes()
	info, err := media.Inspect(bytes.NewReader(content), int64(len(content)), d.Name)
	if err != nil {
		return ingest.Receipt{}, fmt.Errorf("inspect %s: %w", d.Name, err)
	}
	return r.Take(ctx, t, ingest.Item{
		Patient: p.NHSNumber, Type: d.Type.Code, Category: d.Category.Code, Specialty: d.Specialty.Code, Title: d.Title, Author: d.Author,
		Date: d.Date, Confidentiality: d.Confidentiality, Language: "en-GB",
		Person: ingest.Person{Family: p.Family, Given: p.Given, Born: p.Born.Format(time.DateOnly), Sex: p.Sex},
		Parts:  []ingest.Part{{Name: d.Name, Info: info, Size: int64(len(content)), Content: bytes.NewReader(content)}},
	})
}

// Published waits until the region has agreed on everything that these trusts had to say, or all that run when none is named.
// From then on CheckInvariants wants every other node to have the documents that they had acknowledged before the call.
func (r *Region) Published(ctx context.Context, trusts ...federation.TrustID) error {
	if len(trusts) == 0 {
		trusts = r.Up()
	}
	for _, t := range trusts {
		r.ledger.mu.Lock()
		before := len(r.ledger.order)
		r.ledger.mu.Unlock()
		err := WaitFor(ctx, "the outbox of "+string(t)+" to be empty", func(ctx context.Context) error {
			n, err := r.live(t)
			if err != nil {
				return err
			}
			s, err := n.Status(ctx, &admin.StatusRequest{})
			if err == nil && s.GetOutbox() > 0 {
				err = fmt.Errorf("%d entries wait", s.GetOutbox())
			}
			return err
		})
		if err != nil {
			return err
		}
		r.ledger.publish(t, before)
	}
	return nil
}

func (l *ledger) publish(t federation.TrustID, before int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.order[:before] {
		if id.Custodian() == t {
			l.documents[id].published = true
		}
	}
}

// Object records an objection, or the withdrawal of one, at a trust. When the node says that the region has agreed, that is
// held against all.
func (r *Region) Object(ctx context.Context, t federation.TrustID, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	n, err := r.live(t)
	if err != nil {
		return nil, err
	}
	reply, err := n.Object(ctx, q)
	if err != nil {
		return nil, err
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if reply.GetCommitted() {
		for _, id := range reply.GetDirectives() {
			r.ledger.directives[id] = t
		}
	}
	return reply, nil
}

// Withdraw withdraws a document at its custodian.
func (r *Region) Withdraw(ctx context.Context, id federation.DocumentID, reason string) (*admin.WithdrawReply, error) {
	n, err := r.live(id.Custodian())
	if err != nil {
		return nil, err
	}
	r.ledger.mu.Lock()
	if p := r.ledger.documents[id]; p != nil {
		p.withdrawn = true // whatever comes of it, it may be gone from now on
	}
	r.ledger.mu.Unlock()
	return n.Withdraw(ctx, &admin.WithdrawRequest{Document: string(id), Reason: reason, By: &admin.Asker{User: "records-desk", Role: "records-staff"}})
}

// Locate asks a trust's node for a patient's documents, as one of its clinicians.
func (r *Region) Locate(ctx context.Context, t federation.TrustID, patient string) (*admin.LocateReply, error) {
	n, err := r.live(t)
	if err != nil {
		return nil, err
	}
	return n.Locate(ctx, &admin.LocateRequest{Patient: patient})
}

// Fetched is what a fetch brought.
type Fetched struct {
	Head   *admin.Head
	Bytes  int64
	SHA256 federation.Digest
	Done   *admin.Done
}

// errUnfinished is returned when a node ends a fetch without a last word.
var errUnfinished = errors.New("the transfer ended without a last word")

// Fetch asks a trust's node for a document and writes it to w, which may be nil.
func (r *Region) Fetch(ctx context.Context, t federation.TrustID, q *admin.FetchRequest, w io.Writer) (Fetched, error) {
	var out Fetched
	n, err := r.live(t)
	if err != nil {
		return out, err
	}
	h := sha256.New()
	err = n.Fetch(ctx, q, func(reply *admin.FetchReply) error {
		switch step := reply.GetStep().(type) {
		case *admin.FetchReply_Head:
			out.Head = step.Head
		case *admin.FetchReply_Data:
			out.Bytes += int64(len(step.Data))
			_, _ = h.Write(step.Data) // a hash never fails
			if w != nil {
				_, err := w.Write(step.Data)
				return err
			}
		case *admin.FetchReply_Done:
			out.Done = step.Done
		}
		return nil
	})
	out.SHA256 = federation.Digest(h.Sum(nil))
	if err == nil && out.Done == nil {
		err = errUnfinished
	}
	return out, err
}

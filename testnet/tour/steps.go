package tour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

func (t *Tour) plan() []step {
	at := func(i int) string { return t.o.Region.Members[i].Name }
	return []step{
		{"start", fmt.Sprintf("%d trusts start, found a region and join it", len(t.trusts)), t.start},
		{"take_in", "each trust takes its own records in", t.takeIn},
		{"publish", "each tells the region what it holds: pointers, not records", t.publish},
		{"locate", "a clinician at " + at(1) + " looks a patient up", t.locate},
		{"first_page", fmt.Sprintf("they open a scanned case note of %d pages held by %s: the first page", t.o.Pages, at(0)), t.firstPage},
		{"stream", "the whole case note, with the connection cut in the middle", t.stream},
		{"objection", "the patient objects to sharing, at " + at(2), t.objection},
		{"withdrawal", "the patient changes their mind", t.withdrawal},
		{"leader_loss", "the node that leads the region is lost while records are published", t.leaderLoss},
		{"restart", "a trust is switched off and on again", t.restart},
		{"audit", "every trust proves what happened", t.audit},
	}
}

func (t *Tour) start(ctx context.Context) (string, error) {
	open := testnet.NewRegion
	if t.o.Reopen {
		open = testnet.OpenRegion
	}
	var err error
	if t.region, err = open(ctx, t.o.Region); err != nil {
		return "", err
	}
	if err := t.region.Ready(ctx); err != nil {
		return "", err
	}
	leader, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	s, err := t.region.Node(leader).Status(ctx, &admin.StatusRequest{})
	if err != nil {
		return "", err
	}
	votes := 0
	for _, site := range s.GetSites() {
		if site.GetRaft() == "leader" || site.GetRaft() == "voter" {
			votes++
		}
	}
	return fmt.Sprintf("Each has its own keys, its own encrypted data folder and one UDP port, and trusts the others by their keys alone. %d of them vote on what the region agrees on; %s counts the votes for now.", votes, t.region.Name(leader)), nil
}

// documents invents what is taken in, and says at which trust.
func (t *Tour) documents() []held {
	each := max((t.o.Documents+t.o.Patients-1)/t.o.Patients, 1)
	var out []held
	for i, p := range t.people {
		n := 0
		for d := range t.source.Documents(p, each) {
			if len(out) == t.o.Documents {
				break
			}
			out = append(out, held{trust: t.trusts[(i+n)%len(t.trusts)], patient: p, doc: d})
			n++
		}
	}
	note := t.source.CaseNote(t.focus, t.o.Pages)
	return append(out, held{trust: t.trusts[0], patient: t.focus, doc: note})
}

func (t *Tour) takeIn(ctx context.Context) (string, error) {
	docs := t.documents()
	if err := t.take(ctx, docs); err != nil {
		return "", err
	}
	t.taken, t.note = docs, docs[len(docs)-1]
	t.content = t.note.doc.Bytes()
	kinds := map[string]int{}
	total, pages := 0, 0
	for _, d := range docs {
		kinds[d.doc.ContentType]++
		total += d.size
		pages += d.doc.Pages
	}
	return fmt.Sprintf("%d invented documents of %d invented patients, %d pages, %.1f MB: %d PDF letters, %d TIFF scans, %d JPEG and PNG pictures, %d CDA documents, %d DICOM images. Encrypted, checked and on each trust's own disk before it says so.",
		len(docs), len(t.people), pages, float64(total)/1e6, kinds["application/pdf"], kinds["image/tiff"], kinds["image/jpeg"]+kinds["image/png"], kinds["text/xml"], kinds["application/dicom"]), nil
}

// take takes documents in, two at a time, and notes their ids.
func (t *Tour) take(ctx context.Context, docs []held) error {
	next := make(chan int)
	errs := make(chan error, 2)
	var workers sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range 2 {
		workers.Go(func() {
			for i := range next {
				d := &docs[i]
				content := d.doc.Bytes()
				d.size = len(content)
				doc := d.doc
				doc.Bytes = func() []byte { return content }
				receipt, err := t.region.TakeDocument(ctx, d.trust, d.patient, doc)
				if err != nil {
					errs <- fmt.Errorf("%s at %s: %w", d.doc.Name, d.trust, err)
					cancel()
					return
				}
				d.id = receipt.Document
			}
		})
	}
	for i := range docs {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

func (t *Tour) publish(ctx context.Context) (string, error) {
	if err := t.region.Published(ctx); err != nil {
		return "", err
	}
	if err := t.region.Converged(ctx); err != nil {
		return "", err
	}
	s, err := t.region.Node(t.trusts[1]).Status(ctx, &admin.StatusRequest{})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d pointers, signed by the trusts they are of, agreed on and in every trust's own copy of the index. All copies have the same fingerprint: %s.", s.GetPointers(), s.GetRoot()[:16]), nil
}

// expected is how many of the patient's documents a clinician of another trust may know of.
func (t *Tour) expected() int {
	n := 0
	for _, d := range t.taken {
		if d.patient.NHSNumber == t.focus.NHSNumber && (d.doc.Confidentiality == "N" || d.trust == t.trusts[1]) {
			n++
		}
	}
	return n
}

func (t *Tour) locate(ctx context.Context) (string, error) {
	started := time.Now()
	reply, err := t.region.Locate(ctx, t.trusts[1], t.focus.SpacedNumber())
	took := time.Since(started)
	if err != nil {
		return "", err
	}
	custodians := map[string]int{}
	for _, d := range reply.GetDocuments() {
		custodians[d.GetCustodian()]++
	}
	if got, want := len(reply.GetDocuments()), t.expected(); got != want {
		return "", fmt.Errorf("found %d documents, and %d should be found", got, want)
	}
	return fmt.Sprintf("%s: %d documents at %d trusts, found in %s in the trust's own copy of the index; no other trust was asked. Documents that the rules keep from this clinician are not hinted at.",
		t.focus.SpacedNumber(), len(reply.GetDocuments()), len(custodians), round(took)), nil
}

func (t *Tour) firstPage(ctx context.Context) (string, error) {
	var page bytes.Buffer
	got, err := t.region.Fetch(ctx, t.trusts[1], &admin.FetchRequest{Document: string(t.note.id), Pages: "1"}, &page)
	if err != nil {
		return "", err
	}
	if !bytes.HasPrefix(page.Bytes(), []byte("II*\x00")) && !bytes.HasPrefix(page.Bytes(), []byte("MM\x00*")) {
		return "", errors.New("what came is not a TIFF file")
	}
	return fmt.Sprintf("There after %.1f ms: %s decided, wrote the evidence to its disk, and sent page 1 alone, %d kB of %.1f MB. Every byte was checked against what the region agreed on before it was shown.",
		got.Done.GetFirstByteMs(), t.region.Name(t.note.trust), page.Len()/1000, float64(len(t.content))/1e6), nil
}

// errCut ends a transfer as a lost connection would.
var errCut = errors.New("the connection was cut")

// cutAfter takes so many bytes and then fails.
type cutAfter struct {
	bytes.Buffer
	left int
	cut  bool
}

func (c *cutAfter) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		c.cut = true
		return 0, errCut
	}
	return c.Buffer.Write(b)
}

func (t *Tour) stream(ctx context.Context) (string, error) {
	q := &admin.FetchRequest{Document: string(t.note.id)}
	first := &cutAfter{left: len(t.content) * 2 / 5}
	started := time.Now()
	cut, err := t.region.Fetch(ctx, t.trusts[1], q, first)
	if err == nil || !first.cut {
		return "", fmt.Errorf("the transfer should have been cut: %w", err)
	}
	q = &admin.FetchRequest{Document: string(t.note.id), Offset: int64(first.Len()), Manifest: cut.Head.GetManifest()}
	var rest bytes.Buffer
	if _, err := t.region.Fetch(ctx, t.trusts[1], q, &rest); err != nil {
		return "", err
	}
	took := time.Since(started)
	all := append(first.Bytes(), rest.Bytes()...)
	if !bytes.Equal(all, t.content) {
		return "", errors.New("what came is not what was taken in")
	}
	return fmt.Sprintf("Cut after %.1f of %.1f MB, it went on from there and is the same to the last byte (SHA-256 %s…), in %s together.",
		float64(first.Len())/1e6, float64(len(all))/1e6, federation.Sum(all).String()[:16], round(took)), nil
}

// refused waits until a fetch of the case note is refused because the patient objects, and nothing of theirs is found.
func (t *Tour) refused(ctx context.Context, reader federation.TrustID) error {
	return testnet.WaitFor(ctx, "the objection to be in force", func(ctx context.Context) error {
		got, err := t.region.Fetch(ctx, reader, &admin.FetchRequest{Document: string(t.note.id)}, nil)
		if code := admin.CodeOf(err); err == nil || code != admin.CodeDenied || got.Bytes > 0 {
			return fmt.Errorf("%d bytes came, and the answer was %w", got.Bytes, err)
		}
		reply, err := t.region.Locate(ctx, reader, t.focus.NHSNumber)
		if err != nil {
			return err
		}
		for _, d := range reply.GetDocuments() {
			if d.GetCustodian() != string(reader) {
				return fmt.Errorf("%s is still found", d.GetDocument())
			}
		}
		return nil
	})
}

func (t *Tour) objection(ctx context.Context) (string, error) {
	reply, err := t.region.Object(ctx, t.trusts[2], &admin.ObjectRequest{Patient: t.focus.NHSNumber, By: "records-desk", Evidence: "synthetic conversation"})
	if err != nil {
		return "", err
	}
	if !reply.GetCommitted() {
		return "", errors.New("the region did not agree on the objection")
	}
	started := time.Now()
	if err := t.refused(ctx, t.trusts[1]); err != nil {
		return "", err
	}
	return fmt.Sprintf("The region agreed, and %s after that %s refused the case note to %s, which finds nothing of other trusts any more.",
		round(time.Since(started)), t.region.Name(t.note.trust), t.region.Name(t.trusts[1])), nil
}

func (t *Tour) withdrawal(ctx context.Context) (string, error) {
	reply, err := t.region.Object(ctx, t.trusts[2], &admin.ObjectRequest{Patient: t.focus.NHSNumber, Withdraw: true, By: "records-desk"})
	if err != nil {
		return "", err
	}
	if !reply.GetCommitted() {
		return "", errors.New("the region did not agree on the withdrawal")
	}
	err = testnet.WaitFor(ctx, "the release to be allowed again", func(ctx context.Context) error {
		var page bytes.Buffer
		_, err := t.region.Fetch(ctx, t.trusts[1], &admin.FetchRequest{Document: string(t.note.id), Pages: "1"}, &page)
		return err
	})
	if err != nil {
		return "", err
	}
	return "The objection is withdrawn. A refusal counts at once; a permission only once the region has agreed. The case note opens again.", nil
}

func (t *Tour) leaderLoss(ctx context.Context) (string, error) {
	leader, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	publisher := t.other(leader)
	more := t.more(publisher, 12)
	if err := t.take(ctx, more[:6]); err != nil {
		return "", err
	}
	if err := t.region.Kill(leader); err != nil {
		return "", err
	}
	lost := time.Now()
	if err := t.take(ctx, more[6:]); err != nil {
		return "", err
	}
	if err := t.region.Published(ctx, publisher); err != nil {
		return "", err
	}
	took := time.Since(lost)
	successor, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	if err := t.found(ctx, t.other(leader, publisher), more); err != nil {
		return "", err
	}
	if err := t.region.Restart(ctx, leader); err != nil {
		return "", err
	}
	if err := t.region.Converged(ctx); err != nil {
		return "", err
	}
	t.taken = append(t.taken, more...)
	return fmt.Sprintf("%s went dark without a word. %s took over; everything that %s had acknowledged was published %s after the loss, and nothing is missing. %s is back and has caught up.",
		t.region.Name(leader), t.region.Name(successor), t.region.Name(publisher), round(took), t.region.Name(leader)), nil
}

// more invents further documents at a trust, of a patient of their own.
func (t *Tour) more(trust federation.TrustID, n int) []held {
	p := t.source.Patients(t.o.Patients + 1)[t.o.Patients]
	var out []held
	for d := range t.source.Documents(p, n) {
		out = append(out, held{trust: trust, patient: p, doc: d})
	}
	return out
}

// found checks that a trust finds the documents that it may know of.
func (t *Tour) found(ctx context.Context, at federation.TrustID, docs []held) error {
	return testnet.WaitFor(ctx, "the documents to be found", func(ctx context.Context) error {
		reply, err := t.region.Locate(ctx, at, docs[0].patient.NHSNumber)
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, d := range reply.GetDocuments() {
			there[d.GetDocument()] = true
		}
		for _, d := range docs {
			if d.doc.Confidentiality == "N" && !there[string(d.id)] {
				return fmt.Errorf("%s is not found", d.id)
			}
		}
		return nil
	})
}

// other returns a running trust that is none of those given.
func (t *Tour) other(than ...federation.TrustID) federation.TrustID {
	for _, id := range t.region.Up() {
		taken := false
		for _, x := range than {
			taken = taken || x == id
		}
		if !taken {
			return id
		}
	}
	return t.trusts[0]
}

func (t *Tour) restart(ctx context.Context) (string, error) {
	who := t.note.trust
	if err := t.region.Stop(who); err != nil {
		return "", err
	}
	_, err := t.region.Fetch(ctx, t.trusts[1], &admin.FetchRequest{Document: string(t.note.id), Pages: "2"}, nil)
	if admin.CodeOf(err) != admin.CodeUnavailable {
		return "", fmt.Errorf("while it was off, the answer was not that it cannot deliver: %w", err)
	}
	started := time.Now()
	if err := t.region.Restart(ctx, who); err != nil {
		return "", err
	}
	err = testnet.WaitFor(ctx, "the case note to be delivered again", func(ctx context.Context) error {
		var page bytes.Buffer
		_, err := t.region.Fetch(ctx, t.trusts[1], &admin.FetchRequest{Document: string(t.note.id), Pages: "2"}, &page)
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("While %s was off, its documents were still found, and the answer said plainly that they could not be delivered. %s after it was started they were.",
		t.region.Name(who), round(time.Since(started))), nil
}

func (t *Tour) audit(ctx context.Context) (string, error) {
	var entries, checkpoints uint64
	for _, id := range t.region.Up() {
		r, err := t.region.Node(id).VerifyAudit(ctx, &admin.VerifyAuditRequest{})
		if err != nil {
			return "", fmt.Errorf("%s: %w", id, err)
		}
		if !r.GetOk() {
			return "", fmt.Errorf("the log of %s is not whole: %v", id, r.GetFindings())
		}
		entries += r.GetEntries()
		checkpoints += r.GetCheckpoints()
	}
	if err := t.region.CheckInvariants(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d entries in %d logs: each is whole, and %d of the logs were compared with what the region has witnessed of them. Every document acknowledged is where it should be, and all copies of the index are the same.",
		entries, len(t.region.Up()), checkpoints), nil
}

// Person returns the invented patient that the tour follows, in words.
func (t *Tour) Person() string { return personOf(t.focus) }

func personOf(p synth.Patient) string {
	return fmt.Sprintf("%s, NHS number %s", p.Name(), p.SpacedNumber())
}

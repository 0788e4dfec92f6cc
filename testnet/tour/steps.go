package tour

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

func (t *Tour) plan() []step {
	n := len(t.trusts)
	founder, reader, desk := t.name(t.trusts[0]), t.name(t.reader), t.name(t.desk)
	start := fmt.Sprintf("%s founds a region and invites the other %d trusts.", founder, n-1)
	if t.o.Reopen {
		start = fmt.Sprintf("The region of an earlier demonstration is started again: %d trusts.", n)
	}
	return []step{
		{"start", start, t.start},
		{"take_in", "Each trust takes in records of its own patients.", t.takeIn},
		{"publish", "Each trust tells the others what it holds, not what is in it.", t.publish},
		{"locate", "A clinician at " + reader + " looks up a patient.", t.locate},
		{"first_page", fmt.Sprintf("They open a case note of %d scanned pages that %s holds.", t.o.Pages, founder), t.firstPage},
		{"stream", "They want all of it, and the connection is cut in the middle.", t.stream},
		{"agreement", founder + " changes what it shares.", t.agreement},
		{"directive", "The patient keeps the nurses of " + reader + " out, at the desk of " + desk + ".", t.directive},
		{"objection", "The patient objects to sharing, at the desk of " + desk + ".", t.objection},
		{"break_glass", "An emergency: the patient is unconscious, and objects.", t.breakGlass},
		{"withdrawal", "The patient withdraws the objection.", t.withdrawal},
		{"leader_loss", "The node that leads loses its power while records are published.", t.leaderLoss},
		{"restart", "A trust's node is restarted, as for an upgrade.", t.restart},
		{"report", "The patient asks who has seen what.", t.report},
		{"audit", "Every trust's evidence is verified.", t.audit},
		{"proof", "A piece of that evidence is handed to somebody outside.", t.proof},
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
	leader, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	s, err := t.status(ctx, leader)
	if err != nil {
		return "", err
	}
	votes := 0
	for _, site := range s.GetSites() {
		if site.GetRaft() == "leader" || site.GetRaft() == "voter" {
			votes++
		}
	}
	return fmt.Sprintf("Each node has its own keys, its own encrypted data folder and one UDP port, and talks to nodes whose keys the region knows and to nobody else. "+
		"What the trusts share is agreed on by a majority of %d voting nodes. One of them leads and counts the votes: now %s.", votes, t.name(leader)), nil
}

func (t *Tour) status(ctx context.Context, id federation.TrustID) (*admin.StatusReply, error) {
	n := t.region.Node(id)
	if n == nil {
		return nil, fmt.Errorf("%s: %w", t.name(id), testnet.ErrDown)
	}
	return n.Status(ctx, &admin.StatusRequest{})
}

func (t *Tour) takeIn(ctx context.Context) (string, error) {
	docs := t.invent()
	t.note = docs[len(docs)-1]
	total, err := t.prepare(ctx, docs, ManifestName)
	if err != nil {
		return "", err
	}
	started := time.Now()
	if err := t.everywhere(func(id federation.TrustID) error {
		for _, d := range docs {
			if d.trust == id {
				_, err := t.ingest(ctx, id, ManifestName, docs, nil)
				return err
			}
		}
		return nil // fewer documents than trusts
	}); err != nil {
		return "", err
	}
	spent := time.Since(started)
	t.taken, t.note = docs, docs[len(docs)-1]
	pages := 0
	for _, d := range docs {
		pages += d.doc.Pages
	}
	return fmt.Sprintf("%s of %s, %d pages, %s: %s. Each is listed in a manifest, checked, encrypted, and on the disk of its own trust before that trust says that it has it. "+
		"That took %s; most of the time of this step went into inventing them.",
		count(len(docs), "document", "documents"), count(len(t.people), "patient", "patients"), pages, size(total), kinds(docs), took(spent)), nil
}

// everywhere runs fn for all trusts, two at a time, and returns the first error.
func (t *Tour) everywhere(fn func(federation.TrustID) error) error {
	errs := make([]error, len(t.trusts))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range inventors {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(errs); i = next.Add(1) - 1 {
				errs[i] = fn(t.trusts[i])
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// kinds says what the documents are.
func kinds(docs []held) string {
	n := map[string]int{}
	for _, d := range docs {
		n[d.doc.ContentType]++
	}
	text := ""
	for _, k := range []struct{ contentType, one, many string }{
		{"application/pdf", "letter in PDF", "letters in PDF"},
		{"image/tiff", "scan in TIFF", "scans in TIFF"},
		{"image/jpeg", "photograph", "photographs"},
		{"image/png", "chart", "charts"},
		{"text/xml", "structured summary (CDA)", "structured summaries (CDA)"},
		{"application/dicom", "CT image (DICOM)", "CT images (DICOM)"},
	} {
		if n[k.contentType] > 0 {
			if text != "" {
				text += ", "
			}
			text += count(n[k.contentType], k.one, k.many)
		}
	}
	return text
}

func (t *Tour) publish(ctx context.Context) (string, error) {
	if err := t.region.Published(ctx); err != nil {
		return "", err
	}
	if err := t.region.Converged(ctx); err != nil {
		return "", err
	}
	root := ""
	for _, id := range t.trusts {
		s, err := t.status(ctx, id)
		if err != nil {
			return "", err
		}
		if got, want := s.GetPointers(), uint64(len(t.taken)); got < want {
			return "", fmt.Errorf("the index of %s has %d entries, and %d documents were published", t.name(id), got, want)
		}
		root = s.GetRoot()
	}
	return fmt.Sprintf("Every document has an entry in the index, signed by the trust that holds it: who holds it, its kind and its date, and the patient under a pseudonym. "+
		"Each of the %d trusts has a copy of the whole index, and the copies are the same (fingerprint %s). The documents have not moved.", len(t.trusts), root[:16]), nil
}

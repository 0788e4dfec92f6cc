package tour

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// moreDocuments is how many are taken in while the leader is lost, and moreManifest what lists them.
const (
	moreDocuments = 24
	moreManifest  = "more.csv"
)

func (t *Tour) leaderLoss(ctx context.Context) (string, error) {
	leader, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	publisher := t.other(leader)
	watcher := t.other(leader, publisher)
	docs := t.more(publisher, moreDocuments)
	if _, err := t.prepare(ctx, docs, moreManifest); err != nil {
		return "", err
	}
	lost, err := t.loseWhileTakingIn(ctx, leader, publisher, docs)
	if err != nil {
		return "", err
	}
	looked := time.Now()
	if _, err := t.region.Locate(ctx, watcher, t.focus.NHSNumber); err != nil {
		return "", fmt.Errorf("without a leader %s finds nothing: %w", t.name(watcher), err)
	}
	local := time.Since(looked)
	if err := t.region.Published(ctx, publisher); err != nil {
		return "", err
	}
	outage := time.Since(lost)
	successor, err := t.region.Leader(ctx)
	if err != nil {
		return "", err
	}
	if err := t.found(ctx, watcher, docs); err != nil {
		return "", err
	}
	back := time.Now()
	if err := t.region.Restart(ctx, leader); err != nil {
		return "", err
	}
	if err := t.region.Converged(ctx); err != nil {
		return "", err
	}
	if err := t.found(ctx, leader, docs); err != nil {
		return "", err
	}
	t.taken = append(t.taken, docs...)
	return fmt.Sprintf("%s was taking in %d documents when %s, the leader, went dark without a word. The others noticed and made %s the leader. "+
		"Lookups went on meanwhile (%s). All that %s had acknowledged was published %s after the loss, and %s finds every one. %s came back and had caught up after %s.",
		t.name(publisher), len(docs), t.name(leader), t.name(successor), took(local), t.name(publisher), took(outage), t.name(watcher), t.name(leader), took(time.Since(back))), nil
}

// loseWhileTakingIn kills the leader while the publisher is taking documents in, and returns when that was.
func (t *Tour) loseWhileTakingIn(ctx context.Context, leader, publisher federation.TrustID, docs []held) (time.Time, error) {
	half := make(chan struct{})
	once := sync.OnceFunc(func() { close(half) })
	done := make(chan error, 1)
	go func() {
		_, err := t.ingest(ctx, publisher, moreManifest, docs, func(n int) {
			if n >= len(docs)/2 {
				once()
			}
		})
		once()
		done <- err
	}()
	<-half
	lost := time.Now()
	killed := t.region.Kill(leader)
	return lost, errors.Join(killed, <-done)
}

// found waits until a trust finds the documents that it may know of.
func (t *Tour) found(ctx context.Context, at federation.TrustID, docs []held) error {
	return testnet.WaitFor(ctx, t.name(at)+" to find what was published", func(ctx context.Context) error {
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

// away returns a trust to restart that is not the reader, and a document of the patient there; the case note and its holder
// when no other trust has one.
func (t *Tour) away() held {
	for _, d := range t.taken {
		if d.patient.NHSNumber == t.focus.NHSNumber && d.doc.Confidentiality == "N" && d.trust != t.reader && d.trust != t.note.trust {
			return d
		}
	}
	return t.note
}

func (t *Tour) restart(ctx context.Context) (string, error) {
	d := t.away()
	if err := t.region.Stop(d.trust); err != nil {
		return "", err
	}
	if err := t.saidToBeAway(ctx, d); err != nil {
		return "", err
	}
	// A document is asked for while its trust is away, and comes when the trust is back.
	asked := time.Now()
	came := make(chan error, 1)
	go func() {
		came <- testnet.WaitFor(ctx, "the document to come", func(ctx context.Context) error {
			_, err := t.region.Fetch(ctx, t.reader, &admin.FetchRequest{Document: string(d.id)}, nil)
			return err
		})
	}()
	started := time.Now()
	err := t.region.Restart(ctx, d.trust)
	if err := errors.Join(err, <-came); err != nil {
		return "", err
	}
	waited := time.Since(asked)
	if err := t.region.Ready(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("While %s was away, %s still found its documents, and the answer said that %s cannot be reached. One of them was asked for all the same: "+
		"it came %s later, as soon as the node was back. After %s everything was as before.",
		t.name(d.trust), t.name(t.reader), t.name(d.trust), took(waited), took(time.Since(started))), nil
}

// saidToBeAway waits until the reader finds the document and is told that its trust cannot be reached.
func (t *Tour) saidToBeAway(ctx context.Context, d held) error {
	return testnet.WaitFor(ctx, t.name(t.reader)+" to say that "+t.name(d.trust)+" is away", func(ctx context.Context) error {
		reply, err := t.region.Locate(ctx, t.reader, t.focus.NHSNumber)
		if err != nil {
			return err
		}
		there := false
		for _, x := range reply.GetDocuments() {
			there = there || x.GetDocument() == string(d.id)
		}
		if !there {
			return fmt.Errorf("%s is not found", d.id)
		}
		for _, s := range reply.GetSites() {
			if s.GetTrust() == string(d.trust) && s.GetReachable() {
				return fmt.Errorf("%s is said to be reachable", t.name(d.trust))
			}
		}
		return nil
	})
}

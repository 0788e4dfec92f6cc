package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// receiver is a node that joined a searcher's region, and what it fetches from there.
type receiver struct {
	node      *node.Node
	dir       string
	documents []federation.DocumentID
}

func (r *receiver) close() error {
	var err error
	if r.node != nil {
		err = r.node.Close(context.Background())
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// growRelease has a second node of each region, which holds its whole index, fetch documents of the first, in turns.
func (e *env) growRelease(ctx context.Context, sizes []int, searchers []*searcher) ([]row, error) {
	receivers := make([]*receiver, len(searchers))
	for i, s := range searchers {
		r, err := e.receive(ctx, s)
		if err != nil {
			return nil, err
		}
		defer func() { _ = r.close() }() // what was measured has been measured
		receivers[i] = r
	}
	seen := make([]series, len(receivers))
	for run := range e.runs {
		for k := range receivers {
			i := (run + k) % len(receivers)
			var took series
			for _, id := range receivers[i].documents {
				f, err := fetchBy(ctx, receivers[i].node, &admin.FetchRequest{Document: string(id)}, io.Discard)
				if err != nil {
					return nil, err
				}
				took = append(took, milliseconds(f.first))
			}
			seen[i] = append(seen[i], took.median())
		}
	}
	return compareSizes(opReleaseGrowth, "ms", sizes, seen, true), nil
}

// receive has a searcher's node take in documents and another trust join it, and waits until that trust is given the last of them:
// the region's copy is sent to it whole before.
func (e *env) receive(ctx context.Context, s *searcher) (*receiver, error) {
	dir, err := e.temp("receiver")
	if err != nil {
		return nil, err
	}
	r := &receiver{dir: dir}
	err = r.join(ctx, s.node, filepath.Join(dir, "data"))
	content := make([]byte, 100_000)
	for k := 0; err == nil && k < e.few(300, 10); k++ {
		fillRandom(content, uint64(k))
		var id federation.DocumentID
		id, err = keep(ctx, s.node, s.patients+1+k, fmt.Sprintf("%d.pdf", k), int64(len(content)), bytes.NewReader(content))
		r.documents = append(r.documents, id)
	}
	if err == nil {
		waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		err = testnet.WaitFor(waiting, "the newcomer to be given a document", func(ctx context.Context) error {
			_, err := fetchBy(ctx, r.node, &admin.FetchRequest{Document: string(r.documents[len(r.documents)-1])}, io.Discard)
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// join makes the receiver a trust of the sponsor's region that was not in it: an index that was prepared before may have some.
func (r *receiver) join(ctx context.Context, sponsor *node.Node, data string) error {
	status, err := sponsor.Status(ctx, &admin.StatusRequest{})
	if err != nil {
		return err
	}
	trust := fmt.Sprintf("Z%02d", len(status.GetSites()))
	invited, err := sponsor.Invite(ctx, &admin.InviteRequest{Trust: trust, Name: "Receiver " + trust})
	if err != nil {
		return err
	}
	settings := trialSettings()
	settings.Watch = tireless()
	if _, err := node.Join(ctx, node.JoinOptions{Data: data, Settings: settings, Invitation: invited.GetInvitation(), Now: time.Now()}); err != nil {
		return err
	}
	r.node, err = node.Open(ctx, node.Options{Data: data, Settings: settings, NoAdmin: true})
	return err
}

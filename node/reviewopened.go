package node

import (
	"context"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// Opened tells a reviewer what was opened in what is to be judged. Of this trust's own documents it tells what the region is told of
// them, because the reviewer judges for the trust; of others' what the reviewer may know of by their agreements. Of what is sealed,
// closed by law or gone, and of any other, it returns the id alone, which the review has anyhow.
func (n *Node) Opened(ctx context.Context, id string, who *admin.Asker) ([]*admin.Located, error) {
	if err := n.governs(ctx, who, "reads reviews", reviewers[:]); err != nil {
		return nil, err
	}
	r, found := n.reviews.get(id)
	if !found {
		return nil, admin.Errorf(admin.CodeNotFound, "there is no review %q here: 'ridgeway review list' lists them", id)
	}
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(), Subject: r.Subject,
		Detail: detailOpened + r.ID,
	})
	if err != nil {
		return nil, err
	}
	out := make([]*admin.Located, 0, len(r.Documents))
	local := n.refusalsBefore(ctx, r.Subject)
	err = n.replica.View(ctx, consensus.Local(), func(view consensus.Reader) error {
		may := n.sight(ctx, view, who, r.Subject, saidBy(view, local, r.Subject))
		for _, id := range r.Documents {
			d, err := n.openedOne(ctx, view, id, may)
			if err != nil {
				return err
			}
			out = append(out, d)
		}
		return nil
	})
	return out, err
}

func (n *Node) openedOne(ctx context.Context, view consensus.Reader, id federation.DocumentID, may sight) (*admin.Located, error) {
	numberOnly := &admin.Located{Document: string(id), Custodian: string(id.Custodian())}
	if id.Custodian() == n.Trust() {
		doc, err := n.records.Document(ctx, id)
		switch {
		case isGone(err):
			return numberOnly, nil
		case err != nil:
			return nil, n.storeProblem(err)
		case doc.Legal != "":
			return numberOnly, nil
		}
		return located(doc.Pointer()), nil // which tells nothing of one that is sealed
	}
	p, withdrawn, found, err := index.Pointer(view, id)
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	if !found || withdrawn || !may(&p) {
		return numberOnly, nil
	}
	return located(p), nil
}

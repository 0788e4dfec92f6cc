package node

import (
	"context"
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// noteVersions says which of the documents stand beside another version that more people may see once they are labelled so: whoever may
// not see the later one is shown the earlier one as the latest, and nothing may tell them (moreOpen). Who labels can know both.
func (p *labelPlan) noteVersions(ctx context.Context) error {
	will := make(map[federation.DocumentID]record.Marks, len(p.changes))
	for _, c := range p.changes {
		will[c.id] = c.will
	}
	noted := make(map[federation.DocumentID]bool) // by the later one
	for _, c := range p.changes {
		for _, pair := range [2][2]federation.DocumentID{{c.before, c.id}, {c.id, c.after}} {
			earlier, later := pair[0], pair[1]
			if earlier == "" || later == "" || noted[later] || len(p.reply.GetNotes()) >= labelProblems {
				continue
			}
			apart, err := p.stricter(ctx, will, later, earlier)
			if err != nil {
				return err
			}
			if noted[later] = apart; apart {
				p.reply.Notes = append(p.reply.Notes, &admin.LabelProblem{Document: string(c.id), Message: fmt.Sprintf(
					"%s replaces %s, which is open to more people: who may not see %s is shown %s as the latest. If nobody should act on it: 'ridgeway withdraw %s'", later, earlier, later, earlier, earlier)})
			}
		}
	}
	return nil
}

// stricter compares two versions as they will be labelled. One that is not shared stands beside nothing.
func (p *labelPlan) stricter(ctx context.Context, will map[federation.DocumentID]record.Marks, later, earlier federation.DocumentID) (bool, error) {
	var marks [2]record.Marks
	for i, id := range [2]federation.DocumentID{later, earlier} {
		m, chosen := will[id]
		if !chosen {
			d, err := p.n.records.Document(ctx, id)
			if isGone(err) || err == nil && d.State.Phase == record.Withdrawn {
				return false, nil
			} else if err != nil {
				return false, p.n.storeProblem(err)
			}
			m = marksOf(&d)
		}
		marks[i] = m
	}
	return stricter(marks[0], marks[1]), nil
}

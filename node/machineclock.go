package node

import (
	"context"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// clockSlack is how far this machine's clock may be behind the founding of its region.
const clockSlack = 5 * time.Minute

// checkClock refuses to start on a machine whose clock is before the region was founded: what it would write down as
// evidence would be wrong, and other nodes would believe nothing that it asserts.
func (n *Node) checkClock(ctx context.Context) error {
	charter := n.membership.Charter
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		return index.Statements(r, 0, func(_ uint64, signed federation.Signed) (bool, error) {
			charter = signed.Encode()
			return false, nil // the first is the charter
		})
	})
	if err != nil || len(charter) == 0 {
		return err
	}
	return clockAfter(charter, time.Now())
}

func clockAfter(charter []byte, now time.Time) error {
	signed, err := federation.DecodeSigned(charter)
	if err != nil {
		return err
	}
	s, err := signed.Statement()
	if err != nil {
		return err
	}
	if now.Add(clockSlack).Before(s.At) {
		const form = "2 January 2006 15:04 MST"
		return admin.Errorf(admin.CodeConfig, "this machine's clock says %s, and the region was founded on %s: the clock is wrong. Set it (or the clock of the founder was wrong: then found the region anew), then start again", now.UTC().Format(form), s.At.UTC().Format(form))
	}
	return nil
}

// clocksApart says which trusts have signed, for the region, that they reached a time which this machine's clock is yet to reach: one of
// the two clocks is wrong. A clock that is behind ours is seen by them, not by us: what comes late looks the same.
func (n *Node) clocksApart(ctx context.Context) (out []string) {
	now := time.Now().Round(0).UTC()
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for _, t := range n.ledger.Roster().Trusts() {
			for _, node := range t.Nodes {
				c, found, err := index.CheckpointOf(r, node.ID)
				if err != nil {
					return err
				}
				if ahead := c.At.Sub(now); found && t.ID != n.Trust() && ahead > glassSkew {
					out = append(out, fmt.Sprintf("THE CLOCKS OF THIS MACHINE AND OF %s (%s) ARE APART, by %s or more: it has signed something at %s, and it is %s here. Over %s neither believes what the other asks for. Have the time of both machines looked at",
						t.ID, t.Name, ahead.Round(time.Second), c.At.UTC().Format(clockForm), now.Format(clockForm), glassSkew))
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return []string{fmt.Sprintf("the clocks of the region cannot be compared: %v", err)}
	}
	return out
}

// clockForm shows a moment where two clocks are compared.
const clockForm = "2 January 2006 15:04:05 MST"

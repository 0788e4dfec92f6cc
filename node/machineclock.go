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

// ahead is what a trust has signed for the region at a time that this machine's clock is yet to reach.
type ahead struct {
	trust federation.TrustID
	name  string
	at    time.Time
}

// aheadOf returns the trusts that have signed something later than now, by more than nodes put up with: one of the two clocks is wrong. A
// clock that is behind ours is seen by them, not by us: what comes late looks the same.
func (n *Node) aheadOf(ctx context.Context, now time.Time) (out []ahead, err error) {
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		for _, t := range n.ledger.Roster().Trusts() {
			for _, node := range t.Nodes {
				c, found, err := index.CheckpointOf(r, node.ID)
				if err != nil {
					return err
				}
				if found && t.ID != n.Trust() && c.At.Sub(now) > glassSkew {
					out = append(out, ahead{t.ID, t.Name, c.At})
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the clocks of the region cannot be compared: %w", err)
	}
	return out, nil
}

// clocksApart says so to who looks after the machine.
func (n *Node) clocksApart(ctx context.Context) (out []string) {
	now := time.Now().Round(0).UTC()
	trusts, err := n.aheadOf(ctx, now)
	if err != nil {
		return []string{err.Error()}
	}
	for _, t := range trusts {
		out = append(out, fmt.Sprintf("THE CLOCKS OF THIS MACHINE AND OF %s (%s) ARE APART, by %s or more: it has signed something at %s, and it is %s here. Over %s neither believes what the other asks for. Have the time of both machines looked at",
			t.trust, t.name, t.at.Sub(now).Round(time.Second), t.at.UTC().Format(clockForm), now.Format(clockForm), glassSkew))
	}
	return out
}

// clockWords says so to who searches: by this machine's clock agreements may not have begun that have, and have not ended that have.
func (n *Node) clockWords(ctx context.Context) (string, error) {
	trusts, err := n.aheadOf(ctx, time.Now().Round(0))
	if err != nil || len(trusts) == 0 {
		return "", err
	}
	who := string(trusts[0].trust)
	if len(trusts) > 1 {
		who = fmt.Sprintf("%d other trusts", len(trusts))
	}
	return fmt.Sprintf("this list may not be complete: the clock of %s's machine and that of %s are apart, and what is shared from one day to another goes by it. 'ridgeway status --data %s' says by how much", n.Trust(), who, admin.Arg(n.options.Data)), nil
}

// clockForm shows a moment where two clocks are compared.
const clockForm = "2 January 2006 15:04:05 MST"

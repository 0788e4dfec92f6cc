package node

import (
	"context"
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

package tour

import (
	"context"
	"fmt"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// audit verifies every trust's log against the region's checkpoints of it, and then all that the region has promised.
func (t *Tour) audit(ctx context.Context) (string, error) {
	// Looking into a log is an entry of it, so that there is something to witness everywhere.
	for _, id := range t.trusts {
		if _, err := t.verify(ctx, id); err != nil {
			return "", err
		}
	}
	if err := t.region.Witnessed(ctx); err != nil {
		return "", err
	}
	var entries uint64
	for _, id := range t.trusts {
		report, err := t.verify(ctx, id)
		switch {
		case err != nil:
			return "", err
		case !report.GetOk():
			return "", fmt.Errorf("the log of %s is not whole: %s", t.name(id), strings.Join(report.GetFindings(), "; "))
		case report.GetCheckpoints() == 0:
			return "", fmt.Errorf("the log of %s was not compared with what the region has of it", t.name(id))
		}
		entries += report.GetEntries()
	}
	if err := t.region.CheckInvariants(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("Who looked for what, who read it and who was refused: %d entries in %d logs. Each log is whole, and agrees with the fingerprints of it that the other trusts keep, "+
		"so nobody can rewrite their own unnoticed. To be sure, all stored bytes were read again and the documents fetched once more: none is missing, none has changed, and all %d copies of the index are the same.",
		entries, len(t.trusts), len(t.trusts)), nil
}

func (t *Tour) verify(ctx context.Context, id federation.TrustID) (*admin.VerifyAuditReply, error) {
	n := t.region.Node(id)
	if n == nil {
		return nil, fmt.Errorf("%s: %w", t.name(id), testnet.ErrDown)
	}
	return n.VerifyAudit(ctx, &admin.VerifyAuditRequest{})
}

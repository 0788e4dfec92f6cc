package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// testified is a checkpoint of this node's audit log, and the trusts whose copies of the agreed state have it.
type testified struct {
	witness
	by []string
}

// VerifyAudit verifies this node's audit log against the checkpoint of it that the region has committed: as this node's own
// copy of the agreed state has it and, where the region is to be asked, as the copies of the other trusts have it. Whoever can
// rewrite this node's log may have rewritten its own copy too; theirs are out of reach. Who had it verified is an entry itself.
func (n *Node) VerifyAudit(ctx context.Context, q *admin.VerifyAuditRequest) (*admin.VerifyAuditReply, error) {
	how := "verified the audit log"
	if q.GetRegion() {
		how += " against what the other trusts have of it"
	}
	if err := n.admitReader(ctx, evidenceReader(q.GetAsker()), federation.Subject{}, "", how); err != nil {
		return nil, err
	}
	// What the region has agreed on now stops releases where the log is not of it; what one trust says does not.
	asking, cancel := context.WithTimeout(ctx, sayTimeout/2)
	n.compareFolder(asking, consensus.Linearizable())
	cancel()
	n.compareFolder(ctx, consensus.Local())
	own, err := n.witnessedHere(ctx, n.ID())
	if err != nil {
		return nil, err
	}
	reply := &admin.VerifyAuditReply{}
	said := testify(nil, string(n.Trust()), own)
	if q.GetRegion() {
		reply.Sites, said = n.askWitnesses(ctx, said)
	}
	if err := n.verifyAgainst(ctx, reply, said); err != nil {
		return nil, err
	}
	return reply, nil
}

// verifyAgainst verifies the log against all that was said of it.
func (n *Node) verifyAgainst(ctx context.Context, reply *admin.VerifyAuditReply, said []testified) error {
	against := make([]federation.Checkpoint, len(said))
	for i, s := range said {
		against[i] = federation.Checkpoint{Node: n.ID(), Size: s.Size, Root: s.Root}
	}
	report, err := n.audit.Verify(ctx, against)
	if err != nil {
		return fmt.Errorf("verify the audit log: %w", err)
	}
	reply.Ok, reply.Entries, reply.Root, reply.Damaged, reply.Checkpoints = report.OK(), report.Entries, report.Root.String(), report.Damaged, uint64(len(said))
	return n.findings(ctx, reply, report, said)
}

// testify adds what a trust's copy has. None of a log is no testimony.
func testify(said []testified, by string, w witness) []testified {
	if w.Size == 0 {
		return said
	}
	if i := slices.IndexFunc(said, func(s testified) bool { return s.witness == w }); i >= 0 {
		said[i].by = append(said[i].by, by)
		return said
	}
	return append(said, testified{w, []string{by}})
}

// findings says in words what is wrong, with the entries that it is about, and what to do.
func (n *Node) findings(ctx context.Context, reply *admin.VerifyAuditReply, report audit.Report, said []testified) error {
	find := func(format string, args ...any) {
		reply.Findings = append(reply.Findings, fmt.Sprintf(format, args...))
	}
	if report.Faults > 0 {
		find("%d entries are missing or altered, the first of them entry %d", report.Faults, report.Damaged[0])
		reply.Next = fmt.Sprintf("Stop the node; 'ridgeway repair --data %s' says what can be saved, and changes nothing before it is told to.", admin.Arg(n.options.Data))
	}
	if !report.HeadHolds {
		find("the log's end is not the one that this node has marked: entries were cut off or put in place of others")
	}
	failed := false
	for _, w := range report.Witnesses {
		if w.Holds {
			continue
		}
		i := slices.IndexFunc(said, func(s testified) bool { return s.witness == witness{Size: w.Size, Root: w.Root} })
		by := strings.Join(said[i].by, ", ") + map[bool]string{true: " have", false: " has"}[len(said[i].by) > 1]
		if failed = true; w.Size > report.Entries {
			find("TRUNCATED: entries %d to %d are missing: the region has witnessed %d, and the log has %d (as %s it)", report.Entries, w.Size-1, w.Size, report.Entries, by)
			continue
		}
		text, err := n.rewritten(ctx, w.Size)
		if err != nil {
			return err
		}
		find("%s (root of the first %d entries, as %s it)", text, w.Size, by)
	}
	if failed || !report.HeadHolds {
		reply.Next = fmt.Sprintf("Keep this folder as it is and tell your information governance lead: it is evidence. What the region has witnessed is shown at any trust by "+
			"'ridgeway audit root --trust %s'. If an older copy was put in place, stop the node and put the newest back; 'ridgeway audit accept' only if there is none.", n.Trust())
	}
	return nil
}

// rewritten says between which of the region's checkpoints the log has left what was witnessed.
func (n *Node) rewritten(ctx context.Context, size uint64) (string, error) {
	var last, first *index.Checkpoint
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		last, first, err = index.CheckpointBounds(r, n.Trust(), n.ID(), func(c index.Checkpoint) (bool, error) {
			why, err := n.compareAudit(witness{Size: c.Size, Root: c.Root})
			return why == "", err
		})
		return err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("look for where the audit log was changed: %w", err)
	case first == nil:
		return fmt.Sprintf("REWRITTEN: the first %d entries are not those that the region has witnessed, although this node's own copy of the checkpoints fits them", size), nil
	case last == nil:
		return fmt.Sprintf("SWAPPED OR REWRITTEN from the start: not even the first checkpoint holds, of entries 0 to %d", first.Size-1), nil
	default:
		return fmt.Sprintf("REWRITTEN: the entries up to %d are those that the region has witnessed; the first that was changed is among entries %d to %d", last.Size-1, last.Size, first.Size-1), nil
	}
}

// witnessedHere returns the last checkpoint of a node's audit log in this node's copy of the agreed state; zero when there is
// none.
func (n *Node) witnessedHere(ctx context.Context, id federation.NodeID) (witness, error) {
	c, err := n.checkpointOf(ctx, id)
	return witness{Size: c.Size, Root: c.Root}, err
}

func (n *Node) checkpointOf(ctx context.Context, id federation.NodeID) (c index.Checkpoint, err error) {
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		c, _, err = index.CheckpointOf(r, id)
		return err
	})
	return c, err
}

// askWitnesses asks all other active trusts for what they have of this node's log.
func (n *Node) askWitnesses(ctx context.Context, said []testified) ([]*admin.ReportSite, []testified) {
	var sites []*admin.ReportSite
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, t := range n.ledger.Roster().Trusts() {
		if t.ID == n.Trust() || t.Standing != federation.Active {
			continue
		}
		site := &admin.ReportSite{Trust: string(t.ID), Name: t.Name}
		sites = append(sites, site)
		wg.Go(func() {
			w, err := n.askWitness(ctx, t)
			if err != nil {
				site.Problem = hearProblem(err)
				return
			}
			site.Answered, site.Entries = true, w.Size
			mu.Lock()
			defer mu.Unlock()
			said = testify(said, string(t.ID), w)
		})
	}
	wg.Wait()
	for _, s := range said {
		slices.Sort(s.by)
	}
	return sites, said
}

package tour

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
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

// report gives the patient every access to their documents, from all trusts.
func (t *Tour) report(ctx context.Context) (string, error) {
	n, err := t.node(t.desk)
	if err != nil {
		return "", err
	}
	started := time.Now()
	var r *admin.ReportReply
	if err := testnet.WaitFor(ctx, "every trust to answer for the report", func(ctx context.Context) (err error) {
		r, err = n.Report(ctx, &admin.ReportRequest{Patient: t.focus.NHSNumber, Asker: &admin.Asker{User: officer, Role: "privacy-officer", Purpose: "PATRQT"}})
		if err == nil && !r.GetComplete() {
			err = errors.New("not every trust has answered")
		}
		return err
	}); err != nil {
		return "", err
	}
	read, refused, emergencies := 0, 0, 0
	for _, x := range r.GetAccesses() {
		switch {
		case x.GetBreakGlass():
			emergencies++
		case x.GetOutcome() == "PERMIT":
			read++
		default:
			refused++
		}
	}
	if read == 0 || refused == 0 || emergencies == 0 || len(r.GetDirectives()) == 0 {
		return "", fmt.Errorf("the report has %d reads, %d refusals, %d emergencies and %d wishes, and there were some of each", read, refused, emergencies, len(r.GetDirectives()))
	}
	return fmt.Sprintf("Who looked, who read, who was refused, from where and why: %d times somebody was let in, %d times refused, and the emergency is marked as one. "+
		"The patient's own wishes are in it too, %s. All %d trusts answered, in %s; had one not, the report would name it. Making it is an entry of the log as well.",
		read+emergencies, refused, count(len(r.GetDirectives()), "entry", "entries"), len(r.GetSites()), took(time.Since(started))), nil
}

// proof exports the entries about the case note, and checks them without asking any node.
func (t *Tour) proof(ctx context.Context) (string, error) {
	n, err := t.node(t.note.trust)
	if err != nil {
		return "", err
	}
	head, lines, err := t.exported(ctx, n)
	if err != nil {
		return "", err
	}
	proven, forged := 0, 0
	for _, line := range lines[1:] {
		_, ok, err := node.ProveLine(head, line)
		if err != nil {
			return "", err
		}
		if !ok {
			continue // newer than what the region has witnessed
		}
		proven++
		forgery := bytes.Replace(line, []byte(t.reader), []byte(t.desk), 1)
		if _, ok, err := node.ProveLine(head, forgery); !bytes.Equal(forgery, line) && (err == nil || ok) {
			return "", errors.New("an entry in which another trust was put passed for proven")
		} else if !bytes.Equal(forgery, line) {
			forged++
		}
	}
	if proven == 0 || forged == 0 {
		return "", fmt.Errorf("%d entries proven, %d forgeries tried", proven, forged)
	}
	return fmt.Sprintf("%s exported its %d entries about the case note as FHIR AuditEvents. Each of %d carries a proof that leads to a fingerprint which all trusts hold, and anybody can check it without this program. "+
		"Another trust's code was put into %d of them: every one was found out.", t.name(t.note.trust), len(lines)-1, proven, forged), nil
}

// exported returns the entries about the case note, once the region has witnessed one that is about the reader: that is done every
// ten seconds, and a short tour may be quicker.
func (t *Tour) exported(ctx context.Context, n *node.Node) (node.ExportHead, [][]byte, error) {
	for {
		var lines [][]byte
		err := n.ExportAudit(ctx, &admin.ExportAuditRequest{Filter: &admin.AuditFilter{Document: string(t.note.id)}, Asker: lead(officer), Proofs: true}, func(line []byte) error {
			lines = append(lines, bytes.Clone(line))
			return nil
		})
		if err != nil {
			return node.ExportHead{}, nil, err
		}
		if len(lines) < 2 {
			return node.ExportHead{}, nil, errors.New("there is nothing to prove")
		}
		head, err := node.ParseExportHead(lines[0])
		if err != nil {
			return head, nil, err
		}
		if ok, err := names(lines[1:], string(t.reader), func(line []byte) (bool, error) {
			_, ok, err := node.ProveLine(head, line)
			return ok, err
		}); err != nil || ok {
			return head, lines, err
		}
		if err := t.region.WitnessedBeyond(ctx, t.note.trust, head.Size); err != nil {
			return head, nil, err
		}
	}
}

// names reports whether one of the lines that are proven names a trust. They are witnessed from the first one on.
func names(lines [][]byte, trust string, proven func([]byte) (bool, error)) (bool, error) {
	for _, line := range lines {
		if ok, err := proven(line); err != nil || !ok {
			return false, err
		}
		if bytes.Contains(line, []byte(trust)) {
			return true, nil
		}
	}
	return false, nil
}

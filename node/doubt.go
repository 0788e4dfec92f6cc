package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// Settings of the record store.
const (
	settingDoubt    = "doubt"            // why releases are stopped; absent while they are not
	settingAccepted = "accepted witness" // the checkpoint that the operator has given up
)

// doubt is why this node's folder is not what the region knows of it: it was restored from an older copy, or cut. What is
// released on it might rest on a patient's objection that is lost here, and its evidence would be believed by nobody; so
// nothing is released to other trusts until the operator has acted. It outlasts the process.
type doubt struct {
	Why   []string
	Since time.Time
}

func (d *doubt) text() string { return strings.Join(d.Why, "; ") }

// fewerHere begins what is said of a log that is shorter than a checkpoint of it.
const fewerHere = "the audit log has fewer entries here than the "

// witness is a checkpoint of this node's audit log that the region has agreed on.
type witness struct {
	Size uint64
	Root federation.Digest
}

// loadDoubt reads what an earlier run has found.
func (n *Node) loadDoubt(ctx context.Context) error {
	for name, to := range map[string]any{settingDoubt: &n.doubted, settingAccepted: &n.accepted} {
		b, found, err := n.records.Setting(ctx, name)
		if err != nil {
			return n.storeOpenProblem("record store", err)
		}
		if !found {
			continue
		}
		if err := json.Unmarshal(b, to); err != nil {
			return n.storeOpenProblem("record store", fmt.Errorf("setting %q: %w", name, errors.Join(err, storage.ErrIntegrity)))
		}
	}
	return nil
}

// doubtNow returns why releases are stopped; nil while they are not.
func (n *Node) doubtNow() *doubt {
	n.doubtMu.Lock()
	defer n.doubtMu.Unlock()
	return n.doubted
}

// addDoubt stops releases, at once and for later runs too. What was found before is not said twice.
func (n *Node) addDoubt(ctx context.Context, why string) error {
	return n.doubtUnless(ctx, why, func() bool { return false })
}

// doubtUnless is addDoubt unless known, which is asked and may mark what is found under doubtMu: whoever sees the mark sees that
// releases are stopped.
func (n *Node) doubtUnless(ctx context.Context, why string, known func() bool) error {
	n.doubtMu.Lock()
	if known() || n.doubted != nil && slices.Contains(n.doubted.Why, why) {
		n.doubtMu.Unlock()
		return nil
	}
	d := doubt{Since: time.Now().UTC()}
	if n.doubted != nil {
		d = doubt{Why: slices.Clone(n.doubted.Why), Since: n.doubted.Since}
	}
	if strings.HasPrefix(why, fewerHere) { // the newest checkpoint says what those before it said
		d.Why = slices.DeleteFunc(d.Why, func(s string) bool { return strings.HasPrefix(s, fewerHere) })
	}
	d.Why = append(d.Why, why)
	n.doubted = &d
	n.doubtMu.Unlock()
	n.logger.Error("releases to other trusts are stopped until an operator acts: run 'ridgeway status'", slog.String("why", why))
	if c := n.custodian.Load(); c != nil {
		c.RulesChanged()
	}
	n.keepDoubt.Lock()
	defer n.keepDoubt.Unlock()
	now := n.doubtNow()
	if now == nil { // accepted meanwhile
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := n.records.SetSetting(context.WithoutCancel(ctx), settingDoubt, b); err != nil {
		return fmt.Errorf("keep why releases are stopped: %w", err)
	}
	return nil
}

// foundBehind is told that the region has heard more of this trust than this node has said.
func (n *Node) foundBehind(ctx context.Context, said, heard uint64) error {
	why := fmt.Sprintf("the region has heard %d statements of this trust, and this folder knows of %d", heard, said)
	return n.doubtUnless(ctx, why, func() bool {
		known := n.behind
		n.behind = true
		return known
	})
}

// checkFolder compares this node's own folder with what a copy of the agreed state knows of it, and stops releases where they
// differ. It is cheap while the region has agreed on nothing new: it is asked before every release, on the very copy that
// the release is decided on.
func (n *Node) checkFolder(ctx context.Context, r index.Reader) error {
	heard, _, err := index.Head(r, n.Trust())
	if err != nil {
		return err
	}
	if said := n.speaker.spoken.Load(); said != 0 && heard > said {
		if err := n.foundBehind(ctx, said, heard); err != nil {
			return err
		}
	}
	c, found, err := index.CheckpointOf(r, n.ID())
	if err != nil || !found {
		return err
	}
	at := witness{Size: c.Size, Root: c.Root}
	n.doubtMu.Lock()
	known := at == n.checked || at == n.accepted
	n.doubtMu.Unlock()
	if known {
		return nil
	}
	why, err := n.compareAudit(at)
	if err != nil {
		return err
	}
	return n.doubtUnless(ctx, why, func() bool {
		known := why == "" || at == n.checked // found by another release meanwhile
		if at.Size >= n.checked.Size {        // the other may have looked at a newer copy
			n.checked = at
		}
		return known
	})
}

// compareFolder is checkFolder on a copy of the agreed state that is as fresh as c says. What keeps it from comparing is logged, unless
// ctx has ended: who asks is told what is known.
func (n *Node) compareFolder(ctx context.Context, c consensus.Consistency) {
	err := n.replica.View(ctx, c, func(r consensus.Reader) error { return n.checkFolder(ctx, r) })
	if err != nil && ctx.Err() == nil {
		n.logger.Warn("this folder cannot be compared with what the region knows of it", slog.Any("error", err))
	}
}

// compareAudit says how the audit log differs from a checkpoint of it; empty when it does not. The last entry's proof of
// inclusion holds for one root only, so that the rest need not be read.
func (n *Node) compareAudit(at witness) (string, error) {
	if at.Size == 0 {
		return "", nil
	}
	if n.audit.Size() < at.Size {
		return fmt.Sprintf(fewerHere+"%d that the region has agreed on", at.Size), nil
	}
	proof, err := n.audit.Inclusion(at.Size-1, at.Size)
	switch {
	case errors.Is(err, storage.ErrIntegrity):
		return fmt.Sprintf("the audit log is damaged before entry %d", at.Size), nil
	case err != nil:
		return "", fmt.Errorf("compare the audit log with the region's checkpoint: %w", err)
	}
	if same := proof.Check(at.Root) == nil; !same {
		return fmt.Sprintf("the first %d entries of the audit log are not those that the region has agreed on", at.Size), nil
	}
	return "", nil
}

// mayRelease fails with exchange.ErrStopped while releases to other trusts are stopped. It is asked within the copy of
// the agreed state that a release is decided on.
func (n *Node) mayRelease(ctx context.Context, r index.Reader) error {
	if err := n.checkFolder(ctx, r); err != nil {
		return fmt.Errorf("compare this folder with the region: %w: %w", exchange.ErrUnavailable, err)
	}
	if d := n.doubtNow(); d != nil {
		return fmt.Errorf("%s: %w", d.text(), exchange.ErrStopped)
	}
	return nil
}

// AcceptAudit lets releases go on although the folder is older than what the region knows of it. What is lost stays lost: the
// operator answers for it, with a reason that the audit log keeps.
func (n *Node) AcceptAudit(ctx context.Context, q *admin.AcceptAuditRequest) (*admin.AcceptAuditReply, error) {
	reason := strings.TrimSpace(q.GetReason())
	if reason == "" || len(reason) > 512 {
		return nil, admin.Errorf(admin.CodeBadInput, "--reason: say in at most 512 bytes what has happened; the audit log keeps it")
	}
	d := n.doubtNow()
	if d == nil {
		return nil, admin.Errorf(admin.CodeBadInput, "there is nothing to accept: releases are not stopped")
	}
	var heard uint64
	var at witness
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		c, _, err := index.CheckpointOf(r, n.ID())
		if err != nil {
			return err
		}
		at = witness{Size: c.Size, Root: c.Root}
		heard, _, err = index.Head(r, n.Trust())
		return err
	})
	if err != nil {
		return nil, err
	}
	why, err := n.compareAudit(at)
	if err != nil {
		return nil, err
	}
	if err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Security, Trust: n.Trust(), Node: n.ID(), Detail: clipText("releases go on although "+d.text()+"; accepted: "+reason, audit.MaxDetail)}); err != nil {
		return nil, err
	}
	if why != "" {
		b, err := json.Marshal(at)
		if err != nil {
			return nil, err
		}
		if err := n.records.SetSetting(ctx, settingAccepted, b); err != nil {
			return nil, n.storeProblem(err)
		}
	}
	if n.speaker.spoken.Load() < heard {
		if err := n.speaker.reserveAt(ctx, heard); err != nil {
			return nil, n.storeProblem(err)
		}
		n.speaker.raise(heard)
	}
	n.keepDoubt.Lock()
	defer n.keepDoubt.Unlock()
	n.doubtMu.Lock()
	same := n.doubted == d
	if same {
		n.doubted, n.behind = nil, false
		if why != "" {
			n.accepted = at
		}
	}
	n.doubtMu.Unlock()
	if !same {
		return nil, admin.Errorf(admin.CodeUnavailable, "more was found meanwhile, and releases are still stopped: look at 'ridgeway status --data %s' and accept that, or not", admin.Arg(n.options.Data))
	}
	if err := n.records.DeleteSetting(ctx, settingDoubt); err != nil {
		return nil, n.storeProblem(err)
	}
	n.logger.Warn("releases go on: the operator has accepted what was found", slog.String("found", d.text()))
	return &admin.AcceptAuditReply{}, nil
}

// unwitnessed reports whether the operator has given up the region's checkpoint of this node's audit log: the region proves
// each checkpoint against the one before, so that it takes no more of them.
func (n *Node) unwitnessed() bool {
	n.doubtMu.Lock()
	defer n.doubtMu.Unlock()
	return n.accepted.Size > 0
}

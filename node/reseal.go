package node

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// settingSealed names the digest of the settings under which everything that must be sealed is known to be.
	settingSealed = "sealed kinds"
	resealUser    = "system"
	resealPause   = 5 * time.Second
)

// checkKinds names the codes of settings that no document can have: what they were meant to seal, or to keep from all, would go out open.
func (s Settings) checkKinds() []string {
	var wrong []string
	for _, kinds := range []struct {
		key   string
		types []string
	}{{"sealed_types", s.SealedTypes}, {"legal_types", slices.Sorted(maps.Keys(s.LegalTypes))}} {
		for _, t := range kinds.types {
			if err := ingest.CheckCode(t); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: %v", kinds.key, err))
			}
		}
	}
	for _, code := range s.SealedSpecialties {
		if code == "" || len(code) > federation.MaxCode || code != strings.TrimSpace(code) || federation.LineFault(code, federation.MaxCode) != "" {
			wrong = append(wrong, fmt.Sprintf("sealed_specialties: %q is no code: give it as documents have it, such as \"360\"", code))
		}
	}
	return wrong
}

// reseal finds what was published before sealed_types, sealed_specialties or legal_types were set as they are, and has it published
// sealed, or withdrawn. It only ever takes away: what settings no longer seal stays sealed until somebody says 'ridgeway label
// --reseal', because settings can be lost by mistake.
func (n *Node) reseal(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := n.resealAll(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			n.logger.Warn("documents of sealed kinds cannot be looked for; it is tried again", slog.Any("error", err))
		}
		timer.Reset(resealPause)
	}
}

// sealedKinds is a digest of what settings seal and bar; it is zero when that is nothing.
func (n *Node) sealedKinds() federation.Digest {
	s := n.options.Settings
	if len(s.SealedTypes)+len(s.SealedSpecialties)+len(s.LegalTypes) == 0 {
		return federation.Digest{}
	}
	legal := make([]string, 0, len(s.LegalTypes))
	for _, t := range slices.Sorted(maps.Keys(s.LegalTypes)) {
		legal = append(legal, t+"="+s.LegalTypes[t])
	}
	return federation.Sum(fmt.Appendf(nil, "%q %q %q", slices.Sorted(slices.Values(s.SealedTypes)), slices.Sorted(slices.Values(s.SealedSpecialties)), legal))
}

func (n *Node) resealAll(ctx context.Context) error {
	kinds := n.sealedKinds()
	before, found, err := n.records.Setting(ctx, settingSealed)
	switch {
	case err != nil:
		return err
	case found && string(before) == string(kinds[:]), !found && kinds.IsZero():
		return nil
	}
	if !kinds.IsZero() {
		n.resealed.Store(-1)
		count := int64(0)
		for _, phase := range []record.Phase{record.Queued, record.Published} { // what is barred goes from the second to the first
			if err := n.resealPhase(ctx, phase, &count); err != nil {
				return err
			}
		}
		n.resealed.Store(count)
		n.logger.Info("looked for documents of sealed kinds", slog.Int64("published_anew", count))
	}
	// Written last: what is cut off begins again, and passes over what is done.
	return n.records.SetSetting(ctx, settingSealed, kinds[:])
}

func (n *Node) resealPhase(ctx context.Context, phase record.Phase, count *int64) error {
	for after := federation.DocumentID(""); ; {
		docs, next, err := n.records.ByPhase(ctx, phase, after, labelPage)
		if err != nil {
			return err
		}
		for i := range docs {
			exposed, err := n.exposed(ctx, &docs[i])
			if err != nil {
				return err
			}
			if !exposed {
				continue
			}
			marks := marksOf(&docs[i])
			err = n.relabel(ctx, relabelling{id: docs[i].ID, subject: docs[i].Subject, was: marks, will: marks}, &admin.Asker{User: resealUser, Role: "system"}, "published anew: the kinds that are sealed were changed in "+ConfigFile)
			if err != nil {
				return err
			}
			*count++
			signal(n.speaker.wake)
		}
		if after = next; after == "" {
			return nil
		}
	}
}

// exposed reports whether the region has, or is about to have, more of a document than it may.
func (n *Node) exposed(ctx context.Context, d *record.Document) (bool, error) {
	switch {
	case d.Subject.IsZero(), d.Legal == "" && !d.Sealed():
		return false, nil // one that is damaged can be neither published nor released
	case d.State.Pending():
		return true, nil // what was signed before is on its way as it was
	}
	var clear, known bool
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		p, withdrawn, found, err := index.Pointer(r, d.ID)
		known = found && !withdrawn
		clear = known && !p.Sealed()
		return err
	})
	if d.Legal != "" {
		return known || d.State.Phase == record.Published, err
	}
	return clear, err
}

// resealText says that documents are published anew; it is empty when nothing of the kind goes on.
func (n *Node) resealText() string {
	switch count := n.resealed.Load(); {
	case count < 0:
		return "documents of the kinds that " + ConfigFile + " seals or bars are looked for, and published anew where the region has more of them than it may"
	case count > 0:
		return fmt.Sprintf("the kinds that are sealed or barred were changed in %s: %d documents that were published before are published anew, or withdrawn, since this node started. What is no longer sealed stays so until 'ridgeway label --reseal'", ConfigFile, count)
	default:
		return ""
	}
}

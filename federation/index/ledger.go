package index

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Config is what a Ledger tells others. The hooks are called from Applied, after the state has the change, one at a time and
// in its order. They must be quick and must not call the Ledger's Machine methods. Each may be nil.
type Config struct {
	Logger       *slog.Logger                 // required
	Region       federation.Digest            // the only region whose charter counts; zero: whichever comes first
	OnRoster     func(*federation.Roster)     // the roster changed
	OnDirective  func(federation.Subject)     // what a patient has said changed; once for each subject of the patient
	OnRecorded   func(federation.DirectiveID) // a directive, or the withdrawal of one, was recorded
	OnAgreement  func(federation.TrustID)     // a trust set its rules
	OnBreakGlass func(BreakGlass)             // an emergency access was recorded
	OnRestore    func(root federation.Digest) // a snapshot took the state's place: every copy of anything is stale
}

// Ledger gives the region's commands their meaning. It implements consensus.Machine; those methods are called by consensus,
// one at a time. Roster, Load, Vet and Prepare are safe for concurrent use.
type Ledger struct {
	cfg   Config
	live  applier
	ahead aheads

	roster atomic.Pointer[federation.Roster]

	mu       sync.Mutex
	latest   uint64    // index of the change that made roster
	pending  []event   // applied, not yet told of
	restored *restored // a snapshot that Restore took, until it is in service
}

var (
	_ consensus.Machine      = (*Ledger)(nil)
	_ consensus.ScanPrefixer = (*Ledger)(nil)
)

// ScanPrefixes returns how long the beginnings are that the rows of one patient share.
func (l *Ledger) ScanPrefixes() map[byte]uint8 {
	const subject = 1 + uint8(len(federation.Subject{}))
	return map[byte]uint8{rowPointer: subject, rowDirective: subject, rowLink: subject, rowBreakGlass: subject}
}

type event struct {
	index uint64
	change
}

// restored is what a snapshot's state holds.
type restored struct {
	index       uint64
	root        federation.Digest
	roster      *federation.Roster
	rosterIndex uint64
}

// New returns the ledger of an empty state. It fails with ErrConfig.
func New(cfg Config) (*Ledger, error) {
	if cfg.Logger == nil {
		return nil, fmt.Errorf("logger is missing: %w", ErrConfig)
	}
	l := &Ledger{cfg: cfg}
	l.roster.Store(federation.NewRoster(federation.Charter{}, federation.Digest{}, nil))
	return l, nil
}

// Roster returns the roster as of the last command that Applied told of. It is immutable and never nil; before there is a
// charter it is empty.
func (l *Ledger) Roster() *federation.Roster { return l.roster.Load() }

// Load takes the roster from a state that was there before this Ledger, and calls OnRoster. Call it once a replica is open; a
// roster that is newer already stays. It fails with ErrCorrupt and ErrRegion.
func (l *Ledger) Load(r Reader) error {
	m, err := readMeta(r)
	if err != nil {
		return err
	}
	if m.rosterIndex == 0 {
		return nil
	}
	roster, err := readRoster(r)
	if err != nil {
		return err
	}
	if err := l.ours(roster); err != nil {
		return err
	}
	l.publish(roster, m.rosterIndex)
	return nil
}

// publish puts a roster into service unless a later one is.
func (l *Ledger) publish(roster *federation.Roster, index uint64) {
	l.mu.Lock()
	newer := index >= l.latest
	if newer {
		l.latest = index
		l.roster.Store(roster)
	}
	l.mu.Unlock()
	if !newer {
		return
	}
	l.cfg.Logger.Info("roster changed", slog.String("region", roster.Region), slog.Uint64("index", index), slog.Int("trusts", len(roster.Trusts())))
	if l.cfg.OnRoster != nil {
		l.cfg.OnRoster(roster)
	}
}

// Apply carries out one command and returns an encoded Response. It fails, which stops the replica, with
//
//  1. ErrUnknownStatement when an active trust signed a statement that this program is too old for,
//  2. ErrCorrupt when a row cannot be read or contradicts another,
//  3. ErrOrder when index is not above that of the last command that wrote,
//  4. ErrRegion when the command founds another region than Config.Region: who orders commands is not to be trusted,
//
// and with what tx fails with. cmd is not kept.
func (l *Ledger) Apply(tx *consensus.Tx, index uint64, cmd []byte) ([]byte, error) {
	response, err := l.apply(tx, index, cmd)
	if err != nil {
		return nil, err
	}
	return EncodeResponse(response), nil
}

func (l *Ledger) apply(tx txn, index uint64, cmd []byte) (Response, error) {
	if err := l.forget(tx); err != nil {
		return Response{}, err
	}
	p := l.ahead.take(cmd, l.Roster())
	response, ch, err := l.live.apply(tx, index, p)
	if err != nil {
		return Response{}, err
	}
	if err := l.ours(ch.roster); err != nil {
		return Response{}, err
	}
	if response.Outcome == Refused {
		l.cfg.Logger.Debug("statement refused", slog.Uint64("index", index), slog.String("code", response.Code.String()),
			slog.String("trust", string(p.statement.Trust)), slog.Uint64("seq", p.statement.Seq))
	}
	if ch.roster != nil || len(ch.directives) > 0 || ch.agreement != "" || ch.breakGlass != nil {
		l.mu.Lock()
		l.pending = append(l.pending, event{index: index, change: ch})
		l.mu.Unlock()
	}
	return response, nil
}

// ours fails with ErrRegion for the roster of another region.
func (l *Ledger) ours(roster *federation.Roster) error {
	if roster == nil || l.cfg.Region.IsZero() || roster.RegionID == l.cfg.Region {
		return nil
	}
	return fmt.Errorf("region %s in place of %s: %w", roster.RegionID, l.cfg.Region, ErrRegion)
}

// forget drops a snapshot that was verified but not put into service: a state at its index or later, of which Applied did not
// tell, came about by commands.
func (l *Ledger) forget(r Reader) error {
	l.mu.Lock()
	waiting := l.restored
	l.mu.Unlock()
	if waiting == nil {
		return nil
	}
	m, err := readMeta(r)
	if err != nil {
		return err
	}
	l.mu.Lock()
	if l.restored == waiting && m.index >= waiting.index {
		l.restored = nil
	}
	l.mu.Unlock()
	return nil
}

// Applied tells the hooks of everything up to index that they were not told of.
func (l *Ledger) Applied(index uint64) {
	l.mu.Lock()
	n := 0
	for n < len(l.pending) && l.pending[n].index <= index {
		n++
	}
	events := l.pending[:n:n]
	l.pending = l.pending[n:]
	// A snapshot is received while commands before it are still applied: it waits for its own index.
	var snapshot *restored
	if l.restored != nil && l.restored.index <= index {
		snapshot, l.restored = l.restored, nil
	}
	l.mu.Unlock()
	if snapshot != nil {
		l.publish(snapshot.roster, snapshot.rosterIndex)
		if l.cfg.OnRestore != nil {
			l.cfg.OnRestore(snapshot.root)
		}
	}
	for _, e := range events {
		l.tell(e)
	}
}

func (l *Ledger) tell(e event) {
	if e.roster != nil {
		l.publish(e.roster, e.index)
	}
	if l.cfg.OnDirective != nil {
		for _, s := range e.directives {
			l.cfg.OnDirective(s)
		}
	}
	if l.cfg.OnRecorded != nil && e.recorded != (federation.DirectiveID{}) {
		l.cfg.OnRecorded(e.recorded)
	}
	if l.cfg.OnAgreement != nil && e.agreement != "" {
		l.cfg.OnAgreement(e.agreement)
	}
	if l.cfg.OnBreakGlass != nil && e.breakGlass != nil {
		l.cfg.OnBreakGlass(*e.breakGlass)
	}
}

// SnapshotSize returns the exact number of bytes that Snapshot writes, from totals that the state keeps.
func (l *Ledger) SnapshotSize(r consensus.Reader) (int64, error) { return snapshotSize(r) }

// Snapshot writes every envelope and every kept refusal. The form stands with writeSnapshot.
func (l *Ledger) Snapshot(r consensus.Reader, w io.Writer) error { return writeSnapshot(r, w) }

// Restore fills an empty store by applying every envelope of a snapshot with all checks. It fails with ErrNotEmpty, with
// ErrSnapshot when any check fails, with ErrRegion when it is of another region, with ErrUnknownStatement when this program is too old for it, and with what src or store
// fail with. The Ledger itself takes the new state up when Applied is called.
func (l *Ledger) Restore(src io.Reader, store consensus.Store) error {
	m, roster, err := restore(src, store)
	if err != nil {
		return err
	}
	if err := l.ours(roster); err != nil {
		return fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	l.cfg.Logger.Info("snapshot verified", slog.Uint64("index", m.index), slog.Uint64("statements", m.statements))
	l.mu.Lock()
	l.restored = &restored{index: m.index, root: m.root(), roster: roster, rosterIndex: m.rosterIndex}
	l.mu.Unlock()
	return nil
}

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// A StoreDamage is what is damaged in one of a node's stores.
type StoreDamage struct {
	Store    string   // "audit log", "documents" or "records"
	Places   []string // in its files
	Findings []string // what that means; never patient data
	Lost     bool     // something is lost for good, or would be
}

// A RepairReport is what Repair has found, and done.
type RepairReport struct {
	Stores    []StoreDamage           // the damaged ones
	Documents []federation.DocumentID // that the damage touches, as far as it can be told; taking them in again heals them
	Changed   bool                    // the stores were made usable again
}

// Damaged reports whether anything is.
func (r RepairReport) Damaged() bool { return len(r.Stores) > 0 }

// Lost reports whether anything is lost, or would be.
func (r RepairReport) Lost() bool {
	return len(r.Documents) > 0 || slices.ContainsFunc(r.Stores, func(s StoreDamage) bool { return s.Lost })
}

// Repair looks for damage in the stores of a data folder whose node does not run, and says which documents it touches. With
// apply it makes them usable again, giving up what cannot be saved; otherwise it changes nothing. The errors are *admin.Error.
func Repair(ctx context.Context, data string, settings Settings, apply bool) (RepairReport, error) {
	if err := present(data); err != nil {
		return RepairReport{}, err
	}
	master, err := settings.masterKey(ctx, data, false)
	if err != nil {
		return RepairReport{}, err
	}
	f, err := storage.OpenFolder(data, "", master)
	if err != nil {
		return RepairReport{}, folderProblem(data, err)
	}
	w := workshop{data: data, folder: f, apply: apply, touched: map[federation.DocumentID]bool{}}
	err = errors.Join(w.run(ctx), f.Close())
	for id := range w.touched {
		w.report.Documents = append(w.report.Documents, id)
	}
	slices.Sort(w.report.Documents)
	return w.report, err
}

// A workshop is a repair under way.
type workshop struct {
	data    string
	folder  *storage.Folder
	apply   bool
	report  RepairReport
	touched map[federation.DocumentID]bool

	audit   audit.Options
	blobs   blob.Options
	records record.Options
}

func (w *workshop) run(ctx context.Context) error {
	k, err := loadKeys(w.folder)
	if err != nil {
		return folderProblem(w.data, err)
	}
	m, err := loadMembership(w.folder)
	if err != nil {
		return err
	}
	w.audit = audit.Options{Dir: w.folder.Path("audit"), Sealer: w.folder.Sealer("audit"), Key: k.audit}
	w.blobs = blob.Options{Dir: w.folder.Path("chunks"), Sealer: w.folder.Sealer("chunks")}
	w.records = recordOptions(w.folder, m, k)
	for _, step := range []func(context.Context) error{w.mendRecords, w.mendBlobs, w.mendAudit} {
		if err := step(ctx); err != nil {
			return w.problem(err)
		}
	}
	w.report.Changed = w.apply && w.report.Damaged()
	return nil
}

func (w *workshop) problem(err error) error {
	if admin.CodeOf(err) != admin.CodeInternal {
		return err
	}
	if errors.Is(err, storage.ErrDamaged) || errors.Is(err, storage.ErrIntegrity) || errors.Is(err, audit.ErrRolledBack) {
		return admin.Errorf(admin.CodeIntegrity, "%s: %v.\nThis cannot be repaired: restore the folder from a backup. Keep this one, what is left in it can be evidence", w.data, err)
	}
	return folderProblem(w.data, err)
}

func (w *workshop) touch(ids []federation.DocumentID) {
	for _, id := range ids {
		w.touched[id] = true
	}
}

// found notes damage, if there is any.
func (w *workshop) found(store string, damage []storage.Damage) *StoreDamage {
	s := StoreDamage{Store: store}
	for _, d := range damage {
		s.Places = append(s.Places, d.String())
	}
	w.report.Stores = append(w.report.Stores, s)
	return &w.report.Stores[len(w.report.Stores)-1]
}

func (s *StoreDamage) say(lost bool, format string, args ...any) {
	s.Findings = append(s.Findings, fmt.Sprintf(format, args...))
	s.Lost = s.Lost || lost
}

// openRecords opens the record store; where nothing may be changed, in the way that leaves its files as they are.
func (w *workshop) openRecords(ctx context.Context) (*record.Store, error) {
	if !w.apply {
		return record.OpenDamaged(w.records)
	}
	return record.Open(ctx, w.records)
}

func (w *workshop) mendRecords(ctx context.Context) error {
	damage, err := record.Assess(w.records)
	if err != nil || len(damage) == 0 {
		return err
	}
	found := w.found("records", damage)
	if w.apply {
		if _, err := record.Repair(w.records); err != nil {
			return err
		}
	}
	records, err := w.openRecords(ctx)
	if err != nil {
		return err
	}
	w.touch(records.Named(damage))
	scrubbed, err := records.Scrub(ctx, nil)
	for _, f := range scrubbed.Faults {
		found.say(true, "%s", f.Reason)
		if f.Document != "" {
			w.touch([]federation.DocumentID{f.Document})
		}
	}
	found.say(true, "rows are lost: take in again what was taken in last. Content whose description is lost is kept until the folder %s is removed", w.folder.Path("records", "damaged"))
	return errors.Join(err, records.Close())
}

func (w *workshop) mendBlobs(ctx context.Context) error {
	damage, err := blob.Assess(w.blobs)
	if err != nil || len(damage) == 0 {
		return err
	}
	found := w.found("documents", damage)
	open := blob.Open
	if w.apply {
		report, err := blob.Repair(ctx, w.blobs)
		if err != nil {
			return err
		}
		if report.Recovered > 0 {
			found.say(false, "%d chunks were found again", report.Recovered)
		}
	} else {
		open = blob.OpenDamaged
	}
	chunks, err := open(w.blobs)
	if err != nil {
		return err
	}
	scrubbed, err := chunks.Scrub(ctx, blob.ScrubOptions{})
	var records *record.Store
	if err == nil {
		records, err = w.openRecords(ctx)
	}
	if err != nil {
		return errors.Join(err, chunks.Close())
	}
	hurt, err := records.Touched(ctx, scrubbed.Damaged)
	missing, merr := records.Missing(ctx, chunks.Has)
	w.touch(hurt)
	w.touch(missing)
	found.say(len(hurt)+len(missing) > 0, "chunks that cannot be read: %d; documents that miss others: %d", len(scrubbed.Damaged), len(missing))
	return errors.Join(err, merr, records.Close(), chunks.Close())
}

func (w *workshop) mendAudit(ctx context.Context) error {
	if _, err := os.Stat(w.audit.Dir); errors.Is(err, os.ErrNotExist) {
		return nil // never served
	}
	damage, err := audit.Assess(w.audit)
	if err != nil {
		return err
	}
	log, err := audit.Examine(w.audit)
	if err != nil {
		return err
	}
	report, err := log.Verify(ctx, nil)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	if len(damage) == 0 && report.OK() {
		return nil
	}
	found := w.found(auditLog, damage)
	switch {
	case report.OK():
		found.say(false, "all %d entries can be read", report.Entries)
	case report.Faults == 0:
		found.say(true, "%d entries can be read, and they do not end as this node's mark says: the last ones were altered or cut, something was put in their place, or the mark is of another node. Tell your information governance lead, and keep the folder %s: it is evidence. What can be proven to be this node's own log is repaired; otherwise put the folder back from the newest copy of this node's own", report.Entries, w.audit.Dir)
	default:
		found.say(true, "of %d entries %d are missing, altered or not found by their patient: tell your information governance lead", report.Entries, report.Faults)
	}
	if !w.apply {
		return nil
	}
	if err := audit.Repair(ctx, w.audit); err != nil {
		return err
	}
	again, err := audit.Open(ctx, w.audit)
	if err != nil {
		return err
	}
	if report, err = again.Verify(ctx, nil); err == nil {
		found.Lost = report.Faults > 0
		found.say(false, "repaired: %d entries, and the log is the one that was marked; %d of them are lost but for their hashes", report.Entries, report.Faults)
	}
	return errors.Join(err, again.Close())
}

package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4/table"
)

// VerifyFiles reads all tables and all ended value log files and returns what does not match its checksum. It reads
// from the files while the DB is in use, and goes on after damage.
func (d *DB) VerifyFiles(ctx context.Context) ([]Damage, error) {
	var found []Damage
	for _, t := range d.bdg.Tables() {
		if err := ctx.Err(); err != nil {
			return found, fmt.Errorf("verify: %w", err)
		}
		path := table.NewFilename(t.ID, d.opt.Dir)
		if err := checkTable(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // merged away meanwhile
			found = append(found, Damage{File: filepath.Base(path), Reason: err.Error()})
		}
	}
	if d.readOnly {
		return found, nil
	}
	sealed := map[uint32]logState{}
	err := d.exclusive(ctx, func() error {
		for fid, state := range d.guard.sealed.files {
			sealed[fid] = state
		}
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("verify: %w", err)
	}
	for fid, want := range sealed {
		if err := ctx.Err(); err != nil {
			return found, fmt.Errorf("verify: %w", err)
		}
		damage, err := verifyLog(d.opt.Dir, logName{'v', fid}, want)
		if errors.Is(err, fs.ErrNotExist) {
			continue // collected meanwhile; one that has gone otherwise is found at the next Open
		}
		if err != nil {
			return found, fmt.Errorf("verify: %w", err)
		}
		found = append(found, damage...)
	}
	return found, nil
}

// verifyLog checks the part of a log that is under the mark.
func verifyLog(dir string, name logName, want logState) ([]Damage, error) {
	f, err := os.Open(filepath.Join(dir, name.String()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	state, err := walkLog(f, logState{}, want.end, func(*logEntry) error { return nil })
	if err != nil {
		return nil, err
	}
	if state == want {
		return nil, nil
	}
	found, _, err := survey(f, name.String(), min(max(state.end, logHeaderSize), want.end), want.end)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		found = []Damage{{File: name.String(), Length: want.end, Reason: "the content is not what was written"}}
	}
	return found, nil
}

// ScanValueLog calls fn with every entry that lies in the value log, oldest first, whether it is in use, replaced or
// deleted. It is for finding values again whose keys were lost. The slices are valid within fn only.
func (d *DB) ScanValueLog(ctx context.Context, fn func(key, value []byte) error) error {
	names, err := listLogs(d.opt.Dir, 'v')
	if err != nil {
		return fmt.Errorf("scan value log: %w", err)
	}
	for _, name := range names {
		if err := d.scanFile(ctx, name, fn); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("scan value log: %w", err)
		}
	}
	return nil
}

func (d *DB) scanFile(ctx context.Context, name logName, fn func(key, value []byte) error) error {
	f, err := os.Open(filepath.Join(d.opt.Dir, name.String()))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = walkLog(f, logState{}, 0, func(e *logEntry) error {
		if e == nil || e.meta&metaDelete != 0 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return fn(slices.Clip(e.userKey()), e.value)
	})
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const opVerify = "verification of an audit log"

// benchVerify checks every entry of a long audit log: opened, hashed, compared with the tree and the patients' lists.
func benchVerify(ctx context.Context, e *env) ([]row, error) {
	dir, err := e.temp("verify")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	n := e.few(1_000_000, 10_000)
	if err := fillLog(ctx, filepath.Join(dir, "log"), n); err != nil {
		return nil, err
	}
	log, err := openLog(ctx, filepath.Join(dir, "log"), nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // only read
	var took series
	for range min(e.runs, 3) {
		began := time.Now()
		report, err := log.Verify(ctx, nil)
		if err == nil && (!report.OK() || report.Entries != uint64(n)) {
			err = fmt.Errorf("%d entries, %d faults", report.Entries, report.Faults)
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	size, err := folderSize(filepath.Join(dir, "log"))
	line := row{Operation: opVerify, Unit: "s"}.compared(took, nil, "", true)
	return []row{line.judged("<= 20 s of 1,000,000 entries", !e.quick && line.Ours <= 20).noted("%s entries, %d B each on disk", thousands(int64(n)), size/int64(n))}, err
}

func openLog(ctx context.Context, dir string, sync func(*os.File) error) (*audit.Log, error) {
	return audit.Open(ctx, audit.Options{Dir: dir, Sealer: storage.NewSealer([32]byte{1}), Key: keyOf("audit"), Sync: sync})
}

// fillLog writes entries as searches and fetches leave them. Only what is read afterwards is measured, so nothing is synced.
func fillLog(ctx context.Context, dir string, n int) error {
	log, err := openLog(ctx, dir, func(*os.File) error { return nil })
	if err != nil {
		return err
	}
	const writers = 64
	err = each(writers, func(w int) error {
		for i := w; i < n; i += writers {
			entry := audit.Entry{
				Time: time.Now().UTC(), Kind: audit.Search, Trust: custodian, User: fmt.Sprintf("dr.example%d", i%100), Role: "clinician", Purpose: "TREAT",
				Subject: subjectOf(i % (n / 20)), Custodian: custodian, Outcome: "PERMIT",
			}
			if i%2 == 1 {
				entry.Kind, entry.Document = audit.Intent, federation.NewDocumentID(custodian, federation.DocumentKey{byte(i), byte(i >> 8), byte(i >> 16)})
				entry.Rules = "region; agreement 1 of RYJ, rule direct-care"
			}
			if _, err := log.Append(ctx, entry); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, log.Close())
}

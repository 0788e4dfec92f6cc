package tour

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// ManifestName is the manifest in the folder of what a trust takes in first.
const ManifestName = "records.csv"

// inventedUntil is after the last day of the invented records: a machine whose clock is behind it takes them in all the same.
func inventedUntil() time.Time { return time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) }

// now is the time by which dates are in the future.
func now() time.Time {
	if t := time.Now(); t.After(inventedUntil()) {
		return t
	}
	return inventedUntil()
}

// inventors is how many documents are drawn at a time.
const inventors = 2

// invent chooses what is taken in, and at which trust: each patient's documents lie at several, and the case note at the first.
func (t *Tour) invent() []held {
	each := (t.o.Documents + t.o.Patients - 1) / t.o.Patients
	var out []held
	for i, p := range t.people {
		n := 0
		for d := range t.source.Documents(p, min(each, t.o.Documents-len(out))) {
			out = append(out, held{trust: t.trusts[(i+n)%len(t.trusts)], patient: p, doc: d, file: d.Name})
			n++
		}
	}
	note := t.source.CaseNote(t.focus, t.o.Pages)
	return append(out, held{trust: t.trusts[0], patient: t.focus, doc: note, file: "long-" + note.Name})
}

// more invents further documents at a trust, of a patient of their own.
func (t *Tour) more(trust federation.TrustID, n int) []held {
	p := t.source.Patients(t.o.Patients + 1)[t.o.Patients]
	var out []held
	for d := range t.source.Documents(p, n) {
		out = append(out, held{trust: trust, patient: p, doc: d, file: d.Name})
	}
	return out
}

// write draws the documents and writes them where their trusts take them in. It returns their bytes in all, and keeps the
// content of the case note.
func (t *Tour) write(ctx context.Context, docs []held) (int, error) {
	todo := make(chan held)
	var mu sync.Mutex
	var total int
	var failed error
	var workers sync.WaitGroup
	for range inventors {
		workers.Go(func() {
			for d := range todo {
				content := d.doc.Bytes()
				err := os.WriteFile(filepath.Join(t.records(d.trust), d.file), content, 0o600)
				mu.Lock()
				total += len(content)
				if failed == nil {
					failed = err
				}
				if d.trust == t.note.trust && d.file == t.note.file {
					t.content = content
				}
				mu.Unlock()
			}
		})
	}
	for i := len(docs) - 1; i >= 0 && ctx.Err() == nil; i-- { // the case note, the longest, first
		todo <- docs[i]
	}
	close(todo)
	workers.Wait()
	if failed == nil {
		failed = ctx.Err()
	}
	return total, failed
}

// prepare writes documents and the manifests that list them, one a trust, and returns the documents' bytes.
func (t *Tour) prepare(ctx context.Context, docs []held, manifest string) (int, error) {
	rows := make(map[federation.TrustID][][]string)
	for _, d := range docs {
		if rows[d.trust] == nil {
			if err := os.MkdirAll(t.records(d.trust), 0o700); err != nil {
				return 0, err
			}
			rows[d.trust] = [][]string{{
				"file", "patient", "type", "title", "date", "category", "specialty", "author", "confidentiality",
				"family_name", "given_name", "birth_date", "sex",
			}}
		}
		rows[d.trust] = append(rows[d.trust], []string{
			d.file, d.patient.NHSNumber, d.doc.Type.Code, d.doc.Title, d.doc.Date.UTC().Format(time.RFC3339), d.doc.Category.Code, d.doc.Specialty.Code, d.doc.Author, d.doc.Confidentiality,
			d.patient.Family, d.patient.Given, d.patient.Born.Format(time.DateOnly), d.patient.Sex,
		})
	}
	for id, table := range rows {
		var text strings.Builder
		w := csv.NewWriter(&text)
		if err := w.WriteAll(table); err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(t.records(id), manifest), []byte(text.String()), 0o600); err != nil {
			return 0, err
		}
	}
	return t.write(ctx, docs)
}

// ingest has a trust take in what a manifest in its folder of records lists, as 'ridgeway ingest' does, and notes the ids.
// progress, which may be nil, is told how many have been acknowledged.
func (t *Tour) ingest(ctx context.Context, id federation.TrustID, manifest string, docs []held, progress func(done int)) (ingest.Report, error) {
	f, err := os.Open(filepath.Join(t.records(id), manifest))
	if err != nil {
		return ingest.Report{}, err
	}
	m, err := ingest.ParseManifest(f)
	_ = f.Close()
	if err != nil {
		return ingest.Report{}, err
	}
	cfg := ingest.Config{Taker: t.region.Taker(id), CheckPatient: node.ReadNHSNumber, Now: now, Workers: inventors}
	if progress != nil {
		cfg.Progress = func(p ingest.Progress) { progress(p.Rows) }
	}
	report, err := ingest.Run(ctx, cfg, t.records(id), m)
	if err != nil {
		return report, fmt.Errorf("%s: %w", t.name(id), err)
	}
	ids := make(map[string]federation.DocumentID)
	for _, r := range report.Results {
		if r.Outcome != ingest.TakenIn && r.Outcome != ingest.AlreadyHeld {
			return report, fmt.Errorf("%s, line %s of %s: %s: %s", t.name(id), strconv.Itoa(r.Line), manifest, r.Outcome, r.Reason)
		}
		ids[r.File] = r.Document
	}
	for i := range docs {
		if docs[i].trust == id {
			docs[i].id = ids[docs[i].file]
		}
	}
	return report, nil
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	defaultWorkers = 64 // a document waits for the disk most of the time, and those that wait together share a sync
	defaultMaxFile = 64 << 30
	heavyFile      = 4 << 20 // bytes above which files are inspected one at a time: pdfcpu holds a PDF in memory
)

// Config is what a run needs. Fields that are not marked may be left zero.
type Config struct {
	Taker        Taker                                   // needed, unless CheckOnly
	CheckPatient func(string) (normal string, err error) // needed: the NHS number in its one form, or why it is none; the error is shown
	Now          func() time.Time                        // needed: dates in the future are refused
	KnownType    func(code string) bool                  // a type that it does not know is only warned of
	Contradicts  Contradiction                           // asked when CheckOnly is set: else the Taker looks itself; may be nil
	CheckOnly    bool                                    // do everything but hand over
	Workers      int                                     // documents at once; 0 is 64
	MaxFileBytes int64                                   // 0 is 64 GiB
	Progress     func(Progress)                          // called after each document, from the goroutine that called Run
}

func (c *Config) validate() error {
	switch {
	case c.Taker == nil && !c.CheckOnly:
		return fmt.Errorf("%w: no taker", ErrConfig)
	case c.CheckPatient == nil:
		return fmt.Errorf("%w: no check of NHS numbers", ErrConfig)
	case c.Now == nil:
		return fmt.Errorf("%w: no clock", ErrConfig)
	case c.Workers < 0 || c.Workers > 256:
		return fmt.Errorf("%w: %d workers", ErrConfig, c.Workers)
	}
	return nil
}

// run is one pass over a manifest.
type run struct {
	Config
	folder *folder
	heavy  chan struct{} // held while a heavy file is inspected
}

// Run takes in the documents that a manifest lists, from the folder with its files, and returns what became of every row.
//
// The error is nil when every row was tried, whatever became of it; ErrStopped with the context's error or the Taker's when the run
// ended early, and then the report says what was done; ErrConfig or an error of the folder when nothing was.
func Run(ctx context.Context, cfg Config, folderName string, m *Manifest) (Report, error) {
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.MaxFileBytes <= 0 {
		cfg.MaxFileBytes = defaultMaxFile
	}
	f, err := openFolder(folderName)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = f.close() }()
	r := &run{Config: cfg, folder: f, heavy: make(chan struct{}, 1)}
	return r.all(ctx, m)
}

// File takes in one file, on the same path as a manifest of one row. Of the row, Line and File are not used.
func File(ctx context.Context, cfg Config, name string, row Row) (Result, error) {
	row.Line, row.File = 0, filepath.Base(name)
	report, err := Run(ctx, cfg, filepath.Dir(name), &Manifest{Rows: []Row{row}})
	if len(report.Results) == 0 {
		return Result{File: row.File, Outcome: NotReached, Code: CodeNotReached}, err
	}
	return report.Results[0], err
}

// done is what a worker reports of one document.
type done struct {
	results []Result
	pages   int
	bytes   int64
	stop    error // the Taker cannot go on
}

// all hands the batches to the workers and gathers what they report. It returns when the last worker has.
func (r *run) all(parent context.Context, m *Manifest) (Report, error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	batches := plan(m)
	todo, finished := make(chan *batch), make(chan done)
	var workers sync.WaitGroup
	for range min(r.Workers, max(len(batches), 1)) {
		workers.Go(func() {
			for b := range todo {
				finished <- r.document(ctx, b)
			}
		})
	}
	go func() { // ends with the batches; the collector below reads until the workers are gone
		for _, b := range batches {
			todo <- b
		}
		close(todo)
		workers.Wait()
		close(finished)
	}()
	report := Report{Results: make([]Result, 0, len(m.Rows))}
	var stop error
	for d := range finished {
		if d.stop != nil && stop == nil {
			stop = d.stop
			cancel()
		}
		report.gather(d)
		if r.Progress != nil {
			r.Progress(Progress{Counts: report.Counts, Total: len(m.Rows)})
		}
	}
	slices.SortStableFunc(report.Results, func(a, b Result) int { return a.Line - b.Line })
	if stop == nil && report.NotReached > 0 {
		stop = parent.Err()
	}
	if stop != nil {
		return report, fmt.Errorf("%w with %d of %d rows not reached: %w", ErrStopped, report.NotReached, len(m.Rows), stop)
	}
	return report, nil
}

func (r *Report) gather(d done) {
	for _, x := range d.results {
		r.add(x)
	}
	if len(d.results) > 0 && (d.results[0].Outcome == TakenIn || d.results[0].Outcome == AlreadyHeld) {
		r.Documents++
	}
	r.Pages += d.pages
	r.Bytes += d.bytes
	r.Results = append(r.Results, d.results...)
}

// document takes one document through all steps. After cancellation it only says that the rows were not reached.
func (r *run) document(ctx context.Context, b *batch) done {
	if err := ctx.Err(); err != nil {
		return notReached(b, "the run was stopped before this row; run it again")
	}
	item, warnings := r.check(b)
	if !b.ok() {
		return refused(b, warnings)
	}
	files := &openFiles{}
	defer files.close()
	r.openParts(ctx, b, &item, files)
	if ctx.Err() != nil {
		return notReached(b, "the run was stopped while this row was being read; run it again")
	}
	if !b.ok() {
		return refused(b, warnings)
	}
	if r.CheckOnly {
		for i := range item.Parts {
			b.problems[i] = r.about(&item, &item.Parts[i])
		}
		if !b.ok() {
			return refused(b, warnings)
		}
		return same(b, Result{Outcome: Checked}, warnings)
	}
	return r.take(ctx, b, item, files, warnings)
}

// check looks at everything that needs no file.
func (r *run) check(b *batch) (item Item, warnings []string) {
	for i, row := range b.rows {
		if b.problems[i] != nil {
			continue
		}
		x, w, problem := r.checkRow(row)
		b.problems[i] = problem
		if i == 0 {
			item, warnings = x, w
		}
	}
	if b.ok() {
		b.agree()
	}
	if b.ok() {
		b.sortParts()
	}
	return item, warnings
}

// take hands the document over and turns the answer into results.
func (r *run) take(ctx context.Context, b *batch, item Item, files *openFiles, warnings []string) done {
	receipt, err := r.Taker.Take(ctx, item)
	var refusal *RefusalError
	if err == nil && receipt.Note != "" {
		warnings = append(warnings, receipt.Note)
	}
	switch {
	case err == nil && receipt.AlreadyHeld:
		return same(b, Result{Outcome: AlreadyHeld, Document: receipt.Document}, warnings)
	case err == nil:
		d := same(b, Result{Outcome: TakenIn, Document: receipt.Document}, warnings)
		for _, p := range item.Parts {
			d.pages += p.Info.Pages
			d.bytes += p.Size
		}
		return d
	case errors.As(err, &refusal):
		code := refusal.Code
		if code == "" {
			code = CodeNode
		}
		return same(b, Result{Outcome: Refused, Code: code, Reason: refusal.Reason}, warnings)
	case ctx.Err() != nil:
		return notReached(b, "the run was stopped while this row was being taken in; run it again")
	}
	for i, w := range files.watched {
		if failure := w.failure(); failure != nil {
			b.problems[i] = refuse(CodeUnreadable, "the file cannot be read: %v", reason(failure))
		}
	}
	if !b.ok() {
		return refused(b, warnings)
	}
	d := notReached(b, "the node cannot take in documents now: "+err.Error())
	d.stop = err
	return d
}

// same gives all rows of a document one result.
func same(b *batch, result Result, warnings []string) done {
	var d done
	for _, row := range b.rows {
		result.Line, result.File, result.Warnings = row.Line, row.File, warnings
		d.results = append(d.results, result)
	}
	return d
}

func notReached(b *batch, why string) done {
	return same(b, Result{Outcome: NotReached, Code: CodeNotReached, Reason: why}, nil)
}

// refused gives each row its own problem, and the others the line of the one that keeps them out.
func refused(b *batch, warnings []string) done {
	d := same(b, Result{Outcome: Refused}, warnings)
	bad := slices.IndexFunc(b.problems, func(p *RefusalError) bool { return p != nil })
	for i, p := range b.problems {
		if p == nil {
			p = refuse(CodeSibling, "line %d, a part of the same document, was refused", b.rows[bad].Line)
		}
		d.results[i].Code, d.results[i].Reason = p.Code, p.Reason
	}
	return d
}

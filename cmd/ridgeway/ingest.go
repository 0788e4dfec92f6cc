package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
)

// maxWorkers is how many documents may go in at once: each is held open and read.
const maxWorkers = 256

// takenRow is a document, or a row of a manifest, in the answer of ingest.
type takenRow struct {
	Document string   `json:"document"`
	Outcome  string   `json:"outcome"`
	Reason   string   `json:"reason"`
	Code     string   `json:"code,omitempty"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// ingestHelp tells what a manifest has, and what becomes of its rows.
const ingestHelp = `Takes one file in, or all that a manifest lists. A document is encrypted and on
the disk when its row says taken_in; it is published as soon as the region can
be reached. Running the same thing again changes nothing: what is held is not
stored twice. The good rows of a manifest go in, the bad ones are listed with
their line.

A manifest is CSV in UTF-8 with a header:
  file             required  path within the folder
  patient          required  NHS number
  type             required  SNOMED CT concept, such as 373942005, or a code of
                             your own, such as local:letter-7
  title            required
  date             required  2026-03-01, or 2026-03-01T14:05:00Z
  category, specialty, author, language, supersedes             optional
  reference        optional  its id where it comes from, such as a referral's:
                             evidence of a relationship with the patient
  confidentiality  optional  N (the default), U, L, M, R or V
  sensitivity      optional  labels such as HIV, separated by spaces: sealed
  legal            optional  HFEA, GRA or ADOPTION: kept here, never shared
  family_name, given_name, birth_date (1950-02-28), sex         optional: who
                             the patient is. Kept sealed at this trust, for its
                             own search by name; a row that contradicts what the
                             trust knows is refused
  document         optional  rows with the same name are parts of one document
  part, parts      optional  this file is part n of m
The metadata.csv of a scanning bureau is taken as well.

A CDA document or DICOM image that says itself that it is about another patient
(by NHS number, date of birth or name) is refused with the code other_patient,
and its reason has both values.

JSON: documents (document, outcome, reason, code, file, line, warnings),
taken_in, already_held, refused, checked, not_reached, bytes, pages, and error
when anything was refused or not reached.
Outcomes: taken_in, already_held, refused, checked (--check), not_reached.`

func (a *app) ingestCommand() *cobra.Command {
	var row ingest.Row
	var manifest, name string
	var check bool
	var workers int
	cmd := &cobra.Command{
		Use:   "ingest [FILE | --manifest CSV FOLDER]",
		Short: "Take records in",
		Long:  ingestHelp,
		Example: `  ridgeway ingest --data d1 --patient 9434765919 --type 373942005 \
    --title "Discharge summary" --date 2026-03-01 letter.pdf
  ridgeway ingest --data d1 --manifest records.csv folder/`,
		Args: argument(1, "one file, or with --manifest one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flag("workers").Changed && (workers < 1 || workers > maxWorkers) {
				return admin.Errorf(admin.CodeBadInput, "--workers %d: give 1 to %d", workers, maxWorkers)
			}
			if err := oneOrMany(cmd, manifest != "", args[0]); err != nil {
				return err
			}
			client, done, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { _ = done() }()
			taker := newStreamTaker(cmd.Context(), client)
			defer taker.close()
			cfg := ingest.Config{Taker: taker, CheckPatient: node.ReadNHSNumber, Now: time.Now, Contradicts: node.Contradicts, CheckOnly: check, Workers: workers}
			row.FamilyName, row.GivenName, _ = strings.Cut(name, ",")
			row.FamilyName, row.GivenName = strings.TrimSpace(row.FamilyName), strings.TrimSpace(row.GivenName)
			if manifest != "" {
				return a.ingestMany(cmd.Context(), cfg, manifest, args[0])
			}
			return a.ingestOne(cmd.Context(), cfg, taker, args[0], row)
		},
	}
	f := cmd.Flags()
	f.StringVar(&manifest, "manifest", "", "take in what this CSV file lists, from the folder named")
	f.StringVar(&name, "name", "", "who the patient is: \"FAMILY, Given\"")
	rowFlags(cmd, &row)
	f.BoolVar(&check, "check", false, "check everything, take nothing in")
	f.IntVar(&workers, "workers", 0, "documents at once (default 64)")
	return cmd
}

// rowFlags are what a row of a manifest says, for the one file that is named.
func rowFlags(cmd *cobra.Command, row *ingest.Row) {
	f := cmd.Flags()
	f.StringVar(&row.Patient, "patient", "", "NHS number")
	f.StringVar(&row.Type, "type", "", "SNOMED CT concept of the document's type, or local:CODE")
	f.StringVar(&row.Title, "title", "", "title")
	f.StringVar(&row.Date, "date", "", "date of the document, 2026-03-01")
	f.StringVar(&row.Category, "category", "", "SNOMED CT concept of the category, or local:CODE")
	f.StringVar(&row.Specialty, "specialty", "", "treatment function code")
	f.StringVar(&row.Author, "author", "", "who wrote it")
	f.StringVar(&row.Confidentiality, "confidentiality", "", "N, U, L, M, R or V (default N)")
	f.StringVar(&row.Sensitivity, "sensitivity", "", "labels such as HIV or \"MH SUD\" (HL7 v3-ActCode); they seal it")
	f.StringVar(&row.Legal, "legal", "", "HFEA, GRA or ADOPTION: kept here and never shared")
	f.StringVar(&row.Language, "language", "", "language, such as en-GB")
	f.StringVar(&row.Supersedes, "supersedes", "", "id of the document that this one replaces")
	f.StringVar(&row.BirthDate, "birth-date", "", "the patient's date of birth, 1950-02-28")
	f.StringVar(&row.Sex, "sex", "", "the patient's sex: male, female, other or unknown")
	f.StringVar(&row.Reference, "reference", "", "its id where it comes from, such as a referral's: evidence of a relationship with the patient")
}

// oneOrMany checks that the flags are those of one file, or those of a manifest.
func oneOrMany(cmd *cobra.Command, many bool, path string) error {
	st, err := os.Stat(path)
	folder := err == nil && st.IsDir()
	of := []string{"patient", "type", "title", "date"}
	switch {
	case many:
		for _, name := range append(of, "category", "specialty", "author", "confidentiality", "sensitivity", "legal", "language", "supersedes", "reference", "name", "birth-date", "sex") {
			if cmd.Flag(name).Changed {
				return admin.Errorf(admin.CodeBadInput, "--%s is for one file, and --manifest says it of each: leave --%s out", name, name)
			}
		}
		if !folder {
			return admin.Errorf(admin.CodeBadInput, "%s is not a folder: with --manifest, name the folder that has the files", path)
		}
		return nil
	case folder:
		return admin.Errorf(admin.CodeBadInput, "%s is a folder: name one file, or say with --manifest which of its files to take in", path)
	default:
		if err := needs(cmd, of...); err != nil {
			return err
		}
		return unused(cmd, "FILE", "workers")
	}
}

func (a *app) ingestOne(ctx context.Context, cfg ingest.Config, taker *streamTaker, file string, row ingest.Row) error {
	if st, err := os.Stat(file); err == nil {
		bar := a.meter("ingest", st.Size(), true)
		defer bar.stop()
		taker.sent = bar.add
	}
	result, err := ingest.File(ctx, cfg, file, row)
	if err != nil {
		problem := ingestProblem(err)
		if errors.Is(problem, context.Canceled) {
			return problem
		}
		return admin.Errorf(admin.CodeOf(problem), "%s was not taken in: %v", file, problem)
	}
	return a.showTaken(ingest.Report{Results: []ingest.Result{result}}, cfg.CheckOnly, nil)
}

func (a *app) ingestMany(ctx context.Context, cfg ingest.Config, manifest, folder string) error {
	if st, err := os.Stat(manifest); err == nil && st.IsDir() {
		return admin.Errorf(admin.CodeBadInput, "--manifest %s is a folder: name the CSV file that lists the documents", manifest)
	}
	f, err := os.Open(manifest)
	if err != nil {
		return admin.Errorf(admin.CodeBadInput, "--manifest: %v", err)
	}
	defer func() { _ = f.Close() }()
	m, err := ingest.ParseManifest(f)
	if err != nil {
		return admin.Errorf(admin.CodeBadInput, "%s: %v", manifest, err)
	}
	if len(m.Rows) == 0 {
		return admin.Errorf(admin.CodeBadInput, "%s lists no documents: it has a header and no rows. Write one row for each file", manifest)
	}
	bar := a.meter("ingest", int64(len(m.Rows)), false)
	last := 0
	cfg.Progress = func(p ingest.Progress) {
		bar.add(int64(p.Rows - last))
		last = p.Rows
	}
	report, err := ingest.Run(ctx, cfg, folder, m)
	bar.end()
	if err != nil && !errors.Is(err, ingest.ErrStopped) {
		return ingestProblem(err)
	}
	return a.showTaken(report, cfg.CheckOnly, err)
}

// showTaken prints what became of each row; stopped is why the run ended early, or nil.
func (a *app) showTaken(report ingest.Report, checked bool, stopped error) error {
	rows := make([]takenRow, 0, len(report.Results))
	counts := map[ingest.Outcome]int{}
	for _, r := range report.Results {
		counts[r.Outcome]++
		rows = append(rows, takenRow{Document: string(r.Document), Outcome: string(r.Outcome), Reason: r.Reason, Code: string(r.Code), File: filepath.ToSlash(r.File), Line: r.Line, Warnings: r.Warnings})
	}
	code, message := takenCode(counts, stopped), takenMessage(rows, counts, stopped)
	if a.json {
		out := map[string]any{
			"documents": rows, "taken_in": counts[ingest.TakenIn], "already_held": counts[ingest.AlreadyHeld], "refused": counts[ingest.Refused],
			"checked": counts[ingest.Checked], "not_reached": counts[ingest.NotReached], "bytes": report.Bytes, "pages": report.Pages,
		}
		if code != "" {
			out["error"] = problem{Code: string(code), Message: message}
		}
		if err := a.emit(out); err != nil {
			return err
		}
	} else {
		a.sayTaken(rows, counts, checked)
		if code != "" {
			a.note("ridgeway: %s", message)
		}
	}
	if code != "" {
		return errShown{code}
	}
	return nil
}

func takenCode(counts map[ingest.Outcome]int, stopped error) admin.Code {
	switch {
	case stopped != nil && (errors.Is(stopped, context.Canceled) || admin.CodeOf(stopped) == admin.CodeInterrupted):
		return admin.CodeInterrupted
	case stopped != nil:
		return admin.CodeOf(ingestProblem(stopped))
	case counts[ingest.Refused] == 0:
		return ""
	case counts[ingest.TakenIn]+counts[ingest.AlreadyHeld]+counts[ingest.Checked] == 0:
		return admin.CodeBadInput
	default:
		return admin.CodePartly
	}
}

func takenMessage(rows []takenRow, counts map[ingest.Outcome]int, stopped error) string {
	switch {
	case stopped != nil:
		why := "it was stopped"
		if problem := ingestProblem(stopped); !errors.Is(problem, context.Canceled) {
			why = problem.Error()
		}
		return fmt.Sprintf("taking in ended early: %s. Of %s %d were taken in and %d not reached. Run the same command again later: it takes in only what is missing",
			strings.TrimSuffix(why, "."), plural(uint64(len(rows)), "row"), counts[ingest.TakenIn], counts[ingest.NotReached])
	case single(rows):
		return fmt.Sprintf("%s was not taken in: %s", rows[0].File, rows[0].Reason)
	default:
		return fmt.Sprintf("%d of %s refused, for the reasons that are listed: mend them and run the same command again, it takes in only what is missing",
			counts[ingest.Refused], plural(uint64(len(rows)), "row"))
	}
}

// single reports whether rows are those of one file that was named by itself.
func single(rows []takenRow) bool { return len(rows) == 1 && rows[0].Line == 0 }

func (a *app) sayTaken(rows []takenRow, counts map[ingest.Outcome]int, checked bool) {
	one := single(rows)
	for _, r := range rows {
		where := r.File
		if r.Line > 0 {
			where = strings.TrimSuffix(fmt.Sprintf("line %d, %s", r.Line, r.File), ", ")
		}
		switch {
		case r.Outcome == string(ingest.Refused) && !one:
			a.say("refused: %s: %s", where, r.Reason)
		case one && r.Document != "" || r.Outcome == string(ingest.Checked) && one:
			a.say("%s  %s", orText(r.Document, r.File), map[string]string{"taken_in": "taken in", "already_held": "held already", "checked": "would be taken in"}[r.Outcome])
		}
		for _, w := range r.Warnings {
			a.say("note: %s: %s", where, w)
		}
	}
	if !one {
		if n := counts[ingest.Checked]; n > 0 || checked {
			a.say("Nothing was taken in: %d would be taken in or are held already, %d refused, %d not reached.", n, counts[ingest.Refused], counts[ingest.NotReached])
			return
		}
		a.say("%d taken in, %d held already, %d refused, %d not reached.", counts[ingest.TakenIn], counts[ingest.AlreadyHeld], counts[ingest.Refused], counts[ingest.NotReached])
	}
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func ingestProblem(err error) error {
	var known *admin.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return admin.Errorf(admin.CodeBadInput, "%v", err)
}

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

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// demoLimit ends a demonstration that hangs: it should take seconds.
const demoLimit = 10 * time.Minute

func (a *app) demoCommand() *cobra.Command {
	var o tour.Options
	var dir string
	var once, verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See a region of four trusts work, with invented patients",
		Long: `Starts a region in this one process: each trust its own node with its own data
folder and its own UDP socket on this machine. Invented patients' documents are
taken in, found from another trust and streamed under consent; a connection is
cut, a patient objects, the leader is lost, a trust restarts, and the evidence is
verified. Then it stays up, and prints commands to try, until Ctrl-C.

All patients and documents are invented, the same for the same --seed. The master
keys lie in the data folders, which no real node may do.

JSON: ok, seconds, dir, steps (name, ok, milliseconds, detail). With --json it
ends after the walk, as with --once. Status 0 only if every step held.`,
		Example: `  ridgeway demo
  ridgeway demo --once --trusts 5 --documents 200
  ridgeway demo --once --json | jq .ok`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Trusts < tour.MinTrusts || o.Trusts > tour.MaxTrusts {
				return admin.Errorf(admin.CodeBadInput, "--trusts %d: give %d to %d", o.Trusts, tour.MinTrusts, tour.MaxTrusts)
			}
			if o.Patients < 1 || o.Documents < 1 || o.Patients > 10_000 || o.Documents > 100_000 {
				return admin.Errorf(admin.CodeBadInput, "--patients and --documents are from 1 to 10000 and from 1 to 100000")
			}
			if verbose {
				o.Region.Logger = a.logger("info")
			}
			return a.demo(cmd.Context(), o, dir, once || a.json)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "end after the walk")
	f.IntVar(&o.Trusts, "trusts", 4, "how many trusts, 3 to 50")
	f.IntVar(&o.Patients, "patients", 12, "how many invented patients")
	f.IntVar(&o.Documents, "documents", 60, "how many invented documents, besides the case note")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed invents the same patients and documents")
	f.StringVar(&dir, "dir", "", "keep the data in this folder (default: a temporary one, removed at the end)")
	f.BoolVar(&verbose, "verbose", false, "show the nodes' logs")
	return cmd
}

func (a *app) demo(ctx context.Context, o tour.Options, dir string, once bool) error {
	keep := dir != ""
	dir, reopen, err := demoFolder(dir, o.Trusts)
	if err != nil {
		return err
	}
	if !keep {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	o.Reopen = reopen
	o.Region.Dir, o.Region.Small, o.Region.Admin, o.Region.Version = dir, true, true, version
	o.Tell = func(line string) { a.say("%s", line) }
	a.say("A region of %d trusts in one process. Every patient and document is invented.", o.Trusts)
	a.say("The master keys lie in the data folders: this is a demonstration.")
	a.say("")
	walk, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	started := time.Now()
	t, err := tour.Start(walk, o)
	took := time.Since(started)
	if t == nil {
		return err
	}
	if err == nil && !once {
		a.say("\nEvery step held, in %.1f s. The region stays up until Ctrl-C.", took.Seconds())
		a.invite(t, dir)
		<-ctx.Done()
		a.say("\nStopping.")
	}
	closed := t.Close()
	if err == nil && closed != nil && !errors.Is(closed, context.Canceled) {
		err = fmt.Errorf("stop the region: %w", closed)
	}
	return a.demoEnd(ctx, t, dir, keep, took, err)
}

// demoEnd says how the walk went.
func (a *app) demoEnd(ctx context.Context, t *tour.Tour, dir string, keep bool, took time.Duration, err error) error {
	if a.json {
		out := map[string]any{"ok": err == nil, "seconds": float64(took.Milliseconds()) / 1000, "steps": t.Steps()}
		if keep {
			out["dir"] = dir
		}
		if err != nil {
			out["error"] = problem{Code: string(admin.CodeOf(err)), Message: err.Error()}
		}
		if emitted := a.emit(out); emitted != nil {
			return emitted
		}
		if err != nil {
			return errShown{admin.CodeOf(err)}
		}
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	a.say("\nEvery step held, in %.1f s.", took.Seconds())
	if keep {
		a.say("The data is kept in %s.", dir)
	}
	return nil
}

// demoFolder returns the folder of the demonstration, made if need be, and whether a region is in it already.
func demoFolder(dir string, trusts int) (string, bool, error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "ridgeway-demo-")
		if err != nil {
			return "", false, fmt.Errorf("make a folder for the demonstration: %w", err)
		}
		return tmp, false, nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
	}
	entries, err := os.ReadDir(abs)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
		}
		return abs, false, nil
	}
	if err != nil {
		return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
	}
	for _, m := range tour.Members(trusts) {
		if _, err := os.Stat(filepath.Join(abs, string(m.Trust), "FORMAT")); err != nil {
			return "", false, admin.Errorf(admin.CodeBadInput, "--dir %s is not empty and does not hold a demonstration of %d trusts: name an empty folder, or one of an earlier demonstration with the same --trusts", dir, trusts)
		}
	}
	return abs, true, nil
}

// invite prints commands to try from a second terminal.
func (a *app) invite(t *tour.Tour, dir string) {
	self := "ridgeway"
	if exe, err := os.Executable(); err == nil {
		self = exe
		if strings.Contains(exe, "go-build") {
			self = "go run ./cmd/ridgeway"
		}
	}
	note, holder := t.CaseNote()
	reader := t.Region().Trusts()[1]
	number := t.Patient().NHSNumber
	a.say("\nTry this from a second terminal. The patient is %s.\n", t.Person())
	for _, c := range []struct{ what, args string }{
		{"find their documents, as " + string(reader), fmt.Sprintf("locate --data %s %s", filepath.Join(dir, string(reader)), number)},
		{"read three pages of the case note that " + string(holder) + " holds", fmt.Sprintf("fetch --data %s %s --pages 1-3 --out pages.tiff", filepath.Join(dir, string(reader)), note)},
		{"read all of it", fmt.Sprintf("fetch --data %s %s --out note.tiff", filepath.Join(dir, string(reader)), note)},
		{"object on the patient's behalf, then try to read again", fmt.Sprintf("object --data %s %s", filepath.Join(dir, string(reader)), number)},
		{"withdraw that", fmt.Sprintf("object --data %s %s --withdraw", filepath.Join(dir, string(reader)), number)},
		{"see how the region is", fmt.Sprintf("status --data %s", filepath.Join(dir, string(holder)))},
		{"verify the evidence", fmt.Sprintf("audit verify --data %s", filepath.Join(dir, string(holder)))},
	} {
		a.say("  # %s", c.what)
		a.say("  %s %s", self, c.args)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/testnet/tour"
)

// demoLimit ends a demonstration that hangs: it should take seconds.
const demoLimit = 10 * time.Minute

// demoOptions is what demo was asked for.
type demoOptions struct {
	tour          tour.Options
	dir           string
	once, verbose bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See a region of four trusts work, with invented patients",
		Long: `Starts a region in this one process: each trust its own node with its own data
folder and its own UDP socket on this machine. Invented patients' documents are
taken in, found from another trust and streamed to it; a connection is cut, a
patient objects, the leader is lost, a trust restarts, and the evidence is
verified. Then it stays up until Ctrl-C: it prints the address of the portal of
one trust, for your browser, and commands to try from a second terminal.

All patients and documents are invented, the same for the same --seed. The
master keys lie in the data folders, which no real node may do.

JSON: ok, seconds, steps (name, ok, milliseconds, detail), dir (with --dir), and
error when a step did not hold. With --json it ends after the walk, as with
--once. Status 0 only if every step held.`,
		Example: `  ridgeway demo
  ridgeway demo --once --trusts 5 --documents 200
  ridgeway demo --once --json | jq .ok`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.verbose {
				o.tour.Region.Logger = a.logger("info")
			}
			o.once = o.once || a.json
			return a.demo(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.once, "once", false, "end after the walk")
	f.IntVar(&o.tour.Trusts, "trusts", 4, "how many trusts, 3 to 50")
	f.IntVar(&o.tour.Patients, "patients", 12, "how many invented patients")
	f.IntVar(&o.tour.Documents, "documents", 60, "how many invented documents, besides the case note")
	f.Uint64Var(&o.tour.Seed, "seed", 1, "the same seed invents the same patients and documents")
	f.StringVar(&o.dir, "dir", "", "keep the data in this folder, and go on with it the next time\n(default: a temporary one, removed at the end)")
	f.BoolVar(&o.verbose, "verbose", false, "show the nodes' logs on standard error")
	return cmd
}

func (o *demoOptions) check() error {
	switch t := o.tour; {
	case t.Trusts < tour.MinTrusts || t.Trusts > tour.MaxTrusts:
		return admin.Errorf(admin.CodeBadInput, "--trusts %d: give %d to %d", t.Trusts, tour.MinTrusts, tour.MaxTrusts)
	case t.Patients < 1 || t.Patients > 10_000:
		return admin.Errorf(admin.CodeBadInput, "--patients %d: give 1 to 10000", t.Patients)
	case t.Documents < 1 || t.Documents > 100_000:
		return admin.Errorf(admin.CodeBadInput, "--documents %d: give 1 to 100000", t.Documents)
	}
	return nil
}

func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	dir, reopen, err := demoFolder(o.dir, o.tour.Trusts)
	if err != nil {
		return err
	}
	if o.dir == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	o.tour.Reopen = reopen
	o.tour.Region.Dir, o.tour.Region.Small, o.tour.Region.Admin, o.tour.Region.Version = dir, true, true, version
	o.tour.Tell = func(line string) { a.say("%s", line) }
	portal := ""
	if !o.once {
		if portal, err = demoPortal(&o.tour); err != nil {
			return err
		}
	}
	a.demoGreeting(o, dir)
	walk, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	started := time.Now()
	t, err := tour.Start(walk, o.tour)
	took := time.Since(started)
	if t == nil {
		return errors.Join(err, demoUnmade(&o, dir, reopen))
	}
	if err == nil {
		a.say("\nEvery step held, in %.1f s.", took.Seconds())
		if !o.once {
			a.demoBrowser(t, portal)
			a.demoCommands(t)
			<-ctx.Done()
			a.say("\nStopping.")
		}
	}
	if closed := t.Close(); err == nil && closed != nil {
		err = fmt.Errorf("stop the region: %w", closed)
	}
	err = errors.Join(err, demoUnmade(&o, dir, reopen))
	return a.demoEnd(ctx, t, o.dir, took, err)
}

// demoGreeting says what is about to be seen.
func (a *app) demoGreeting(o demoOptions, dir string) {
	a.say("Ridgeway lets the hospitals of a region find and read each other's records.")
	a.say("Each keeps its own records on its own node; nothing is collected anywhere.")
	a.say("")
	a.say("This demonstration runs the nodes of %d trusts in one process. They talk over", o.tour.Trusts)
	a.say("UDP on this machine as they would over a network. Every patient and document")
	a.say("is INVENTED. The master keys lie in the data folders because this is a")
	a.say("demonstration; a real node refuses that. The data is in")
	a.say("  %s", dir)
	a.say("")
}

// demoEnd says how the walk went. In JSON it is the only thing that is printed.
func (a *app) demoEnd(ctx context.Context, t *tour.Tour, kept string, took time.Duration, err error) error {
	if a.json {
		out := map[string]any{"ok": err == nil, "seconds": float64(took.Milliseconds()) / 1000, "steps": t.Steps()}
		if kept != "" {
			out["dir"] = kept
		}
		code := admin.CodeOf(err)
		if ctx.Err() != nil {
			code = admin.CodeInterrupted
		}
		if err != nil {
			message := err.Error()
			if code == admin.CodeInterrupted {
				message = stoppedEarly
			}
			out["error"] = problem{Code: string(code), Message: message}
		}
		if emitted := a.emit(out); emitted != nil || err == nil {
			return emitted
		}
		return errShown{code}
	}
	if kept != "" {
		a.say("The data is kept in %s; the same command goes on with it.", kept)
	}
	return err
}

// demoWhole reports which of the first trusts have a node in dir that is a member of a region, and whether a further one has.
func demoWhole(dir string, trusts int) (whole, more bool) {
	whole = true
	for i, m := range tour.Members(tour.MaxTrusts) {
		there := node.WhyNotRunning(filepath.Join(dir, string(m.Trust))) == nil
		whole, more = whole && (there || i >= trusts), more || there && i >= trusts
	}
	return whole, more
}

// demoUnmade empties the folder that is to be kept when the region in it never became whole: nothing could go on with that.
func demoUnmade(o *demoOptions, dir string, reopen bool) error {
	if o.dir == "" || reopen {
		return nil
	}
	if whole, _ := demoWhole(dir, o.tour.Trusts); whole {
		return nil
	}
	o.dir = ""
	for _, m := range tour.Members(o.tour.Trusts) {
		if err := os.RemoveAll(filepath.Join(dir, string(m.Trust))); err != nil {
			return fmt.Errorf("remove what was begun: %w", err)
		}
	}
	return nil
}

// demoFolder returns the folder of the demonstration, made if need be, and whether a region is in it already.
func demoFolder(dir string, trusts int) (path string, reopen bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "ridgeway-demo-")
		if err != nil {
			err = fmt.Errorf("make a folder for the demonstration: %w", err)
		}
		return path, false, err
	}
	if path, err = filepath.Abs(dir); err != nil {
		return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
	}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		if err := os.MkdirAll(path, 0o700); err != nil {
			return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
		}
		return path, false, nil
	case err != nil:
		return "", false, admin.Errorf(admin.CodeBadInput, "--dir: %v", err)
	}
	if whole, more := demoWhole(path, trusts); !whole || more {
		return "", false, admin.Errorf(admin.CodeBadInput, "--dir %s is not empty, and is not what a whole demonstration of %d trusts left behind: name an empty folder, or give --trusts as the first time", dir, trusts)
	}
	return path, true, nil
}

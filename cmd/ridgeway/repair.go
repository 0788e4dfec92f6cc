package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) repairCommand() *cobra.Command {
	var s settingFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Say what is damaged in a data folder, and save what can be saved",
		Long: `For a node that 'ridgeway serve' refuses to start because a store is damaged.
Reads all of its records, documents and audit log, and says what is damaged and
which documents that touches. Without --yes it changes nothing. With --yes it
makes the stores usable again, giving up what cannot be read and nothing else;
files as they were are kept in the folder "damaged" of their store. Taking a
touched document in again, from its file, heals it.
The audit log is repaired only where the result is provably the log it was.
The node must not be running. Restore a backup instead if you have a good one.

Ends with 0 when nothing is damaged, or with --yes when nothing is lost; with 6
when there is damage (without --yes), when something is lost, or when it cannot
be repaired; with 8 when the node runs or the key is wrong.

JSON: data, damaged, lost, changed, stores (store, places, findings, lost),
documents.`,
		Example: `  ridgeway repair --data d1 --master-key-file /etc/ridgeway.key
  ridgeway repair --data d1 --master-key-file /etc/ridgeway.key --yes`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := unused(cmd, "", "listen", "advertise", "metrics", "lease", "election", "test-numbers"); err != nil {
				return err
			}
			settings, err := a.settings(&s)
			if err != nil {
				return err
			}
			report, err := node.Repair(cmd.Context(), a.data, settings, yes)
			if err != nil {
				return err
			}
			return a.showRepair(report)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "repair: give up what cannot be saved")
	return cmd
}

// showRepair prints a report and returns what the command ends with.
func (a *app) showRepair(r node.RepairReport) error {
	if a.json {
		stores := []map[string]any{}
		for _, s := range r.Stores {
			stores = append(stores, map[string]any{"store": s.Store, "places": nonNil(s.Places), "findings": nonNil(s.Findings), "lost": s.Lost})
		}
		if err := a.emit(map[string]any{"data": a.data, "damaged": r.Damaged(), "lost": r.Lost(), "changed": r.Changed, "stores": stores, "documents": nonNil(r.Documents)}); err != nil {
			return err
		}
	} else {
		a.sayRepair(r)
	}
	if r.Lost() || r.Damaged() && !r.Changed {
		return errShown{admin.CodeIntegrity}
	}
	return nil
}

func (a *app) sayRepair(r node.RepairReport) {
	if !r.Damaged() {
		a.say("Nothing is damaged.")
		return
	}
	for _, s := range r.Stores {
		a.say("Damaged: the %s.", s.Store)
		for _, line := range append(s.Places, s.Findings...) {
			a.say("  %s", line)
		}
	}
	for _, d := range r.Documents {
		a.say("  touched: %s", d)
	}
	switch {
	case !r.Changed:
		a.say("Nothing was changed. With --yes it is repaired where that can be done: what cannot be read is given up, the files as they were are kept.")
	case r.Lost():
		a.say("Repaired, and something is lost. Take the documents named here in again; then run 'ridgeway scrub'.")
	default:
		a.say("Repaired; nothing is lost. Start the node with 'ridgeway serve'.")
	}
}

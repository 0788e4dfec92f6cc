package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) auditReconcileCommand() *cobra.Command {
	var who asking
	var since string
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare this node's audit log with those of the other trusts",
		Long: `Asks every other trust what its log has of documents that went between it and
this trust. Each must be in both logs, with the digest of the same signed
request. Lists what is in one log only: a read that somebody's log does not
have. Ends with status 6 when there is one, and 10 when a trust did not answer.
Every trust writes down that it was asked.

JSON: compared, since, until, one_sided (transfer, here, there, document, user,
at, problem), sites (trust, answered, problem, entries).`,
		Example: `  ridgeway audit reconcile --data d1 --since 7d`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := moment("since", since, time.Now())
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Reconcile(cmd.Context(), &admin.ReconcileRequest{Since: from, Asker: who.message()})
				if err != nil {
					return err
				}
				return a.showReconciled(reply)
			})
		},
	}
	reviewFlags(cmd, &who)
	cmd.Flags().StringVar(&since, "since", "", "from this local day or time on, or so long ago: 30d (default: all)")
	return cmd
}

func (a *app) showReconciled(r *admin.ReconcileReply) error {
	silent := 0
	for _, s := range r.GetSites() {
		if !s.GetAnswered() {
			silent++
		}
	}
	if a.json {
		list := make([]map[string]any, 0, len(r.GetOneSided()))
		for _, o := range r.GetOneSided() {
			list = append(list, map[string]any{
				"transfer": o.GetTransfer(), "here": o.GetHere(), "there": o.GetThere(), "document": o.GetDocument(), "user": o.GetUser(), "at": stamp(o.GetAt()), "problem": o.GetProblem(),
			})
		}
		err := a.emit(map[string]any{"compared": r.GetCompared(), "since": stamp(r.GetSince()), "until": stamp(r.GetUntil()), "one_sided": list, "sites": reportSites(r.GetSites())})
		if err != nil {
			return err
		}
	} else {
		a.say("Compared %s with %s.", plural(r.GetCompared(), "release"), plural(uint64(len(r.GetSites())-silent), "trust"))
		for _, s := range r.GetSites() {
			if !s.GetAnswered() {
				a.say("%s (%s) did not answer: %s.", siteName(s), s.GetTrust(), s.GetProblem())
			}
		}
		for _, o := range r.GetOneSided() {
			a.say("\n%s  %s  user %s\n  %s has it, %s has not: %s\n  transfer %s", shownTime(o.GetAt()), o.GetDocument(), orDash(o.GetUser()), o.GetHere(), o.GetThere(), o.GetProblem(), o.GetTransfer())
		}
		if len(r.GetOneSided()) == 0 {
			a.say("Both ends agree on all of them.")
		}
	}
	switch {
	case len(r.GetOneSided()) > 0:
		return errShown{admin.CodeIntegrity}
	case silent > 0:
		return errShown{admin.CodePartly}
	default:
		return nil
	}
}

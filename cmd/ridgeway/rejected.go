package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) rejectedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rejected",
		Short: "What the region has refused of this trust",
		Args:  groupOnly,
		RunE:  a.showHelp,
	}
	cmd.AddCommand(a.rejectedListCommand(), a.settleCommand(false), a.settleCommand(true))
	return cmd
}

func (a *app) rejectedListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List what the region has refused",
		Long: `Lists what this trust has told the region and the region has refused, with the
region's reason and what it means that the region does not have it, and entries
that were damaged here before they were told. An entry stays until it is retried
or dismissed.

JSON: rejected (id, kind, document, reason, effect, queued, set_aside), total.`,
		Example: `  ridgeway rejected list --data d1`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				r, err := c.Rejected(cmd.Context(), &admin.RejectedRequest{})
				if err != nil {
					return err
				}
				return a.showRejected(r)
			})
		},
	}
}

// rejection is an entry that the region has refused, in JSON.
type rejection struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Document string `json:"document"`
	Reason   string `json:"reason"`
	Effect   string `json:"effect"`
	Queued   string `json:"queued"`
	SetAside bool   `json:"set_aside"` // damaged here before the region was told, not refused
}

func (a *app) showRejected(r *admin.RejectedReply) error {
	if a.json {
		list := make([]rejection, 0, len(r.GetRejections()))
		for _, x := range r.GetRejections() {
			list = append(list, rejection{ID: x.GetId(), Kind: x.GetKind(), Document: x.GetDocument(), Reason: x.GetReason(), Effect: x.GetEffect(), Queued: stamp(x.GetQueued()), SetAside: x.GetSetAside()})
		}
		return a.emit(map[string]any{"rejected": list, "total": r.GetTotal()})
	}
	if len(r.GetRejections()) == 0 {
		a.say("The region has refused nothing that waits to be dealt with, and nothing was set aside.")
		return nil
	}
	for _, x := range r.GetRejections() {
		a.say("%s  %s %s", x.GetId(), x.GetKind(), x.GetDocument())
		if x.GetSetAside() {
			a.say("  set aside here: %s", x.GetReason())
		} else {
			a.say("  refused by the region: %s", x.GetReason())
		}
		a.say("  so %s", x.GetEffect())
	}
	if more := r.GetTotal() - uint64(len(r.GetRejections())); more > 0 {
		a.say("There are %d more.", more)
	}
	a.say("\nOnce what was wrong is mended:  ridgeway rejected retry --data %s ID", admin.Arg(a.data))
	a.say("To forget it as it is:          ridgeway rejected dismiss --data %s ID", admin.Arg(a.data))
	return nil
}

func (a *app) settleCommand(retry bool) *cobra.Command {
	var all bool
	var who asking
	cmd := &cobra.Command{
		Use:   "dismiss [ID...]",
		Short: "Forget entries that the region has refused",
		Long: `Takes entries off the list of what the region has refused. Nothing else changes:
a document stays here, and an objection stays in force at this trust. The audit
log keeps that it was done.

JSON: dismissed.`,
		Example: `  ridgeway rejected dismiss --data d1 300000000000007
  ridgeway rejected dismiss --data d1 --all`,
	}
	done, said := "dismissed", "Dismissed"
	if retry {
		cmd.Use, cmd.Short, done, said = "retry [ID...]", "Tell the region again what it has refused", "retried", "Telling the region again:"
		cmd.Long = `Tells the region again what it has refused, such as after what was wrong has
been mended. What it refuses again comes back on the list.

JSON: retried.`
		cmd.Example = `  ridgeway rejected retry --data d1 300000000000007
  ridgeway rejected retry --data d1 --all`
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if all != (len(args) == 0) {
			return admin.Errorf(admin.CodeBadInput, "'%s' takes the ids that 'ridgeway rejected list' gives, or --all: see '%s --help'", cmd.CommandPath(), cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.ask(cmd.Context(), func(c admin.AdminClient) error {
			r, err := c.Settle(cmd.Context(), &admin.SettleRequest{Ids: args, All: all, Retry: retry, By: who.message()})
			if err != nil {
				return err
			}
			if a.json {
				return a.emit(map[string]any{done: r.GetSettled()})
			}
			a.say("%s %s.", said, plural(uint64(r.GetSettled()), "entry"))
			return nil
		})
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that are listed")
	cmd.Flags().StringVar(&who.user, "by", "", "staff id of who does it (default: your login name)")
	cmd.Flags().StringVar(&who.role, "as", "records-staff", "their role")
	return cmd
}

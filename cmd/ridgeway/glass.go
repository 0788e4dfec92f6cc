package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) breakGlassCommand() *cobra.Command {
	var who asking
	var reason string
	cmd := &cobra.Command{
		Use:   "break-glass NHS-NUMBER",
		Short: "Declare an emergency: open one patient's record for 15 minutes",
		Long: `Declares an emergency. For 15 minutes this user can locate and fetch this
patient's documents where the patient or an agreement refuses otherwise, as far
as each custodian's agreement lets the glass be broken. It never opens what the
law keeps from sharing, nor anything of or for a suspended trust.

It is written down here first, works while the region cannot be reached, and is
reviewed: the privacy officers of this trust and of the trusts that hold the
record are told at once. One user may declare 5 within an hour and a trust 20,
unless the settings say otherwise ('glass:' in ridgeway.yaml).

JSON: review, until, told (trusts whose privacy officers are told).`,
		Example: `  ridgeway break-glass 943 476 5919 --data d2 --user jsmith --role doctor \
    --reason "unconscious in resus, no history"
  ridgeway locate 943 476 5919 --data d2 --user jsmith --role doctor`,
		Args: patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "reason"); err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.BreakGlass(cmd.Context(), &admin.BreakGlassRequest{Patient: joined(args), Reason: reason, Asker: who.message()})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"review": reply.GetId(), "until": stamp(reply.GetUntil()), "told": nonNil(reply.GetTold())})
				}
				a.say("The glass is broken for %s until %s.", who.message().GetUser(), time.UnixMicro(reply.GetUntil()).Local().Format("15:04:05"))
				a.say("It will be reviewed as %s, by the privacy officers of %s.", reply.GetId(), strings.Join(reply.GetTold(), ", "))
				a.say("Now 'ridgeway locate' and 'ridgeway fetch' as the same user open this record.")
				return nil
			})
		},
	}
	who.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "what the emergency is, in at least three words; reviewers read it")
	return cmd
}

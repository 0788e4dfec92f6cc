package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) withdrawCommand() *cobra.Command {
	var reason string
	var undo bool
	var who asking
	cmd := &cobra.Command{
		Use:   "withdraw DOCUMENT",
		Short: "Take one of this trust's documents out of the region",
		Long: `Takes a document of this trust out of the region's index; it is no longer
released. The bytes stay at this trust until 'ridgeway erase' destroys them.
--undo shares the document again: taking the same file in again does not.

JSON: document, committed.`,
		Example: `  ridgeway withdraw --data d1 RYJ-4K7QZ2M9X1B3C5D7 --reason "wrong patient"
  ridgeway withdraw --data d1 RYJ-4K7QZ2M9X1B3C5D7 --undo`,
		Args: argument(1, "the id of one document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Withdraw(cmd.Context(), &admin.WithdrawRequest{Document: args[0], Reason: reason, Undo: undo, By: who.message()})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"document": args[0], "committed": reply.GetCommitted()})
				}
				switch {
				case undo && reply.GetCommitted():
					a.say("The document is shared again: it is listed and released as it was before.")
				case undo:
					a.say("The document is to be shared again. Other trusts list it once the region can be reached.")
				case reply.GetCommitted():
					a.say("The document is withdrawn: it is no longer listed or released.")
				default:
					a.say("The document is withdrawn here: it is no longer released. Other trusts still list it until the region can be reached.")
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	cmd.Flags().BoolVar(&undo, "undo", false, "share a document again that was withdrawn")
	cmd.Flags().StringVar(&who.user, "by", "", "staff id of who does it (default: your login name)")
	cmd.Flags().StringVar(&who.role, "as", "records-staff", "their role: records-staff, governance-lead or privacy-officer")
	return cmd
}

func (a *app) eraseCommand() *cobra.Command {
	var reason string
	var yes bool
	var who asking
	cmd := &cobra.Command{
		Use:   "erase DOCUMENT",
		Short: "Destroy what this trust holds of a document that was withdrawn",
		Long: `Destroys the description and the content of a document that was withdrawn,
for when its time of keeping is over or it should never have been made. It
cannot be taken back. The audit log keeps that it was there, who saw it, and who
erased it; the same file is not taken in again. Content that another document
has too stays for that one; the rest leaves the disk within days, as space is
given back.

JSON: document, erased.`,
		Example: `  ridgeway withdraw --data d1 RYJ-4K7QZ2M9X1B3C5D7 --reason "wrong patient"
  ridgeway erase --data d1 RYJ-4K7QZ2M9X1B3C5D7 --reason "wrong patient" --yes`,
		Args: argument(1, "the id of one document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return admin.Errorf(admin.CodeBadInput, "%s would be destroyed, and nobody could bring it back. Nothing was changed: add --yes if that is meant", args[0])
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				if _, err := c.Erase(cmd.Context(), &admin.EraseRequest{Document: args[0], Reason: reason, By: who.message()}); err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"document": args[0], "erased": true})
				}
				a.say("The document is erased. The audit log keeps that it was there and who saw it.")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it must be given")
	cmd.Flags().BoolVar(&yes, "yes", false, "it cannot be taken back, and is meant")
	cmd.Flags().StringVar(&who.user, "by", "", "staff id of who does it (default: your login name)")
	cmd.Flags().StringVar(&who.role, "as", "governance-lead", "their role: governance-lead or privacy-officer")
	return cmd
}

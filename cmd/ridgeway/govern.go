package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) objectCommand() *cobra.Command {
	var withdraw bool
	var by, evidence string
	cmd := &cobra.Command{
		Use:   "object NHS-NUMBER",
		Short: "Record that a patient objects to sharing, or withdraws that",
		Long: `Records that a patient objects to their record being shared. It is in force at
this node at once, and at every other as soon as the region has agreed on it;
the answer says which. --withdraw takes the patient's objections back: that
counts only once the region has agreed. Objections to some sharing only, which
'ridgeway consent' records, are withdrawn there; scoped says how many remain.
It is taken for patients of whom this trust holds nothing too: check the number.

Where the patient objects to all sharing already, that is said, with its id, and
nothing new is recorded but, in the audit log, that it was said again.

JSON: directives, state (objected, shared), committed, index, scoped, already.`,
		Example: `  ridgeway object --data d2 9434765919 --evidence "letter of 1 March"
  ridgeway object --data d2 9434765919 --withdraw`,
		Args: patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				if by == "" {
					by = (&asking{}).message().GetUser()
				}
				reply, err := c.Object(cmd.Context(), &admin.ObjectRequest{Patient: joined(args), Withdraw: withdraw, By: by, Evidence: evidence})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"directives": nonNil(reply.GetDirectives()), "state": reply.GetState(), "committed": reply.GetCommitted(), "index": reply.GetIndex(), "scoped": reply.GetScoped(), "already": reply.GetAlready() != nil})
				}
				what := "The objection"
				if withdraw {
					what = "The withdrawal"
				}
				if n := reply.GetScoped(); n > 0 {
					defer a.say("Still in force: %s to some sharing only. 'ridgeway consent list' shows what, 'ridgeway consent withdraw' ends one.", plural(uint64(n), "objection"))
				}
				switch already := reply.GetAlready(); {
				case already != nil:
					a.say("The patient objects already, since %s (said to %s at %s). Nothing new was recorded: it stands as", shownTime(already.GetAt()), already.GetBy(), already.GetTrust())
					a.say("  %s", already.GetDirective())
					if !reply.GetCommitted() {
						a.say("It is in force here. Other trusts follow once the region can be reached.")
					}
				case len(reply.GetDirectives()) == 0 && reply.GetScoped() > 0:
					a.say("There is no objection to all sharing to withdraw.")
				case len(reply.GetDirectives()) == 0:
					a.say("There is no objection to withdraw: the record is shared.")
				case reply.GetCommitted():
					a.say("%s is recorded and agreed by the region.", what)
				case withdraw:
					a.say("%s is recorded here. It counts once the region can be reached and agrees; until then the record stays closed.", what)
				default:
					a.say("%s is recorded and in force here. Other trusts follow once the region can be reached.", what)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&withdraw, "withdraw", false, "withdraw the patient's objections instead")
	cmd.Flags().StringVar(&by, "by", "", "staff id of who records it (default: your login name)")
	cmd.Flags().StringVar(&evidence, "evidence", "", "on what evidence, such as a letter or a conversation")
	return cmd
}

func (a *app) suspendCommand() *cobra.Command {
	var reason string
	var lift, yes bool
	var staff staffSuspension
	cmd := &cobra.Command{
		Use:   "suspend [TRUST]",
		Short: "Suspend a trust, or a member of staff, or lift that",
		Long: `Proposes to suspend a trust, or approves that another has proposed it. With as
many approvals as the region's charter asks for it takes effect: the trust's
connections are closed and nothing is released to it or by it. A trust that
suspends itself can only be let in again by another, so that takes --yes. What
waits, since the region cannot be reached, the opposite takes back.

With --user it suspends a member of this trust's own staff instead, at once:
they cannot sign on, their sessions end, and this node does nothing for them.
--list lists who is. A governance lead or a privacy officer does that, and it is
audited; other trusts are not asked.

JSON: proposal, in_force, approvals, needed, taken_back; with --user and --list
users (user, reason, by, at).`,
		Example: `  ridgeway suspend --data d1 RAS --reason "lost laptop"
  ridgeway suspend --data d1 RAS --lift
  ridgeway suspend --data d1 --user j.price --reason "lost card" --by n.ferreira
  ridgeway suspend --data d1 --user j.price --lift --by n.ferreira
  ridgeway suspend --data d1 --list --by n.ferreira`,
		Args: func(cmd *cobra.Command, args []string) error {
			if staff.meant() {
				return argument(0, "flags only")(cmd, args)
			}
			return argument(1, "one ODS code")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if staff.meant() {
				return a.suspendStaff(cmd, staff, reason, lift)
			}
			if err := unused(cmd, "TRUST", "by", "role"); err != nil {
				return err
			}
			if lift {
				if err := unused(cmd, "TRUST --lift", "yes"); err != nil {
					return err
				}
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Suspend(cmd.Context(), &admin.SuspendRequest{Trust: args[0], Reason: reason, Lift: lift, Yes: yes})
				if err != nil {
					return err
				}
				if reply.GetInForce() && !reply.GetTakenBack() && !a.json {
					a.say(map[bool]string{false: "%s is suspended from the region.", true: "%s is no longer suspended. Its own node hears of it within seconds."}[lift], args[0])
					return nil
				}
				return a.showProposal(reply)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; every trust can read it, and it must be given")
	cmd.Flags().BoolVar(&yes, "yes", false, "also when the trust to suspend is this one itself")
	cmd.Flags().BoolVar(&lift, "lift", false, "lift a suspension instead")
	staff.flags(cmd)
	return cmd
}

func (a *app) approveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "approve PROPOSAL",
		Short: "Approve another trust's proposal to admit or suspend a trust",
		Long: `Approves a proposal that 'ridgeway status' lists. As much of its id is enough as
tells it from the others.

JSON: proposal, in_force, approvals, needed, taken_back.`,
		Example: `  ridgeway approve --data d1 4b1f...`,
		Args:    argument(1, "the id of one proposal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Approve(cmd.Context(), &admin.ApproveRequest{Proposal: args[0]})
				if err != nil {
					return err
				}
				return a.showProposal(reply)
			})
		},
	}
}

func (a *app) showProposal(p *admin.ProposalReply) error {
	if a.json {
		return a.emit(map[string]any{"proposal": p.GetProposal(), "in_force": p.GetInForce(), "approvals": p.GetApprovals(), "needed": p.GetNeeded(), "taken_back": p.GetTakenBack()})
	}
	if p.GetTakenBack() {
		a.say("Taken back: the region had not been told of it yet, and is not told.")
		return nil
	}
	if p.GetInForce() {
		a.say("It is in force.")
		return nil
	}
	a.say("Proposed: %d of %d approvals. Other trusts approve it with", p.GetApprovals(), p.GetNeeded())
	a.say("  ridgeway approve --data FOLDER %s", p.GetProposal())
	return nil
}

// nonNil makes an empty list [] rather than null in JSON.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// plural says how many there are of something.
func plural(n uint64, one string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, strings.TrimSuffix(one, "y")+map[bool]string{true: "ies", false: "s"}[strings.HasSuffix(one, "y")])
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) joinCommand() *cobra.Command {
	var s settingFlags
	var trust string
	var yes, noWait bool
	cmd := &cobra.Command{
		Use:   "join INVITATION",
		Short: "Join a region with an invitation",
		Long: `Makes a data folder with new keys and redeems an invitation with the trust that
sent it. Compare the check words with that trust over the telephone first. If it
was cut off, run it again with the same folder and invitation.

Where the region asks for the approval of several trusts, it waits until they
have approved: only then is the node told what it needs to take part. Ctrl-C
stops the wait and running it again goes on. --no-wait ends with what there is.

JSON: region, trust, node, data, listen, pending, approvals, needed.`,
		Example: `  ridgeway join --data d2 --listen 127.0.0.1:7402 \
    --master-key-file /etc/ridgeway.key rw1.AQNSQVM...`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return argument(1, "one invitation")(cmd, args)
			}
			return nil // a line break within it may have made several of one
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, keep, err := a.newSettings(&s)
			if err != nil {
				return err
			}
			invitation := joined(args)
			offer, err := node.ReadInvitation(invitation, time.Now())
			if err != nil {
				return err
			}
			o := node.JoinOptions{Data: a.data, Settings: settings, Keep: keep, Invitation: invitation, Now: time.Now(), Logger: a.logger("error")}
			if trust != "" {
				if o.Trust, err = federation.ParseTrustID(trust); err != nil {
					return admin.Errorf(admin.CodeBadInput, "--trust %v", err)
				}
			}
			if !yes {
				if err := a.confirmJoin(cmd.Context(), offer); err != nil {
					return err
				}
			}
			if !noWait {
				o.Waiting = func(p node.Approval) { a.sayWaiting(offer, p) }
			}
			return a.join(cmd.Context(), o)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "ask nothing")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for the approval of other trusts")
	cmd.Flags().StringVar(&trust, "trust", "", "your ODS code: refuse an invitation for another trust")
	return cmd
}

func (a *app) join(ctx context.Context, o node.JoinOptions) error {
	joined, err := node.Join(ctx, o)
	if err != nil {
		return err
	}
	a.warnDevKeys(o.Settings)
	a.noteVariables()
	return a.showJoined(o.Settings, joined)
}

// sayWaiting says what a join waits for. It goes to standard error: it is no part of the answer.
func (a *app) sayWaiting(offer node.Offer, p node.Approval) {
	if p.Trouble != nil {
		a.note("The sponsor does not answer now (%v); asking again.", p.Trouble)
		return
	}
	a.note("%s waits for the approval of other trusts: %d of %d have approved. 'ridgeway status' at each shows the proposal, 'ridgeway approve' approves it. Ctrl-C stops waiting; the same command goes on.", offer.Trust, p.Have, p.Need)
}

func (a *app) showJoined(s node.Settings, joined node.Joined) error {
	offer := joined.Offer
	if a.json {
		return a.emit(map[string]any{
			"region": offer.Region, "trust": offer.Trust, "node": joined.Node.String(), "data": a.data, "listen": s.Listen,
			"pending": joined.Pending, "approvals": joined.Approval.Have, "needed": joined.Approval.Need,
		})
	}
	if joined.Pending {
		a.say("%s (%s) is proposed to the region %q: %d of %d trusts have approved.", offer.Trust, offer.Name, offer.Region, joined.Approval.Have, joined.Approval.Need)
		a.say("It has not joined yet: run the same command again, with the same folder and invitation, once they have.")
		return nil
	}
	a.say("Joined the region %q as %s (%s), node %s.", offer.Region, offer.Trust, offer.Name, joined.Node.Short())
	a.say("Start it:  ridgeway serve --data %s%s", admin.Arg(a.data), devFlag(s))
	return nil
}

func (a *app) confirmJoin(ctx context.Context, o node.Offer) error {
	a.note("The invitation is for %s (%s) to join %q,\nfrom node %s at %s.", o.Trust, o.Name, o.Region, o.Sponsor.Short(), o.Address)
	a.note("Check words: %s", o.CheckWords)
	fmt.Fprint(a.err, "Join? [y/N] ")
	yes, answered, err := a.answer(ctx)
	switch {
	case err != nil || yes:
		return err
	case !answered:
		return admin.Errorf(admin.CodeBadInput, "nothing was joined: nobody is there to answer. Give --yes once the check words were compared")
	default:
		return admin.Errorf(admin.CodeInterrupted, "nothing was joined: answer y to join")
	}
}

// answer reads whether somebody says yes to the question before; answered is false where nobody is there to.
func (a *app) answer(ctx context.Context) (yes, answered bool, err error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		lines <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return false, false, admin.Errorf(admin.CodeInterrupted, "stopped at the question, so nothing was done: run the same command again")
	case line := <-lines:
		if !strings.HasSuffix(line, "\n") {
			fmt.Fprintln(a.err)
		}
		word := strings.ToLower(strings.TrimSpace(line))
		return word == "y" || word == "yes", line != "", nil
	}
}

func (a *app) inviteCommand() *cobra.Command {
	var trust, name string
	var valid time.Duration
	var revoke bool
	cmd := &cobra.Command{
		Use:   "invite",
		Short: "Invite a trust to the region",
		Long: `Prints an invitation of one line. It works once, for one trust, until it
expires. Send it over a channel that you trust, and compare the check words by
telephone.

JSON: invitation, check_words, trust, expires; with --revoke: revoked.`,
		Example: `  ridgeway invite --data d1 --trust RAS --name "The Hillingdon Hospitals"
  ridgeway invite --data d1 --trust RAS --revoke`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "trust"); err != nil {
				return err
			}
			others := needs(cmd, "name")
			if revoke {
				others = unused(cmd, "--revoke", "name", "valid")
			}
			if others != nil {
				return others
			}
			if cmd.Flag("valid").Changed && valid < time.Second {
				return admin.Errorf(admin.CodeBadInput, "--valid %v is not between one second and one year, such as 48h", valid)
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				if revoke {
					reply, err := c.RevokeInvitation(cmd.Context(), &admin.RevokeInvitationRequest{Trust: trust})
					if err != nil {
						return err
					}
					if a.json {
						return a.emit(map[string]any{"revoked": reply.GetRevoked()})
					}
					a.say("Revoked %s of %s.", plural(uint64(reply.GetRevoked()), "open invitation"), trust)
					return nil
				}
				reply, err := c.Invite(cmd.Context(), &admin.InviteRequest{Trust: trust, Name: name, ValidSeconds: int64(valid / time.Second)})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"invitation": reply.GetInvitation(), "check_words": reply.GetCheckWords(), "trust": trust, "expires": stamp(reply.GetExpires())})
				}
				a.say("%s", reply.GetInvitation())
				a.note("Check words: %s. It works once, until %s.", reply.GetCheckWords(), time.UnixMicro(reply.GetExpires()).Local().Format("2 Jan 2006 15:04"))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&trust, "trust", "", "ODS code of the trust")
	cmd.Flags().StringVar(&name, "name", "", "name of the trust")
	cmd.Flags().DurationVar(&valid, "valid", 0, "how long it can be used (default 168h)")
	cmd.Flags().BoolVar(&revoke, "revoke", false, "revoke the trust's invitations instead")
	return cmd
}

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
	var yes bool
	cmd := &cobra.Command{
		Use:   "join INVITATION",
		Short: "Join a region with an invitation",
		Long: `Makes a data folder with new keys and redeems an invitation with the trust that
sent it. Compare the check words with that trust over the telephone first. If it
was cut off, run it again with the same folder and invitation.

JSON: region, trust, node, data, listen, pending.`,
		Example: `  ridgeway join --data d2 --listen 127.0.0.1:7402 \
    --master-key-file /etc/ridgeway.key rw1.AQNSQVM...`,
		Args: argument(1, "one invitation"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings(&s)
			if err != nil {
				return err
			}
			offer, err := node.ReadInvitation(args[0], time.Now())
			if err != nil {
				return err
			}
			o := node.JoinOptions{Data: a.data, Settings: settings, Invitation: args[0], Now: time.Now(), Logger: a.logger("error")}
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
			joined, err := node.Join(cmd.Context(), o)
			if err != nil {
				return err
			}
			a.warnDevKeys(settings)
			if a.json {
				return a.emit(map[string]any{"region": offer.Region, "trust": offer.Trust, "node": joined.Node.String(), "data": a.data, "listen": settings.Listen, "pending": joined.Pending})
			}
			a.say("Joined the region %q as %s (%s), node %s.", offer.Region, offer.Trust, offer.Name, joined.Node.Short())
			if joined.Pending {
				a.say("Other trusts must approve first: 'ridgeway status' at the sponsor shows how many.")
			}
			a.say("Start it:  ridgeway serve --data %s%s", a.data, devFlag(settings))
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "ask nothing")
	cmd.Flags().StringVar(&trust, "trust", "", "your ODS code: refuse an invitation for another trust")
	return cmd
}

func (a *app) confirmJoin(ctx context.Context, o node.Offer) error {
	a.note("The invitation is for %s (%s) to join %q,\nfrom node %s at %s.", o.Trust, o.Name, o.Region, o.Sponsor.Short(), o.Address)
	a.note("Check words: %s", o.CheckWords)
	fmt.Fprint(a.err, "Join? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case line := <-answer:
		if line == "y" || line == "yes" {
			return nil
		}
		return admin.Errorf(admin.CodeInterrupted, "nothing was joined: answer y to join, or give --yes where nobody can answer")
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
			if !revoke {
				if err := needs(cmd, "name"); err != nil {
					return err
				}
			}
			if cmd.Flag("valid").Changed && valid < time.Second {
				return admin.Errorf(admin.CodeBadInput, "--valid %v is not within one second and one year, such as 48h", valid)
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

package main

import (
	"github.com/spf13/cobra"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ridgeway",
		Short: "Find and stream a patient's documents across the trusts of a health region",
		Long: `Ridgeway joins the trusts of a health region. Every trust keeps its own records
on its own node; together the nodes agree on an index of which document is where
and who may see it. A document is streamed straight from the trust that holds
it, which decides on every byte.

See it work:         ridgeway demo
Found a region:      ridgeway init, then ridgeway serve
Join one:            ridgeway join, then ridgeway serve
Put records in:      ridgeway ingest
Find and read them:  ridgeway locate, ridgeway fetch`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          groupOnly,
		RunE:          a.showHelp,
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object, and nothing else, on standard output")
	root.PersistentFlags().StringVar(&a.data, "data", a.getenv("RIDGEWAY_DATA"), "data folder of the node (RIDGEWAY_DATA)")
	root.SetFlagErrorFunc(a.flagProblem)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(helpCommand())
	root.AddGroup(
		&cobra.Group{ID: "node", Title: "A node:"}, &cobra.Group{ID: "records", Title: "Records:"},
		&cobra.Group{ID: "govern", Title: "Governance and evidence:"}, &cobra.Group{ID: "other", Title: "Other:"},
	)
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	for group, commands := range map[string][]*cobra.Command{
		"node":    {a.demoCommand(), a.initCommand(), a.serveCommand(), a.inviteCommand(), a.joinCommand(), a.statusCommand(), a.recoverCommand(), a.repairCommand()},
		"records": {a.ingestCommand(), a.locateCommand(), a.fetchCommand(), a.labelCommand(), a.withdrawCommand(), a.eraseCommand(), a.rejectedCommand(), a.scrubCommand()},
		"govern":  {a.objectCommand(), a.consentCommand(), a.suspendCommand(), a.approveCommand(), a.auditCommand(), a.reportCommand(), a.breakGlassCommand(), a.reviewCommand(), a.protectCommand(), a.agreementCommand(), a.whyCommand(), a.whoCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.AddCommand(exitStatusTopic(), settingsTopic())
	return root
}

func exitStatusTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-status",
		Short: "What the exit statuses and error codes mean",
		Long: `With --json a failure is {"error": {"code": ..., "message": ...}}.

status  codes                     meaning
0                                 it was done; 'consent record' and 'label'
                                  without --yes have only shown what would be
1       INTERNAL                  something unexpected; the message says more
2       BAD_INPUT, CONFIG         the command, its input or the configuration
                                  is wrong; nothing was changed
3       NOT_FOUND                 no such document, or none you may know of
4       DENIED                    the custodian's rules or the patient refuse
        TOO_MANY                  more than a user or a trust may have an hour
5       STALE_POLICY, NO_QUORUM,  a trust, the node or the region cannot be
        UNAVAILABLE               reached now; try again later
6       INTEGRITY                 bytes are not what they must be
7       DISK_FULL                 too little space is free
8       IN_USE, WRONG_KEY,        the data folder, the port or a file cannot be
        DATA_FOLDER               used, or another proposal waits
9       INVITATION                the invitation cannot be redeemed
10      PARTLY                    some of many were refused; they are listed
130     INTERRUPTED               stopped with Ctrl-C; it can be run again

A node that is stopped with Ctrl-C ends with 0: that is how it is stopped.`,
	}
}

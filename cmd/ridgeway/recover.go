package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) recoverCommand() *cobra.Command {
	var s settingFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Set a damaged copy of the region's state aside",
		Long: `For a node that 'ridgeway serve' refuses to start because its copy of the
region's state is damaged or has lost entries. Sets that copy aside in the data
folder; the node gets another from the region when it is served, and has no vote
until it has caught up. Records, documents and the audit log are not touched.
The node must not be running. Refuses where nobody else could give it back.

Only one voter of a region may be recovered at a time. So it asks the other
voters first, and refuses when those that answer are not enough to go on without
this one; and it refuses to set a copy aside that is whole. --yes does it all
the same.

JSON: data, recovered.`,
		Example: `  ridgeway recover --data d1 --master-key-file /etc/ridgeway.key`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings(&s)
			if err != nil {
				return err
			}
			if err := node.Recover(cmd.Context(), node.RecoverOptions{Data: a.data, Settings: settings, Yes: yes}); err != nil {
				return err
			}
			if a.json {
				return a.emit(map[string]any{"data": a.data, "recovered": true})
			}
			a.say("The copy of the region's state is set aside. Start the node: it gets another.")
			a.say("Recover no other voter until 'ridgeway status --data %s' says that this one is a voter again.", admin.Arg(a.data))
			return nil
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "also when the copy is whole, or the others cannot be reached")
	return cmd
}

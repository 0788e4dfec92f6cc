package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// stopTimeout bounds an orderly stop: leadership is handed on, transfers end, stores are synced.
const stopTimeout = 15 * time.Second

func (a *app) serveCommand() *cobra.Command {
	var s settingFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the node of a data folder until Ctrl-C",
		Long: `Runs the node in the foreground and logs to standard error. SIGINT and SIGTERM
stop it in order.

JSON: one object once the node is up: ready, trust, node, address, socket.`,
		Example: `  ridgeway serve --data d1 --master-key-file /etc/ridgeway.key
  ridgeway serve --data d1 --insecure-dev-keys`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkClock(); err != nil {
				return err
			}
			settings, err := a.settings(&s)
			if err != nil {
				return err
			}
			a.warnDevKeys(settings)
			n, err := node.Open(cmd.Context(), node.Options{Data: a.data, Settings: settings, Logger: a.logger(settings.LogLevel), Version: version})
			if err != nil {
				return err
			}
			if a.json {
				err = a.emit(map[string]any{"ready": true, "trust": n.Trust(), "node": n.ID().String(), "address": n.Addr().String(), "socket": n.Socket()})
			} else {
				a.say("%s is up: node %s, UDP %s. Ctrl-C stops it.", n.Trust(), n.ID().Short(), n.Addr())
			}
			if err == nil {
				err = n.Wait(cmd.Context())
			}
			if err != nil {
				// Standard output has had its one object.
				a.note("ridgeway: %v", err)
				err = errShown{admin.CodeOf(err)}
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), stopTimeout)
			defer cancel()
			if stopErr := n.Close(ctx); err == nil && stopErr != nil {
				a.note("ridgeway: the node did not stop in order (%v); nothing that was acknowledged is lost", stopErr)
				err = errShown{admin.CodeOf(stopErr)}
			}
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

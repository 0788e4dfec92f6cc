package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Evidence of who saw what",
		Args:  groupOnly,
		RunE:  a.showHelp,
	}
	cmd.AddCommand(a.auditVerifyCommand(), a.auditRootCommand(), a.acceptAuditCommand(), a.auditSearchCommand(), a.auditReconcileCommand(), a.auditExportCommand(), a.auditProveCommand())
	return cmd
}

func (a *app) acceptAuditCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "accept",
		Short: "Let releases go on after an older copy was restored",
		Long: `A node whose folder is older than what the region knows of it releases nothing
to other trusts: entries of its audit log are lost, and perhaps documents and
what patients have said. Put the newest copy of the folder in its place if there
is one. If there is none, this lets releases go on without what is lost. The
reason goes into the audit log. The region witnesses that log no more.

JSON: accepted.`,
		Example: `  ridgeway audit accept --data d1 --reason "restored the backup of 1 March"`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "reason"); err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				if _, err := c.AcceptAudit(cmd.Context(), &admin.AcceptAuditRequest{Reason: reason}); err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"accepted": true})
				}
				a.say("Releases to other trusts go on. The audit log keeps that it was accepted, and why.")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what has happened; the audit log keeps it")
	return cmd
}

func (a *app) scrubCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scrub",
		Short: "Read everything that this node holds and check it",
		Long: `Reads every chunk and record and checks it against its digest. Ends with status
6 when something is damaged, and names the documents that it touches.

JSON: chunks, bytes, records, damaged_documents, findings.`,
		Example: `  ridgeway scrub --data d1`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				r, err := c.Scrub(cmd.Context(), &admin.ScrubRequest{})
				if err != nil {
					return err
				}
				if a.json {
					if err := a.emit(map[string]any{"chunks": r.GetChunks(), "bytes": r.GetBytes(), "records": r.GetRecords(), "damaged_documents": nonNil(r.GetDamagedDocuments()), "findings": nonNil(r.GetFindings())}); err != nil {
						return err
					}
				} else {
					a.say("Read %s (%s) and %s.", plural(r.GetChunks(), "chunk"), size(int64(r.GetBytes())), plural(r.GetRecords(), "record"))
					for _, f := range r.GetFindings() {
						a.say("  %s", f)
					}
					for _, d := range r.GetDamagedDocuments() {
						a.say("  damaged: %s", d)
					}
				}
				if len(r.GetDamagedDocuments())+len(r.GetFindings()) > 0 {
					return errShown{admin.CodeIntegrity}
				}
				a.say("All is well.")
				return nil
			})
		},
	}
}

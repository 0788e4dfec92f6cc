package main

import (
	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var region bool
	var who asking
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify this node's audit log, alone or against the region",
		Long: `Reads every entry of the audit log, recomputes the Merkle tree over them, and
compares it with the mark on this node's disk and with the last checkpoint that
the region has committed, as this node's own copy has it. With --region it also
asks every other trust for the checkpoint that its copy has: whoever could
rewrite the log here could rewrite what lies beside it, but not that.

A log that was cut off, rewritten or put in place of another is named with the
entries that it is about and what to do. Ends with status 6 when anything does
not fit, and with --region with 10 when a trust did not answer.

That the log was verified, and by whom, is an entry of the log itself.

JSON: ok, entries, root, damaged, checkpoints, findings, next, sites (trust,
answered, problem, entries: how many its checkpoint has).`,
		Example: `  ridgeway audit verify --data d1
  ridgeway audit verify --data d1 --region`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.VerifyAudit(cmd.Context(), &admin.VerifyAuditRequest{Region: region, Asker: who.message()})
				if err != nil {
					return err
				}
				return a.showAudit(reply, region)
			})
		},
	}
	cmd.Flags().BoolVar(&region, "region", false, "also ask every other trust for what it has of this log")
	reviewFlags(cmd, &who)
	return cmd
}

func (a *app) showAudit(r *admin.VerifyAuditReply, region bool) error {
	silent := 0
	for _, s := range r.GetSites() {
		if !s.GetAnswered() {
			silent++
		}
	}
	if a.json {
		out := map[string]any{"ok": r.GetOk(), "entries": r.GetEntries(), "root": r.GetRoot(), "damaged": nonNil(r.GetDamaged()), "checkpoints": r.GetCheckpoints(), "findings": nonNil(r.GetFindings()), "next": r.GetNext()}
		if region {
			out["sites"] = reportSites(r.GetSites())
		}
		if err := a.emit(out); err != nil {
			return err
		}
	} else {
		a.sayAudit(r, silent)
	}
	switch {
	case !r.GetOk():
		return errShown{admin.CodeIntegrity}
	case silent > 0:
		return errShown{admin.CodePartly}
	default:
		return nil
	}
}

func (a *app) sayAudit(r *admin.VerifyAuditReply, silent int) {
	a.say("%s, root %s,", plural(r.GetEntries(), "entry"), clip(r.GetRoot(), 17))
	a.say("checked against %s that the region agreed on.", plural(r.GetCheckpoints(), "checkpoint"))
	if r.GetCheckpoints() == 0 {
		a.say("The region has not witnessed this log yet: try again in a minute.")
	}
	for _, s := range r.GetSites() {
		if s.GetAnswered() {
			a.say("  %s (%s) has witnessed %s.", siteName(s), s.GetTrust(), plural(s.GetEntries(), "entry"))
		} else {
			a.say("  %s (%s) did NOT answer: %s.", siteName(s), s.GetTrust(), s.GetProblem())
		}
	}
	for _, f := range r.GetFindings() {
		a.say("%s", wrap("  "+f, screenWidth))
	}
	if r.GetOk() && silent == 0 {
		a.say("The log is whole.")
		return
	}
	if r.GetOk() {
		a.say("The log is whole as far as it was compared: %s did not answer.", plural(uint64(silent), "trust"))
		return
	}
	a.say("The log is NOT whole.")
	if r.GetNext() != "" {
		a.say("%s", wrap(r.GetNext(), screenWidth))
	}
}

func (a *app) auditRootCommand() *cobra.Command {
	var q admin.AuditRootsRequest
	cmd := &cobra.Command{
		Use:   "root",
		Short: "Show what the region has committed of trusts' audit logs",
		Long: `Lists the last checkpoint of each audit log that the region has committed, as
this node's own copy of the agreed state has it: how many entries, and the root
of the Merkle tree over them. It is what an export of another trust must lead
to: 'ridgeway audit prove FILE --region' compares the two by itself.

JSON: roots (trust, node, size, root, committed, at).`,
		Example: `  ridgeway audit root --data d2 --trust RYJ`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.AuditRoots(cmd.Context(), &q)
				if err != nil {
					return err
				}
				return a.showRoots(reply.GetRoots())
			})
		},
	}
	cmd.Flags().StringVar(&q.Trust, "trust", "", "ODS code of the trust (default: all)")
	cmd.Flags().StringVar(&q.Node, "node", "", "id of one node (default: all)")
	cmd.Flags().Uint64Var(&q.Size, "size", 0, "the checkpoint of so many entries, with --committed (default: the last)")
	cmd.Flags().Uint64Var(&q.Committed, "committed", 0, "where the region's log has it, as an export says")
	return cmd
}

func (a *app) showRoots(roots []*admin.AuditRoot) error {
	if a.json {
		out := make([]map[string]any, 0, len(roots))
		for _, r := range roots {
			out = append(out, map[string]any{"trust": r.GetTrust(), "node": r.GetNode(), "size": r.GetSize(), "root": r.GetRoot(), "committed": r.GetCommitted(), "at": stamp(r.GetAt())})
		}
		return a.emit(map[string]any{"roots": out})
	}
	if len(roots) == 0 {
		a.say("The region has committed no such checkpoint.")
	}
	for _, r := range roots {
		a.say("%s  %s, %s\n  root %s\n  node %s", r.GetTrust(), plural(r.GetSize(), "entry"), stamp(r.GetAt()), r.GetRoot(), r.GetNode())
	}
	return nil
}

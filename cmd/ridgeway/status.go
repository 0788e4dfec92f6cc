package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "How this node and its region are",
		Long: `Shows this node, its part in the region, and the other trusts.

JSON: version, region, region_id, trust, name, node, address, state (leader,
voter, observer, joining, removed), leader, applied, committed, root, as_of,
started, sites (trust, name, reachable, as_of, standing, raft, address, node,
version), documents, patients, pointers, outbox, rejected, audit_entries, disk
(state, free, total), proposals (proposal, what, by, approvals, needed),
releases_stopped, suspended (trust, by, reason, since, told_by; or null),
refused_by_region (count, newest (trust, kind, seq, entry, code, detail)):
statements of any trust that broke the region's rules, warnings.`,
		Example: `  ridgeway status --data d1`,
		Args:    argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				s, err := c.Status(cmd.Context(), &admin.StatusRequest{})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(statusObject(s))
				}
				a.showStatus(s)
				return nil
			})
		},
	}
}

func statusObject(s *admin.StatusReply) map[string]any {
	sites := make([]site, 0, len(s.GetSites()))
	for _, x := range s.GetSites() {
		sites = append(sites, siteOf(x))
	}
	proposals := make([]map[string]any, 0, len(s.GetProposals()))
	for _, p := range s.GetProposals() {
		proposals = append(proposals, map[string]any{"proposal": p.GetId(), "what": p.GetWhat(), "by": p.GetBy(), "approvals": p.GetApprovals(), "needed": p.GetNeeded()})
	}
	refused := make([]map[string]any, 0, len(s.GetRefused()))
	for _, x := range s.GetRefused() {
		refused = append(refused, map[string]any{"trust": x.GetTrust(), "kind": x.GetKind(), "seq": x.GetSeq(), "entry": x.GetEntry(), "code": x.GetCode(), "detail": x.GetDetail()})
	}
	return map[string]any{
		"refused_by_region": map[string]any{"count": s.GetRefusedEver(), "newest": refused},
		"version":           s.GetVersion(), "region": s.GetRegion(), "region_id": s.GetRegionId(), "trust": s.GetTrust(), "name": s.GetName(), "node": s.GetNode(),
		"address": s.GetAddress(), "state": s.GetState(), "leader": s.GetLeader(), "applied": s.GetApplied(), "committed": s.GetCommitted(), "root": s.GetRoot(),
		"as_of": stamp(s.GetAsOf()), "started": stamp(s.GetStarted()), "sites": sites, "documents": s.GetDocuments(), "patients": s.GetPatients(), "pointers": s.GetPointers(),
		"outbox": s.GetOutbox(), "rejected": s.GetRejected(), "releases_stopped": s.GetReleasesStopped(), "suspended": suspendedOf(s.GetSuspended()), "audit_entries": s.GetAuditEntries(), "proposals": proposals, "warnings": nonNil(s.GetWarnings()),
		"disk": map[string]any{"state": s.GetDisk(), "free": s.GetDiskFree(), "total": s.GetDiskTotal()},
	}
}

func (a *app) showStatus(s *admin.StatusReply) {
	state := s.GetState()
	if s.GetSuspended() != nil {
		state = "suspended"
	}
	a.say("%s  %s  (%s)", s.GetTrust(), s.GetName(), state)
	a.say("Region    %s", s.GetRegion())
	a.say("Node      %s at UDP %s, version %s", clip(s.GetNode(), 13), s.GetAddress(), s.GetVersion())
	leader := s.GetLeader()
	if leader == "" {
		leader = "none known: nothing new can be agreed on"
	}
	a.say("Leader    %s", leader)
	a.say("Index     %s, entry %d of %d, as of %s", plural(s.GetPointers(), "pointer"), s.GetApplied(), s.GetCommitted(), since(s.GetAsOf()))
	a.say("Held here %s of %s; %d waiting to be published", plural(s.GetDocuments(), "document"), plural(s.GetPatients(), "patient"), s.GetOutbox())
	if s.GetRejected() > 0 {
		a.say("Refused   %d by the region, or damaged here: 'ridgeway rejected list --data %s'", s.GetRejected(), admin.Arg(a.data))
	}
	if n := s.GetRefusedEver(); n > 0 && len(s.GetRefused()) > 0 {
		last := s.GetRefused()[0]
		a.say("Refusals  %s of any trust broke the region's rules; the newest, of %s at entry %d: %s", plural(n, "statement"), cmp.Or(last.GetTrust(), "nobody known"), last.GetEntry(), cmp.Or(last.GetDetail(), last.GetCode()))
	}
	a.say("Audit     %s", plural(s.GetAuditEntries(), "entry"))
	a.say("Disk      %s free of %s (%s)", size(int64(s.GetDiskFree())), size(int64(s.GetDiskTotal())), s.GetDisk())
	a.say("")
	rows := [][]string{{"TRUST", "NAME", "STANDING", "PART", "REACHABLE", "ADDRESS"}}
	for _, x := range s.GetSites() {
		reachable := "no"
		if x.GetReachable() {
			reachable = "yes"
		}
		rows = append(rows, []string{x.GetTrust(), x.GetName(), x.GetStanding(), x.GetRaft(), reachable, x.GetAddress()})
	}
	table(a.out, 1, rows)
	for _, p := range s.GetProposals() {
		a.say("\nProposed by %s: %s (%d of %d approvals). To approve it:\n  ridgeway approve --data %s %s", p.GetBy(), p.GetWhat(), p.GetApprovals(), p.GetNeeded(), admin.Arg(a.data), p.GetId())
	}
	for _, text := range s.GetWarnings() {
		a.say("\nWarning: %s", text)
	}
}

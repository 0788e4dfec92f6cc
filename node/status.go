package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/blob"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// Status tells how this node and its region are.
func (n *Node) Status(ctx context.Context, _ *admin.StatusRequest) (*admin.StatusReply, error) {
	if _, err := n.space.Check(); err != nil { // what was measured last is told then
		n.logger.ErrorContext(ctx, "free space is not known", slog.Any("error", err))
	}
	n.compareFolder(ctx, consensus.Local())
	st := n.replica.Status()
	roster := n.ledger.Roster()
	reply := &admin.StatusReply{
		Version: n.version, Region: n.membership.Region, RegionId: federation.Digest(n.membership.RegionID).String(), Trust: string(n.Trust()), Name: n.membership.Name,
		Node: n.ID().String(), Address: n.address(), State: stateWord(st.State), Applied: st.Applied, Committed: st.Commit,
		AsOf: n.asOf(), Sites: n.sites(), AuditEntries: n.audit.Size(), Started: n.started.UnixMicro(), Disk: strings.ReplaceAll(n.space.Level().String(), "-", "_"),
	}
	reply.DiskFree, reply.DiskTotal = n.space.Free()
	if id, err := federation.ParseNodeID(string(st.Leader)); err == nil {
		if _, t, ok := roster.Node(id); ok {
			reply.Leader = string(t.ID)
		}
	}
	stats, err := n.records.Stats(ctx)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	reply.Documents, reply.Patients, reply.Outbox, reply.Rejected = stats.Documents, stats.Patients, stats.Outbox, stats.Rejected
	reply.ReleasesStopped = n.doubtNow() != nil
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		root, _, err := index.Root(r)
		if err != nil {
			return err
		}
		reply.Root = root.String()
		counts, err := index.CountsOf(r)
		if err != nil {
			return err
		}
		reply.Pointers, reply.RefusedEver = counts.Pointers, counts.Refusals
		refused, err := index.Refusals(r, refusedShown)
		if err != nil {
			return err
		}
		for _, x := range refused {
			reply.Refused = append(reply.Refused, refusedStatement(x))
		}
		return n.proposals(r, reply)
	})
	if err != nil {
		return nil, err
	}
	if reply.Suspended, err = n.ownSuspension(ctx); err == nil {
		err = n.nameSuspensions(ctx, reply.Sites)
	}
	if err != nil {
		return nil, err
	}
	reply.Warnings = n.warnings(ctx, reply, stats)
	return reply, nil
}

// refusedShown is how many refused statements status names.
const refusedShown = 5

func refusedStatement(x index.Refusal) *admin.RefusedStatement {
	out := &admin.RefusedStatement{Trust: string(x.Trust), Seq: x.Seq, Entry: x.Index, Code: x.Code.String(), Detail: x.Detail}
	if x.Kind != 0 {
		out.Kind = x.Kind.String()
	}
	return out
}

func stateWord(s consensus.State) string {
	switch s {
	case consensus.Leader:
		return "leader"
	case consensus.Follower, consensus.Candidate:
		return "voter"
	default:
		return s.String()
	}
}

func (n *Node) proposals(r consensus.Reader, reply *admin.StatusReply) error {
	open, err := index.Proposals(r)
	if err != nil {
		return err
	}
	for _, p := range open {
		reply.Proposals = append(reply.Proposals, &admin.Proposal{Id: p.Digest.String(), What: proposalText(p.Body), By: string(p.By), Approvals: uint32(p.Counted), Needed: uint32(p.Needed)})
	}
	return nil
}

func proposalText(b federation.Body) string {
	switch b := b.(type) {
	case federation.Enrol:
		return fmt.Sprintf("admit %s (%s)", b.Member.Trust, b.Member.Name)
	case federation.Suspend:
		if b.Lift {
			return fmt.Sprintf("lift the suspension of %s", b.Trust)
		}
		return fmt.Sprintf("suspend %s: %s", b.Trust, b.Reason)
	default:
		return b.Kind().String()
	}
}

func (n *Node) warnings(ctx context.Context, s *admin.StatusReply, held record.Stats) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if d := n.doubtNow(); d != nil {
		add("RELEASES TO OTHER TRUSTS ARE STOPPED since %s: %s. This data folder is not the newest of this node: it was restored from an older copy, or something in it was cut. "+
			"If there is a newer copy, stop the node and put that in its place. If there is none, run 'ridgeway audit verify --data %s', tell your information governance lead, and then "+
			"'ridgeway audit accept --data %s --reason TEXT' to go on without what is lost", d.Since.Format("2 January 2006 15:04 MST"), d.text(), admin.Arg(n.options.Data), admin.Arg(n.options.Data))
	}
	if s.GetSuspended() != nil {
		add("%s", suspendedHere(s.GetSuspended()))
	}
	if s.GetLeader() == "" && s.GetSuspended() == nil {
		add("the region has no leader that this node knows: nothing new can be agreed on, and releases stop when the lease lapses. Check that the other trusts can be reached over UDP")
	}
	for _, site := range s.GetSites() {
		if !site.GetReachable() && s.GetSuspended() == nil && site.GetStanding() == federation.Active.String() {
			add("%s (%s) does not answer: what it holds cannot be opened until it does. If that lasts, ask them whether their node runs, and check that UDP to %s gets through", site.GetTrust(), site.GetName(), site.GetAddress())
		}
	}
	switch n.space.Level() {
	case storage.LevelOK:
	case storage.LevelWarn:
		add("the disk is filling up: below a tenth (6.4 GiB of a large one, 128 MiB of a small one) no more documents are taken in, and below half of that (112 MiB of a small one) only evidence is written. Make room")
	case storage.LevelNoIngest:
		add("THE DISK IS NEARLY FULL: no documents are taken in. Make room on the volume of %s", n.options.Data)
	case storage.LevelReadOnly:
		add("THE DISK IS FULL: no documents are taken in, nothing of the region is kept, and what needs evidence is refused once that cannot be written either. Make room on the volume of %s", n.options.Data)
	}
	if n.unwitnessed() {
		add("the region does not witness this node's audit log any more, since it was accepted that entries are lost; the log is checked against this node's own mark only")
	}
	if s.GetRejected() > 0 {
		add("%d entries of what this trust tells the region were refused there, or are damaged here: 'ridgeway rejected list --data %s' says which and why", s.GetRejected(), admin.Arg(n.options.Data))
	}
	if text := n.speaker.heldText(); text != "" {
		add("%s", text)
	}
	for _, text := range append(n.clocksApart(ctx), n.agreementWarnings(ctx)...) {
		add("%s", text)
	}
	if text := n.hollow(ctx, held.Documents-held.Phases[record.Erased]); text != "" {
		add("%s", text)
	}
	if text := n.scrubText(ctx); text != "" {
		add("%s", text)
	}
	if !n.hasWhole() {
		add("this node's copy of what the region has agreed on is still on its way: until all of it is here, nothing is listed, opened or released, and whoever asks is told to try again")
	}
	if n.replica.Status().Forgotten {
		add("this node has lost what it had voted on and has no vote until it has caught up: it waits for the region's leader to take note, which goes on by itself once there is one")
	}
	for _, f := range n.gossip.Forks() {
		add("the state of another node differs from this one's: %v", f)
	}
	if text := n.resealText(); text != "" {
		add("%s", text)
	}
	out = append(out, n.reviewWarnings()...)
	if n.options.Settings.InsecureDevKeys {
		add("the master key lies in the data folder: for trials only")
	}
	return out
}

// Scrub reads every chunk and record and checks it.
func (n *Node) Scrub(ctx context.Context, _ *admin.ScrubRequest) (*admin.ScrubReply, error) {
	chunks, err := n.blobs.Scrub(ctx, blob.ScrubOptions{})
	if err != nil {
		return nil, fmt.Errorf("scrub the document store: %w", err)
	}
	records, err := n.records.Scrub(ctx, chunks.Damaged)
	if err != nil {
		return nil, fmt.Errorf("scrub the record store: %w", err)
	}
	reply := &admin.ScrubReply{Chunks: uint64(chunks.Chunks), Bytes: uint64(chunks.Bytes), Records: records.Documents}
	for _, id := range records.Touched {
		reply.DamagedDocuments = append(reply.DamagedDocuments, string(id))
	}
	if d := len(chunks.Damaged); d > 0 {
		reply.Findings = append(reply.Findings, fmt.Sprintf("%d chunks are damaged", d))
	}
	missing, err := n.records.Missing(ctx, n.blobs.Has)
	if err != nil {
		return nil, fmt.Errorf("compare the record store with the document store: %w", err)
	}
	if len(missing) > 0 {
		reply.Findings = append(reply.Findings, fmt.Sprintf("%d documents are described here and lack some or all of their bytes: put %s back from a backup, or take these documents in again from their files", len(missing), n.folder.Path("chunks")))
	}
	for _, id := range missing {
		if !slices.Contains(records.Touched, id) {
			reply.DamagedDocuments = append(reply.DamagedDocuments, string(id))
		}
	}
	for _, f := range records.Faults {
		reply.Findings = append(reply.Findings, strings.TrimSpace(string(f.Document)+" "+f.Reason))
	}
	n.keepScrub(ctx, reply)
	return reply, nil
}

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// governor are the flags that say who proposes or decides. It is written down and signed, so that nobody is assumed.
type governor struct{ user, role string }

func (g *governor) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.user, "user", "", "staff id of who does it; it is signed and audited")
	cmd.Flags().StringVar(&g.role, "role", governing, "their role")
}

func (g *governor) message() *admin.Asker { return &admin.Asker{User: g.user, Role: g.role} }

// draft are the flags of whatever makes a proposal.
type draft struct {
	governor
	effective, expires, note string
}

func (d *draft) flags(cmd *cobra.Command) {
	d.governor.flags(cmd)
	cmd.Flags().StringVar(&d.effective, "effective", "", "from when on, a day in UTC (default: once it is approved)")
	cmd.Flags().StringVar(&d.expires, "expires", "", "until when, a day in UTC (default: until it is replaced)")
	cmd.Flags().StringVar(&d.note, "note", "", "why; it is signed with the agreement")
}

// parseMoment reads a time: RFC 3339, or a day, which is its beginning in UTC.
func parseMoment(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, admin.Errorf(admin.CodeBadInput, "--%s %s: give a day such as 2027-01-31, or a time such as 2027-01-31T08:00:00Z", flag, text)
}

func (a *app) agreementProposeCommand() *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:   "propose FILE",
		Short: "Keep a draft at the node until a second person approves it",
		Long: `Proposes a form or Cedar. It is refused when the check finds an error in it, or
while another proposal waits. Nothing changes until a second person approves it.
The node keeps it, also over a restart.

--effective and --expires are days (from their beginning, in UTC) or times; a
form can say them too.

JSON: proposal, state, by, at, effective, expires, note, base, findings.`,
		Example: `  ridgeway agreement propose --data d1 sharing.yaml --user a.mensah \
      --effective 2027-01-01 --expires 2028-01-01 --note "yearly review"`,
		Args: argument(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "user"); err != nil {
				return err
			}
			text, err := a.readAgreement(args[0])
			if err != nil {
				return err
			}
			return a.propose(cmd, d, &admin.ProposeAgreementRequest{Text: text})
		},
	}
	d.flags(cmd)
	return cmd
}

// propose proposes what q names, on the terms of d.
func (a *app) propose(cmd *cobra.Command, d draft, q *admin.ProposeAgreementRequest) (err error) {
	q.Note, q.Asker = d.note, d.message()
	if q.Effective, err = parseMoment("effective", d.effective); err != nil {
		return err
	}
	if q.Expires, err = parseMoment("expires", d.expires); err != nil {
		return err
	}
	return a.ask(cmd.Context(), func(c admin.AdminClient) error {
		p, err := c.ProposeAgreement(cmd.Context(), q)
		if err != nil {
			return err
		}
		if a.json {
			return a.emit(proposalObject(p))
		}
		for _, f := range p.GetFindings() {
			a.say("%d:%d: %s: %s (%s)", f.GetLine(), f.GetColumn(), f.GetSeverity(), f.GetText(), f.GetCode())
		}
		a.say("Proposed by %s. Nothing has changed yet: a second person approves it with\n  ridgeway agreement approve --data %s %s --user STAFF-ID", p.GetBy(), admin.Arg(a.data), p.GetId())
		return nil
	})
}

func proposalObject(p *admin.AgreementProposal) map[string]any {
	findings := make([]map[string]any, 0, len(p.GetFindings()))
	for _, f := range p.GetFindings() {
		findings = append(findings, map[string]any{"line": f.GetLine(), "column": f.GetColumn(), "severity": f.GetSeverity(), "code": f.GetCode(), "rule": f.GetRule(), "text": f.GetText()})
	}
	return map[string]any{
		"proposal": p.GetId(), "state": p.GetState(), "by": p.GetBy(), "at": stamp(p.GetAt()), "effective": stamp(p.GetEffective()), "expires": stamp(p.GetExpires()), "note": p.GetNote(),
		"base": p.GetBase(), "rollback": p.GetRollback(), "decided_by": p.GetDecidedBy(), "decided_at": stamp(p.GetDecidedAt()), "decided_note": p.GetDecidedNote(),
		"version": p.GetVersion(), "committed": p.GetCommitted(), "findings": findings,
	}
}

func (a *app) agreementApproveCommand() *cobra.Command {
	var who governor
	var reject bool
	var note string
	cmd := &cobra.Command{
		Use:   "approve PROPOSAL",
		Short: "Approve or reject a proposal, as a second person",
		Long: `Approves a proposal that 'ridgeway agreement show' lists. Whoever proposed it
cannot; they can take it back with --reject, in whatever role they proposed it.
Who approves, or rejects what others proposed, is governance-lead or
privacy-officer. A proposal is stale when the agreement in force has changed
since it was made: simulate and propose it again.

Both names and the note are part of what the trust signs. Where the region
cannot be reached the agreement is kept here and told as soon as it can be.

JSON: proposal, state (approved, rejected), by, decided_by, decided_at, version,
committed, effective, expires, note.`,
		Example: `  ridgeway agreement approve --data d1 4b1f22c09a7e --user j.okafor
  ridgeway agreement approve --data d1 4b1f22c09a7e --user j.okafor --reject`,
		Args: argument(1, "the id of one proposal"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "user"); err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				p, err := c.ApproveAgreement(cmd.Context(), &admin.ApproveAgreementRequest{Proposal: args[0], Reject: reject, Note: note, Asker: who.message()})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(proposalObject(p))
				}
				a.showDecided(p)
				return nil
			})
		},
	}
	who.flags(cmd)
	cmd.Flags().BoolVar(&reject, "reject", false, "reject it instead; whoever proposed it takes it back")
	cmd.Flags().StringVar(&note, "note", "", "why; it is audited")
	return cmd
}

func (a *app) showDecided(p *admin.AgreementProposal) {
	switch {
	case p.GetState() == "rejected":
		a.say("Rejected by %s. Nothing has changed.", p.GetDecidedBy())
	case p.GetCommitted():
		a.say("Version %d, proposed by %s and approved by %s, is agreed by the region. %s", p.GetVersion(), p.GetBy(), p.GetDecidedBy(), period(p.GetEffective(), p.GetExpires()))
	default:
		a.say("Version %d is approved by %s and kept here: the region cannot agree now. It is told as soon as it can; until then the one before it stays in force.", p.GetVersion(), p.GetDecidedBy())
	}
}

// period says from when until when, in a sentence.
func period(effective, expires int64) string {
	text := "It is in force from " + stamp(effective)
	if expires != 0 {
		text += " until " + stamp(expires)
	}
	return text + "."
}

func (a *app) agreementRollbackCommand() *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:   "rollback VERSION",
		Short: "Propose the text of an earlier version again",
		Long: `Proposes the text of an earlier version. It becomes a new version once a second
person has approved it. It ends when the earlier version was to end, unless
--expires says otherwise; where that has passed, --expires must say until when.

JSON: as 'ridgeway agreement propose'.`,
		Example: `  ridgeway agreement rollback --data d1 1 --user a.mensah`,
		Args:    argument(1, "the number of one version"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "user"); err != nil {
				return err
			}
			version, err := strconv.ParseUint(args[0], 10, 62)
			if err != nil || version == 0 {
				return admin.Errorf(admin.CodeBadInput, "%q is not a version: 'ridgeway agreement history' lists them", args[0])
			}
			return a.propose(cmd, d, &admin.ProposeAgreementRequest{Rollback: version})
		},
	}
	d.flags(cmd)
	return cmd
}

func versionObject(v *admin.AgreementVersion) map[string]any {
	return map[string]any{
		"trust": v.GetTrust(), "version": v.GetVersion(), "state": v.GetState(), "effective": stamp(v.GetEffective()), "expires": stamp(v.GetExpires()),
		"proposer": v.GetProposer(), "approver": v.GetApprover(), "note": v.GetNote(), "signed": stamp(v.GetSigned()), "statement": v.GetStatement(),
		"index": v.GetIndex(), "cedar": v.GetCedar(),
	}
}

func agreementsObject(r *admin.AgreementsReply) map[string]any {
	versions, proposals := make([]map[string]any, 0, len(r.GetVersions())), make([]map[string]any, 0, len(r.GetProposals()))
	for _, v := range r.GetVersions() {
		versions = append(versions, versionObject(v))
	}
	for _, p := range r.GetProposals() {
		proposals = append(proposals, proposalObject(p))
	}
	return map[string]any{"trust": r.GetTrust(), "versions": versions, "proposals": proposals, "warnings": nonNil(r.GetWarnings())}
}

func (a *app) agreementShowCommand() *cobra.Command {
	return a.agreementsCommand(&cobra.Command{
		Use:   "show",
		Short: "Show the agreement in force, and what waits",
		Long: `Shows the agreement of this trust, or of another one of the region: what is in
force, what will be, and proposals that wait for a second person.

JSON: trust, versions (trust, version, state (future, in_force, expired),
effective, expires, proposer, approver, note, signed, statement, index, cedar),
proposals (proposal, state, by, at, effective, expires, note, base), warnings.`,
		Example: `  ridgeway agreement show --data d1
  ridgeway agreement show --data d1 --trust RAS`,
	}, false, a.showAgreements)
}

// agreementsCommand makes a command that shows a trust's agreements, all that there were with history.
func (a *app) agreementsCommand(cmd *cobra.Command, history bool, show func(*admin.AgreementsReply)) *cobra.Command {
	var trust string
	cmd.Args = argument(0, "flags only")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.ask(cmd.Context(), func(c admin.AdminClient) error {
			reply, err := c.Agreements(cmd.Context(), &admin.AgreementsRequest{Trust: trust, History: history})
			if err != nil {
				return err
			}
			if a.json {
				return a.emit(agreementsObject(reply))
			}
			show(reply)
			return nil
		})
	}
	cmd.Flags().StringVar(&trust, "trust", "", "ODS code of another trust of the region")
	return cmd
}

func (a *app) showAgreements(r *admin.AgreementsReply) {
	if len(r.GetVersions()) == 0 {
		a.say("%s has no agreement: nothing that it holds is released.", r.GetTrust())
	}
	for i, v := range r.GetVersions() {
		if i > 0 {
			a.say("")
		}
		a.say("%s  version %d, %s", v.GetTrust(), v.GetVersion(), strings.ReplaceAll(v.GetState(), "_", " "))
		until := "until another takes its place"
		if v.GetExpires() != 0 {
			until = "until " + stamp(v.GetExpires())
		}
		a.say("In force  from %s %s", stamp(v.GetEffective()), until)
		if v.GetProposer() != "" {
			a.say("Decided   proposed by %s, approved by %s", v.GetProposer(), v.GetApprover())
		}
		if v.GetNote() != "" {
			a.say("%s", wrap("Note      "+v.GetNote(), screenWidth))
		}
		a.say("Signed    %s, entry %d of the region's log\n          %s", stamp(v.GetSigned()), v.GetIndex(), v.GetStatement())
		a.say("\n%s", strings.TrimRight(v.GetCedar(), "\n"))
	}
	for _, p := range r.GetProposals() {
		a.say("\nProposal %s of %s by %s: %s%s", p.GetId(), stamp(p.GetAt()), p.GetBy(), p.GetState(), noteText(p.GetNote()))
		if p.GetState() == "proposed" {
			a.say("  ridgeway agreement approve --data %s %s --user STAFF-ID", admin.Arg(a.data), p.GetId())
		}
	}
	for _, text := range r.GetWarnings() {
		a.say("\n%s", wrap("Warning: "+text, screenWidth))
	}
}

func noteText(note string) string {
	if note == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", note)
}

func (a *app) agreementHistoryCommand() *cobra.Command {
	return a.agreementsCommand(&cobra.Command{
		Use:   "history",
		Short: "List all versions, and who decided on them",
		Long: `Lists the versions that a trust's agreement has had, the newest first, and of
this trust what was proposed. 'ridgeway agreement rollback' takes one up again.

JSON: as 'ridgeway agreement show', without the texts.`,
		Example: `  ridgeway agreement history --data d1`,
	}, true, a.showHistory)
}

func (a *app) showHistory(r *admin.AgreementsReply) {
	rows := [][]string{{"VERSION", "STATE", "FROM", "UNTIL", "PROPOSED", "APPROVED", "NOTE"}}
	for _, v := range r.GetVersions() {
		rows = append(rows, []string{
			strconv.FormatUint(v.GetVersion(), 10), strings.ReplaceAll(v.GetState(), "_", " "), day(v.GetEffective()), orDash(day(v.GetExpires())),
			orDash(v.GetProposer()), orDash(v.GetApprover()), orDash(v.GetNote()),
		})
	}
	table(a.out, 6, rows)
	if len(r.GetProposals()) == 0 {
		return
	}
	a.say("")
	rows = [][]string{{"PROPOSAL", "STATE", "ON", "BY", "DECIDED", "VERSION", "NOTE"}}
	for _, p := range r.GetProposals() {
		version := "-"
		if p.GetVersion() != 0 {
			version = strconv.FormatUint(p.GetVersion(), 10)
		}
		rows = append(rows, []string{p.GetId(), p.GetState(), day(p.GetAt()), p.GetBy(), orDash(p.GetDecidedBy()), version, orDash(p.GetNote())})
	}
	table(a.out, 6, rows)
}

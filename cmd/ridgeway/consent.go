package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) consentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "consent",
		Short: "What patients say about who may see what",
		Args:  groupOnly,
		RunE:  a.showHelp,
	}
	cmd.AddCommand(a.consentRecordCommand(), a.consentListCommand(), a.consentWithdrawCommand(), a.consentReceiptCommand(), a.consentPrecedenceCommand())
	return cmd
}

// recorder are the flags that say who records or reads what patients say.
type recorder struct{ as, by string }

func (r *recorder) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.by, "by", "", "staff id of who does it (default: your login name)")
	cmd.Flags().StringVar(&r.as, "as", "", "their role: a clinician's, records-staff, governance-lead or privacy-officer (default: clinician)")
}

func (r *recorder) message() *admin.Asker {
	return (&asking{user: r.by, role: r.as}).message()
}

// scopeFlags are the flags that say what a directive is about.
type scopeFlags struct{ admin.DirectiveScope }

func (s *scopeFlags) flags(cmd *cobra.Command) {
	for _, f := range []struct {
		to         *string
		name, does string
	}{
		{&s.Trust, "trust", "only staff of this trust (ODS code)"},
		{&s.Role, "role", "only staff in this role, or a kind of it, such as nurse"},
		{&s.Person, "person", "only one person: a staff id, with --trust"},
		{&s.Custodian, "custodian", "only documents that this trust holds"},
		{&s.Type, "type", "only documents of this type (SNOMED CT or local code)"},
		{&s.Category, "category", "only documents of this category"},
		{&s.Sensitivity, "sensitivity", "only documents with this label, such as HIV or MH"},
		{&s.Document, "document", "only this document"},
		{&s.From, "from", "only documents from this day on, such as 2020-01-01"},
		{&s.To, "to", "only documents up to this day"},
		{&s.Purpose, "purpose", "only for this purpose (HL7 v3-ActReason)"},
	} {
		cmd.Flags().StringVar(f.to, f.name, "", f.does)
	}
}

func (a *app) consentRecordCommand() *cobra.Command {
	var who recorder
	var scope scopeFlags
	var deny, permit, yes bool
	var except []string
	q := &admin.RecordDirectiveRequest{}
	cmd := &cobra.Command{
		Use:   "record NHS-NUMBER",
		Short: "Record what a patient refuses or permits",
		Long: `Records what a patient refuses (--deny) or permits (--permit). Without more it
is about everything; each flag narrows it, and all of them must fit. --except
takes something out again: there a refusal says nothing, a permission refuses.

It is read back in plain words first, with the risk and with what it contradicts
of what the patient has said before. Confirm it on the terminal, or with --yes;
without either nothing is recorded. A refusal is in force at this node at once,
a permission when the region has agreed. A permission opens nothing that the
trust's own agreement does not share. A patient of whom this trust holds nothing
may say so here too: it is taken all the same, so check the number.

JSON: directive, recorded, read_back, conflicts, in_force, committed, index.`,
		Example: `  ridgeway consent record --data d1 9434765919 --deny --type 824321000000109 \
      --trust RAS --evidence "in person, passport seen"
  ridgeway consent record --data d1 9434765919 --deny --sensitivity MH \
      --except "trust=RYJ, role=psychologist" --evidence "letter of 1 March"
  ridgeway consent record --data d1 9434765919 --permit --until 2027-03-31 \
      --evidence "phone call, identity checked" --yes`,
		Args: patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if deny == permit {
				return admin.Errorf(admin.CodeBadInput, "say what the patient wants: --deny or --permit")
			}
			if err := needs(cmd, "evidence"); err != nil {
				return err
			}
			q.Patient, q.Permit, q.Scope, q.Asker = joined(args), permit, &scope.DirectiveScope, who.message()
			q.By = q.GetAsker().GetUser()
			for _, text := range except {
				s, err := node.ParseScope(text)
				if err != nil {
					return admin.Errorf(admin.CodeBadInput, "--except %q: %v", text, faults(err))
				}
				q.Except = append(q.Except, scopeMessage(s))
			}
			a.harmless = true // until it is confirmed
			return a.ask(cmd.Context(), func(c admin.AdminClient) error { return a.recordDirective(cmd.Context(), c, q, yes) })
		},
	}
	cmd.Flags().BoolVar(&deny, "deny", false, "the patient refuses")
	cmd.Flags().BoolVar(&permit, "permit", false, "the patient permits")
	scope.flags(cmd)
	cmd.Flags().StringArrayVar(&except, "except", nil, "but not this, such as \"trust=RYJ, role=nurse\"; may be repeated")
	cmd.Flags().StringVar(&q.Until, "until", "", "last day on which it is in force, such as 2027-03-31")
	cmd.Flags().StringVar(&q.Supersedes, "supersedes", "", "id of what the patient said before, which this replaces")
	cmd.Flags().StringVar(&q.Evidence, "evidence", "", "on what evidence, such as a letter or a conversation")
	who.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "it was read back and confirmed: do not ask")
	return cmd
}

// faults is a directive's error without what stands before the first fault.
func faults(err error) string {
	var all *node.DirectiveError
	if !errors.As(err, &all) {
		return err.Error()
	}
	lines := make([]string, len(all.Faults))
	for i := range all.Faults {
		lines[i] = all.Faults[i].Error()
	}
	return strings.Join(lines, "; ")
}

func scopeMessage(s node.ScopeFields) *admin.DirectiveScope {
	return &admin.DirectiveScope{
		Trust: s.Trust, Role: s.Role, Person: s.Person, Custodian: s.Custodian, Type: s.Type, Category: s.Category,
		Sensitivity: s.Sensitivity, Document: s.Document, From: s.From, To: s.To, Purpose: s.Purpose,
	}
}

// recordDirective reads a directive back, asks whether it is right, and records it.
func (a *app) recordDirective(ctx context.Context, c admin.AdminClient, q *admin.RecordDirectiveRequest, yes bool) error {
	q.Confirm = false
	back, err := c.RecordDirective(ctx, q)
	if err != nil {
		return err
	}
	a.readBack(back)
	if !yes && !a.json && onTerminal(a.out) {
		fmt.Fprint(a.err, "Is this what the patient wants? [y/N] ")
		if yes, _, err = a.answer(ctx); err != nil {
			return err
		}
	}
	if !yes {
		a.say("Nothing was recorded: confirm it with --yes once the patient has.")
		return a.directiveJSON(back, false)
	}
	q.Confirm, a.harmless = true, false
	reply, err := c.RecordDirective(ctx, q)
	if err != nil {
		return err
	}
	switch {
	case reply.GetCommitted():
		a.say("Recorded as %s and agreed by the region.", reply.GetDirective())
	case reply.GetInForce():
		a.say("Recorded as %s and in force here. Other trusts follow once the region can be reached.", reply.GetDirective())
	default:
		a.say("Recorded as %s. It counts once the region can be reached and agrees.", reply.GetDirective())
	}
	a.say("Who has applied it:")
	a.say("  ridgeway consent receipt --data %s %s \\\n    %s", admin.Arg(a.data), q.GetPatient(), reply.GetDirective())
	return a.directiveJSON(reply, true)
}

func (a *app) readBack(r *admin.RecordDirectiveReply) {
	a.say("%s", r.GetReadBack())
	for _, c := range r.GetConflicts() {
		a.say("This contradicts what was said before. %s", c)
	}
}

func (a *app) directiveJSON(r *admin.RecordDirectiveReply, recorded bool) error {
	if !a.json {
		return nil
	}
	return a.emit(map[string]any{
		"directive": r.GetDirective(), "recorded": recorded, "read_back": r.GetReadBack(), "conflicts": nonNil(r.GetConflicts()),
		"in_force": r.GetInForce(), "committed": r.GetCommitted(), "index": r.GetIndex(),
	})
}

// ofDirective lets commands through that name a patient and a directive. A number may be written in groups of digits, so that
// there can be more than two arguments.
func ofDirective(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return admin.Errorf(admin.CodeBadInput, "'%s' takes an NHS number and the id of a directive: 'ridgeway consent list' lists them", cmd.CommandPath())
	}
	return nil
}

func (a *app) consentWithdrawCommand() *cobra.Command {
	var who recorder
	var evidence string
	cmd := &cobra.Command{
		Use:   "withdraw NHS-NUMBER DIRECTIVE",
		Short: "Withdraw one thing that a patient has said",
		Long: `Ends one thing that a patient has said. What a permission opened is closed at
this node at once; what a refusal closed stays closed until the region has
agreed. History keeps both.

JSON: directive, recorded, read_back, conflicts, in_force, committed, index.`,
		Example: `  ridgeway consent withdraw --data d1 9434765919 \
      4b1f22c09a7d4e58b3c16f00d2a9e871 --evidence "letter of 1 March"`,
		Args: ofDirective,
		RunE: func(cmd *cobra.Command, args []string) error {
			last := len(args) - 1
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				asker := who.message()
				reply, err := c.WithdrawDirective(cmd.Context(), &admin.WithdrawDirectiveRequest{
					Patient: joined(args[:last]), Directive: args[last], By: asker.GetUser(), Evidence: evidence, Asker: asker,
				})
				if err != nil {
					return err
				}
				a.say("%s", reply.GetReadBack())
				switch {
				case reply.GetCommitted():
					a.say("The withdrawal is recorded and agreed by the region.")
				case reply.GetInForce():
					a.say("The withdrawal is recorded and in force here: what was permitted is closed. Other trusts follow once the region can be reached.")
				default:
					a.say("The withdrawal is recorded here. It counts once the region can be reached and agrees; until then what was refused stays closed.")
				}
				return a.directiveJSON(reply, true)
			})
		},
	}
	cmd.Flags().StringVar(&evidence, "evidence", "", "on what evidence, such as a letter or a conversation")
	who.flags(cmd)
	return cmd
}

func (a *app) consentListCommand() *cobra.Command {
	var who recorder
	var history bool
	cmd := &cobra.Command{
		Use:   "list NHS-NUMBER",
		Short: "List what a patient has said",
		Long: `Lists what a patient has said and what counts, and where two contradict each
other, which wins. --history lists what has ended as well. It is audited.

state is in_force; here: it counts at this trust, and the region has yet to
agree; waiting: it counts nowhere yet; withdrawn_here: withdrawn at this trust,
and the region has yet to agree; and with --history withdrawn, superseded,
expired and refused (by the region).

JSON: directives (directive, effect, state, text, by, trust, evidence, at,
index, until, ended_by), conflicts.`,
		Example: `  ridgeway consent list --data d1 9434765919 --history`,
		Args:    patientArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Directives(cmd.Context(), &admin.DirectivesRequest{Patient: joined(args), History: history, Asker: who.message()})
				if err != nil {
					return err
				}
				return a.showDirectives(reply)
			})
		},
	}
	cmd.Flags().BoolVar(&history, "history", false, "what has ended too")
	who.flags(cmd)
	return cmd
}

func (a *app) showDirectives(r *admin.DirectivesReply) error {
	if a.json {
		list := []map[string]any{}
		for _, d := range r.GetDirectives() {
			list = append(list, map[string]any{
				"directive": d.GetDirective(), "effect": d.GetEffect(), "state": d.GetState(), "text": d.GetText(), "by": d.GetBy(), "trust": d.GetTrust(),
				"evidence": d.GetEvidence(), "at": stamp(d.GetAt()), "index": d.GetIndex(), "until": stamp(d.GetUntil()), "ended_by": d.GetEndedBy(),
			})
		}
		return a.emit(map[string]any{"directives": list, "conflicts": nonNil(r.GetConflicts())})
	}
	if len(r.GetDirectives()) == 0 {
		a.say("The patient has said nothing that counts.")
	}
	for i, d := range r.GetDirectives() {
		if i > 0 {
			a.say("")
		}
		a.say("%s  %s  %s", d.GetDirective(), d.GetEffect(), d.GetState())
		a.say("  %s", d.GetText())
		from := ""
		if d.GetEvidence() != "" {
			from = ": " + d.GetEvidence()
		}
		a.say("  Recorded by %s at %s, %s%s", d.GetBy(), d.GetTrust(), time.UnixMicro(d.GetAt()).UTC().Format("2 January 2006 15:04 UTC"), from)
		if d.GetEndedBy() != "" {
			a.say("  Ended by %s", d.GetEndedBy())
		}
	}
	for _, c := range r.GetConflicts() {
		a.say("")
		a.say("%s", c)
	}
	return nil
}

func (a *app) consentPrecedenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "precedence",
		Short: "Print which rule goes before which",
		Long: `Prints the one table by which every node decides: a rule is asked only if none
before it refused. It is the table in the code, and needs no node.

JSON: rules (number, name, text, passed_by_break_glass).`,
		Example: `  ridgeway consent precedence`,
		Args:    argument(0, "flags only"),
		RunE: func(*cobra.Command, []string) error {
			var list []map[string]any
			for _, r := range node.Precedence() {
				list = append(list, map[string]any{"number": r.Number, "name": r.Name, "text": r.Text, "passed_by_break_glass": r.Glass})
				passes := ""
				if r.Glass {
					passes = " (breaking the glass passes it)"
				}
				a.say("%d. %s%s", r.Number, r.Name, passes)
				a.say("%s", wrap("   "+r.Text, screenWidth))
			}
			if a.json {
				return a.emit(map[string]any{"rules": list})
			}
			return nil
		},
	}
}

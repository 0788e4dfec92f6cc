package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	// maxAgreementFile is how large a file with an agreement may be; what is a little smaller is still refused, by name.
	maxAgreementFile = 1 << 20
	// standIn is the trust's own code where none is known.
	standIn federation.TrustID = "OWN"
	// governing is the role that somebody who governs has unless they say another.
	governing = "governance-lead"
)

func (a *app) agreementCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agreement",
		Short: "What this trust shares: write, check, try out, propose, approve",
		Long: `A trust's agreement says who may see and open what the trust holds. It is a form
of building blocks, or Cedar, and goes through these steps:

  init, blocks      write a draft in a file; for Cedar there is 'schema'
  check             is there anything wrong or doubtful in it
  simulate          who gains and who loses, before it counts
  propose           keep it at the node for a second person
  approve           that person decides; the region agrees on it
  show, history     what is in force, and what was
  rollback          propose an earlier text again

It is in force from its time on until the next one takes its place or until it
expires. With none in force nothing is released, to the trust's own staff
neither: 'ridgeway status' and the log warn from 30 days ahead.`,
		Args: groupOnly,
		RunE: a.showHelp,
	}
	cmd.AddCommand(a.agreementInitCommand(), a.agreementBlocksCommand(), a.agreementSchemaCommand(), a.agreementCheckCommand(), a.agreementSimulateCommand(), a.agreementProposeCommand(),
		a.agreementApproveCommand(), a.agreementShowCommand(), a.agreementHistoryCommand(), a.agreementRollbackCommand())
	return cmd
}

// starterForm is what 'agreement init' writes.
const starterForm = `# What this trust shares, as a form. Each block below is a rule; 'ridgeway agreement
# blocks' lists all of them with what they can be told. Nothing is shared that no
# block gives. Check it with 'ridgeway agreement check FILE'.
name: Direct care in our region
description: Why this agreement is made, and who agreed to it.   # optional
# owner: information.governance@example.org                      # optional
# effective: 2027-01-01       # optional: from when on, from the day's beginning in UTC
# expires: 2028-01-01         # optional: until then; from then on nothing is shared

` + node.StarterBlocks + `
  # More, to be taken up by removing the '#':
  # - block: pharmacist-medications       # pharmacists see medication documents
  #   types: ["373942005"]
  # - block: out-of-hours-summaries       # out of hours, these see summaries
  #   trusts: [NLX01]
  #   types: ["824321000000109"]
  # - block: social-care-plans            # social workers see care plans
  #   trusts: [RAS]
  # - block: last-years                   # nothing older
  #   years: 3
`

func (a *app) agreementInitCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init FILE",
		Short: "Write a form to begin with",
		Long: `Writes a form with the usual building blocks and comments into a new file. It is
a draft: it counts once it is proposed and approved.

JSON: file.`,
		Example: `  ridgeway agreement init sharing.yaml`,
		Args:    argument(1, "the name of a file"),
		RunE: func(_ *cobra.Command, args []string) error {
			flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(args[0], flags, 0o644)
			if os.IsExist(err) {
				return admin.Errorf(admin.CodeBadInput, "%s is there already: name another file, or give --force to replace it", args[0])
			}
			if err != nil {
				return admin.Errorf(admin.CodeBadInput, "%v: name a file that can be written", err)
			}
			_, err = f.WriteString(starterForm)
			if closed := f.Close(); err == nil {
				err = closed
			}
			if err != nil {
				return admin.Errorf(admin.CodeDiskFull, "write %s: %v", args[0], err)
			}
			if a.json {
				return a.emit(map[string]any{"file": args[0]})
			}
			a.say("%s is a form to begin with. Edit it, then\n  ridgeway agreement check %s", args[0], args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

func (a *app) agreementBlocksCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "blocks [BLOCK]",
		Short: "List the building blocks of forms",
		Long: `Lists the building blocks, or shows one of them with all that it can be told.

JSON: blocks (name, does, parameters (name, kind, required, default, does),
example).`,
		Example: `  ridgeway agreement blocks
  ridgeway agreement blocks direct-care`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return argument(1, "the name of one block, or none")(cmd, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			all := node.AgreementBlocks()
			if len(args) == 1 {
				var names []string
				var found []node.AgreementBlock
				for _, b := range all {
					names = append(names, b.Name)
					if b.Name == args[0] {
						found = append(found, b)
					}
				}
				if all = found; len(all) == 0 {
					return admin.Errorf(admin.CodeBadInput, "there is no block %q: it is one of %s", args[0], strings.Join(names, ", "))
				}
			}
			if a.json {
				return a.emit(map[string]any{"blocks": all})
			}
			for i, b := range all {
				if i > 0 {
					a.say("")
				}
				a.showBlock(b)
			}
			return nil
		},
	}
}

func (a *app) agreementSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the region's Cedar schema",
		Long: `Prints what an agreement written in Cedar may speak of: users, documents,
actions and the context of a request, as a Cedar schema that editors and other
tools of Cedar read. It is the same at every trust of the region.

JSON: schema (the text).`,
		Example: `  ridgeway agreement schema`,
		Args:    argument(0, "flags only"),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.emit(map[string]any{"schema": node.AgreementSchema()})
			}
			_, err := io.WriteString(a.out, node.AgreementSchema())
			return err
		},
	}
}

func (a *app) showBlock(b node.AgreementBlock) {
	a.say("%s", b.Name)
	a.say("%s", wrap("  "+b.Does, screenWidth))
	for _, p := range b.Parameters {
		text := fmt.Sprintf("    %s (%s): %s", p.Name, p.Kind, strings.TrimSuffix(p.Does, "."))
		switch {
		case p.Required:
			text += "; required"
		case p.Default != "":
			text += "; default: " + p.Default
		}
		a.say("%s", wrap(text, screenWidth))
	}
	a.say("  Example:")
	for l := range strings.Lines(b.Example) {
		a.say("    %s", strings.TrimRight(l, "\n"))
	}
}

// readAgreement reads a file with a form or with Cedar; "-" is standard input.
func (a *app) readAgreement(path string) (*admin.AgreementText, error) {
	in := a.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, admin.Errorf(admin.CodeBadInput, "%v: name a file with a form or with Cedar", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxAgreementFile+1))
	switch {
	case err != nil:
		return nil, admin.Errorf(admin.CodeBadInput, "read %s: %v", path, err)
	case len(b) > maxAgreementFile:
		return nil, admin.Errorf(admin.CodeBadInput, "%s is too large: an agreement has at most 192 KiB, and a form 64 KiB", path)
	case strings.TrimSpace(string(b)) == "":
		return nil, admin.Errorf(admin.CodeBadInput, "%s is empty: 'ridgeway agreement init FILE' writes a form to begin with", path)
	case strings.ContainsRune(string(b), 0):
		return nil, admin.Errorf(admin.CodeBadInput, "%s is not text", path)
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	if isCedar(path, text) {
		return &admin.AgreementText{Cedar: text}, nil
	}
	return &admin.AgreementText{Form: text}, nil
}

// isCedar tells Cedar from a form by the file's name, and where that says nothing by how the text begins.
func isCedar(path, text string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".cedar":
		return true
	case ".yaml", ".yml":
		return false
	}
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		for _, begin := range []string{"//", "@", "permit", "forbid"} {
			if strings.HasPrefix(l, begin) {
				return true
			}
		}
		return false
	}
	return false
}

func (a *app) agreementCheckCommand() *cobra.Command {
	var cedar bool
	var trust string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong or doubtful in a draft",
		Long: `Checks a form or Cedar: syntax, unknown roles and codes, rules that can never
apply, contradictions, and whether the trust's own staff would be locked out of
its own records. An error keeps it from being proposed: the exit status is 2
then. A warning is for somebody to look at. FILE is - for standard input.

With --data it is checked against the roster of the node's region, for the
node's trust. Without a node it is checked for the trust of --trust instead, and
not against a roster.

JSON: file, findings (line, column, severity, code, rule, text), errors,
warnings, roster (whether it was checked against one), cedar.`,
		Example: `  ridgeway agreement check sharing.yaml
  ridgeway agreement check --data d1 sharing.yaml --cedar
  ridgeway agreement check --trust RYJ sharing.cedar`,
		Args: argument(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if trust != "" {
				if err := unused(cmd, "--trust", "data"); err != nil {
					return err
				}
			}
			text, err := a.readAgreement(args[0])
			if err != nil {
				return err
			}
			reply, roster, err := a.checkAgreement(cmd.Context(), text, trust)
			if err != nil {
				return err
			}
			return a.showCheck(args[0], reply, roster, cedar)
		},
	}
	cmd.Flags().BoolVar(&cedar, "cedar", false, "print the Cedar that it compiles to, and the findings on standard error")
	cmd.Flags().StringVar(&trust, "trust", "", "ODS code of the trust whose agreement it is, where no node runs")
	return cmd
}

// checkAgreement has the node check a draft, or does it here where none is named or none runs.
func (a *app) checkAgreement(ctx context.Context, text *admin.AgreementText, trust string) (reply *admin.CheckAgreementReply, roster bool, err error) {
	q := &admin.CheckAgreementRequest{Text: text}
	if a.data != "" && trust == "" {
		err := a.ask(ctx, func(c admin.AdminClient) (err error) {
			reply, err = c.CheckAgreement(ctx, q)
			return err
		})
		if err == nil || ctx.Err() != nil || admin.CodeOf(err) != admin.CodeUnavailable {
			return reply, true, err
		}
		a.note("No node runs in %s: the draft is checked without a roster.", a.data)
	}
	own := standIn
	if trust != "" {
		if own, err = federation.ParseTrustID(trust); err != nil {
			return nil, false, admin.Errorf(admin.CodeBadInput, "--trust: %v", err)
		}
	}
	reply, err = node.CheckDraft(q, own, time.Now().UTC())
	return reply, false, err
}

func (a *app) showCheck(file string, reply *admin.CheckAgreementReply, roster, cedar bool) error {
	faults, warnings := uint64(0), uint64(0)
	say := a.say
	if cedar && !a.json {
		say = a.note
	}
	list := make([]map[string]any, 0, len(reply.GetFindings()))
	for _, f := range reply.GetFindings() {
		if f.GetSeverity() == "error" {
			faults++
		} else {
			warnings++
		}
		list = append(list, map[string]any{"line": f.GetLine(), "column": f.GetColumn(), "severity": f.GetSeverity(), "code": f.GetCode(), "rule": f.GetRule(), "text": f.GetText()})
		say("%s:%d:%d: %s: %s (%s)", file, f.GetLine(), f.GetColumn(), f.GetSeverity(), f.GetText(), f.GetCode())
	}
	if a.json {
		if err := a.emit(map[string]any{"file": file, "findings": list, "errors": faults, "warnings": warnings, "roster": roster, "cedar": reply.GetCedar()}); err != nil {
			return err
		}
	} else {
		say("%s: %s, %s", file, plural(faults, "error"), plural(warnings, "warning"))
		if cedar && reply.GetCedar() != "" {
			a.say("%s", strings.TrimRight(reply.GetCedar(), "\n"))
		}
	}
	if faults > 0 {
		return errShown{code: admin.CodeBadInput}
	}
	return nil
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) auditExportCommand() *cobra.Command {
	var q auditQuery
	var proofs bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Export the audit log as FHIR AuditEvents, with proofs",
		Long: `Writes entries of this node's audit log to standard output, oldest first, one a
line: FHIR R4 AuditEvents after IHE Basic Audit Log Patterns. With --proofs the
first line is the last checkpoint of the log that the region has committed, and
each event has a proof that it is in the log under that checkpoint and says what
the log says; 'ridgeway audit prove' checks it, anywhere. Such a file opens
exactly the entries that are in it. Entries of the last seconds have no proof
yet. That the log was exported is an entry of it.

The output is the same with --json: one JSON object a line.`,
		Example: `  ridgeway audit export --data d1 --since 30d
  ridgeway audit export --data d1 --proofs --patient 9434765919`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := q.message(time.Now())
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				stream, err := c.ExportAudit(cmd.Context(), &admin.ExportAuditRequest{Filter: f, Asker: q.who.message(), Proofs: proofs})
				if err != nil {
					return err
				}
				w := bufio.NewWriterSize(a.out, 64<<10)
				for {
					reply, err := stream.Recv()
					if errors.Is(err, io.EOF) {
						return w.Flush()
					}
					if err != nil {
						return err
					}
					if _, err := w.Write(append(reply.GetLine(), '\n')); err != nil {
						return err
					}
				}
			})
		},
	}
	q.flags(cmd)
	cmd.Flags().Uint32Var(&q.filter.Limit, "limit", 0, "at most this many entries (default: all)")
	cmd.Flags().BoolVar(&proofs, "proofs", false, "with a proof for each entry")
	return cmd
}

func (a *app) auditProveCommand() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "prove FILE",
		Short: "Check an export with proofs, without a node",
		Long: `Checks a file of 'ridgeway audit export --proofs': that each entry is in the log
whose checkpoint stands in the first line, and that each event says what the
entry says. It needs no node and no key. It cannot know whether that checkpoint
is the one that the region has committed: ask another trust for the root it has,
and give it with --root. Nor can it know of entries that were left out of the
file. Ends with status 6 when a proof does not hold.

JSON: ok, trust, node, size, root, proven, unproven, findings.`,
		Example: `  ridgeway audit prove proof.ndjson
  ridgeway audit prove proof.ndjson --root 5f1c...`,
		Args: argument(1, "one file"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return admin.Errorf(admin.CodeBadInput, "%v: name a file of 'ridgeway audit export --proofs'", err)
			}
			defer func() { _ = f.Close() }() // it was only read
			return a.prove(f, root)
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "the root that another trust has for this log at this size")
	return cmd
}

// mostFindings bounds what is listed of a file of which nothing holds.
const mostFindings = 100

func (a *app) prove(r io.Reader, root string) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	if !lines.Scan() {
		return admin.Errorf(admin.CodeBadInput, "the file is empty")
	}
	head, err := node.ParseExportHead(lines.Bytes())
	if err != nil {
		return admin.Errorf(admin.CodeBadInput, "%v: make one with 'ridgeway audit export --proofs'", err)
	}
	var findings []string
	bad, proven, unproven := 0, 0, 0
	find := func(format string, args ...any) {
		if bad++; bad <= mostFindings {
			findings = append(findings, fmt.Sprintf(format, args...))
		}
	}
	if root != "" && root != head.Root {
		find("the export leads to another root than %s", root)
	}
	seen := make(map[uint64]bool)
	for n := 2; lines.Scan(); n++ {
		index, ok, err := node.ProveLine(head, lines.Bytes())
		switch {
		case err != nil:
			find("line %d: %v", n, err)
		case !ok:
			unproven++
		case seen[index]:
			find("line %d: entry %d is there twice", n, index)
		default:
			seen[index] = true
			proven++
		}
	}
	if err := lines.Err(); err != nil {
		find("the file ends early: %v", err)
	}
	return a.showProven(head, findings, proven, unproven, bad)
}

func (a *app) showProven(head node.ExportHead, findings []string, proven, unproven, bad int) error {
	if a.json {
		if err := a.emit(map[string]any{"ok": bad == 0, "trust": head.Trust, "node": head.Node, "size": head.Size, "root": head.Root, "proven": proven, "unproven": unproven, "findings": nonNil(findings)}); err != nil {
			return err
		}
	} else {
		a.say("The audit log of %s, %s, root\n  %s", head.Trust, plural(head.Size, "entry"), head.Root)
		a.say("%s proven.", plural(uint64(proven), "entry"))
		if unproven > 0 {
			a.say("%s without a proof: the region had not witnessed them when the file was made.", plural(uint64(unproven), "entry"))
		}
		for _, f := range findings {
			a.say("  %s", f)
		}
		if bad > 0 {
			a.say("%s NOT hold.", plural(uint64(bad), "line")+map[bool]string{true: " does", false: " do"}[bad == 1])
		}
	}
	if bad > 0 {
		return errShown{admin.CodeIntegrity}
	}
	return nil
}

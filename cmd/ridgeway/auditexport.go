package main

import (
	"bufio"
	"context"
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
exactly the entries that are in it. The region is asked to witness what is new
first; what came since it last could has no proof. That the log was exported is
an entry of it.

The output is the same with --json: one JSON object a line.`,
		Example: `  ridgeway audit export --data d1 --since 30d
  ridgeway audit export --data d1 --proofs --patient 9434765919`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.oneLine = true
			f, err := q.message(time.Now())
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				stream, err := c.ExportAudit(cmd.Context(), &admin.ExportAuditRequest{Filter: f, Asker: q.who.message(), Proofs: proofs})
				if err != nil {
					return err
				}
				return writeLines(a.out, func() ([]byte, error) {
					reply, err := stream.Recv()
					return reply.GetLine(), err
				})
			})
		},
	}
	q.flags(cmd)
	cmd.Flags().Uint32Var(&q.filter.Limit, "limit", 0, "at most this many entries (default: all)")
	cmd.Flags().BoolVar(&proofs, "proofs", false, "with a proof for each entry")
	return cmd
}

// writeLines writes what next returns, one a line, until io.EOF. However it ends, no line is left cut off.
func writeLines(out io.Writer, next func() ([]byte, error)) error {
	w := bufio.NewWriterSize(out, 64<<10)
	for {
		line, err := next()
		if err != nil {
			if failed := w.Flush(); failed != nil || errors.Is(err, io.EOF) {
				return failed
			}
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
}

func (a *app) auditProveCommand() *cobra.Command {
	var root string
	var region bool
	cmd := &cobra.Command{
		Use:   "prove FILE",
		Short: "Check an export with proofs, with or without a node",
		Long: `Checks a file of 'ridgeway audit export --proofs': that each entry is in the log
whose checkpoint stands in the first line, and that each event says what the
entry says. It needs no node and no key. By itself it cannot know whether that
checkpoint is the one that the region has committed. With --region it asks the
node of --data, of any trust of the region, which looks in its own copy of what
was committed; or give the root that another trust has ('ridgeway audit root')
with --root. It cannot know of entries that were left out of the file. Ends with
status 6 when a proof does not hold.

JSON: ok, trust, node, size, root, committed, proven, unproven, findings.`,
		Example: `  ridgeway audit prove proof.ndjson
  ridgeway audit prove proof.ndjson --region --data d2
  ridgeway audit prove proof.ndjson --root 5f1c...`,
		Args: argument(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return admin.Errorf(admin.CodeBadInput, "%v: name a file of 'ridgeway audit export --proofs'", err)
			}
			defer context.AfterFunc(cmd.Context(), func() { _ = f.Close() })() // a pipe may have no more to read for long
			defer func() { _ = f.Close() }()                                   // it was only read
			check := func(node.ExportHead) (string, error) { return "", nil }
			switch {
			case region && root != "":
				return admin.Errorf(admin.CodeBadInput, "--root and --region both say what the root must be: give one of them")
			case region:
				check = func(h node.ExportHead) (string, error) { return a.committedRoot(cmd.Context(), h) }
			case root != "":
				check = func(h node.ExportHead) (string, error) { return otherRoot(h.Root, root), nil }
			}
			return a.prove(cmd.Context(), f, region || root != "", check)
		},
	}
	cmd.Flags().BoolVar(&region, "region", false, "ask the node of --data whether the region has committed the checkpoint")
	cmd.Flags().StringVar(&root, "root", "", "the root that another trust has for this log at this size")
	return cmd
}

// mostFindings bounds what is listed of a file of which nothing holds.
const mostFindings = 100

// otherRoot says that a root is not the one that it must be.
func otherRoot(got, want string) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("the export leads to another root than %s", want)
}

// committedRoot asks a node whether the region has committed an export's checkpoint, and says why not.
func (a *app) committedRoot(ctx context.Context, h node.ExportHead) (problem string, err error) {
	err = a.ask(ctx, func(c admin.AdminClient) error {
		state, err := c.Status(ctx, &admin.StatusRequest{})
		if err != nil {
			return err
		}
		if state.GetRegionId() != h.Region {
			problem = fmt.Sprintf("the export is of region %s, and the node of --data is of another", clip(h.Region, 17))
			return nil
		}
		reply, err := c.AuditRoots(ctx, &admin.AuditRootsRequest{Trust: h.Trust, Node: h.Node, Size: h.Size, Committed: h.Index})
		switch {
		case admin.CodeOf(admin.FromStatus(err)) == admin.CodeNotFound:
			problem = fmt.Sprintf("the region has no node %s of %s", h.Node, h.Trust)
		case err != nil:
			return err
		case len(reply.GetRoots()) != 1:
			problem = fmt.Sprintf("%s knows of no checkpoint of %d entries that the region has committed for this log: the export is made up, or newer than that node's copy", state.GetTrust(), h.Size)
		default:
			problem = otherRoot(h.Root, reply.GetRoots()[0].GetRoot())
		}
		return nil
	})
	return problem, err
}

// prove checks an export. What check is asked is whether the checkpoint in its head is the right one.
func (a *app) prove(ctx context.Context, r io.Reader, checked bool, check func(node.ExportHead) (problem string, err error)) error {
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
	problem, err := check(head)
	if err != nil {
		return err
	}
	if problem != "" {
		find("%s", problem)
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
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lines.Err(); err != nil {
		find("the file ends early: %v", err)
	}
	return a.showProven(head, provenTo{findings, proven, unproven, bad, checked && problem == ""})
}

// provenTo is what a check of an export has come to.
type provenTo struct {
	findings              []string
	proven, unproven, bad int
	committed             bool // the checkpoint is known to be the region's
}

func (a *app) showProven(head node.ExportHead, p provenTo) error {
	if a.json {
		if err := a.emit(map[string]any{"ok": p.bad == 0, "trust": head.Trust, "node": head.Node, "size": head.Size, "root": head.Root, "committed": p.committed, "proven": p.proven, "unproven": p.unproven, "findings": nonNil(p.findings)}); err != nil {
			return err
		}
	} else {
		a.say("The audit log of %s, %s, root\n  %s", head.Trust, plural(head.Size, "entry"), head.Root)
		if p.committed {
			a.say("That root is the one that the region has committed.")
		} else if p.bad == 0 {
			a.say("Whether the region has committed that root was not checked: add --region, or --root.")
		}
		a.say("%s proven.", plural(uint64(p.proven), "entry"))
		if p.unproven > 0 {
			a.say("%s without a proof: the region had not witnessed them when the file was made.", plural(uint64(p.unproven), "entry"))
		}
		for _, f := range p.findings {
			a.say("  %s", f)
		}
		if p.bad > 0 {
			a.say("%s NOT hold.", plural(uint64(p.bad), "line")+map[bool]string{true: " does", false: " do"}[p.bad == 1])
		}
	}
	if p.bad > 0 {
		return errShown{admin.CodeIntegrity}
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// problemsShown is how many documents that cannot be labelled the text for people names; JSON has up to 1,000.
const problemsShown = 10

// labelHelp tells what is chosen, what a change of labels does, and when.
const labelHelp = `Sets the confidentiality of documents of this trust, and adds or takes away
sensitivity labels. Which: ids, --manifest with a file of ids (one a line, or a
CSV with a column "document"), or all that fit every
one given of --patient, --type, --category, --specialty, --author, --from, --to,
--with (a label) and --now (the confidentiality they have).

Shows first how many documents it takes away and opens, and for whom: roles,
trusts and purposes, with examples and the rules that decide. Nothing is changed
before it is confirmed on the terminal, or with --yes. What takes away counts
here at once, what opens when the region has agreed; each document is published
anew in place of what the index had, and each change is audited. Run again after
an interruption, it does what is left.

A document is sealed (the index says only that there is one) when it is R or V,
bears a label, or is of a kind in sealed_types or sealed_specialties. One with a
legal class, or of a type in legal_types, is released to nobody. When these
settings come to name more, what was published before is published anew at the
next start; what they no longer name stays sealed until --reseal.

Ends with 10 when some of the documents that were named cannot be labelled.

It notes where a version comes to be stricter than the one that it replaced: who
may not see the later one is shown the earlier one as the latest.

JSON: chosen, changed, unchanged, done, committed, sealed, unsealed, barred (by
law), admitted, unexamined, plan, notes (document, message), problems (document,
code, message), impact (gained, lost, counts (by, value, gained, lost),
examples), in documents; impact is of a preview only.`

func (a *app) labelCommand() *cobra.Command {
	var who inquirer
	var preview, yes bool
	var manifest string
	choice := &admin.DocumentChoice{}
	q := &admin.RelabelRequest{Choice: choice}
	cmd := &cobra.Command{
		Use:   "label [DOCUMENT...]",
		Short: "Change who may see documents, many at a time",
		Long:  labelHelp,
		Example: `  ridgeway label --data d1 --type 824321000000109 --confidentiality R --preview
  ridgeway label --data d1 RYJ-4K7QZ2M9X1B3C5D7 --add HIV --yes
  ridgeway label --data d1 --manifest ids.csv --remove MH --reason "reviewed"
  ridgeway label --data d1 --type local:letter-7 --reseal --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if preview && yes {
				return admin.Errorf(admin.CodeBadInput, "--preview changes nothing and --yes does not ask: give one of them")
			}
			if yes {
				if err := unused(cmd, "--yes", "examples"); err != nil {
					return err
				}
			}
			choice.Documents = args
			if manifest != "" {
				ids, err := readIDs(manifest)
				if err != nil {
					return err
				}
				choice.Documents = append(choice.Documents, ids...)
			}
			q.By = who.message()
			return a.ask(cmd.Context(), func(c admin.AdminClient) error { return a.label(cmd.Context(), c, q, preview, yes) })
		},
	}
	f := cmd.Flags()
	for _, text := range []struct {
		to         *string
		name, does string
	}{
		{&manifest, "manifest", "file of document ids"},
		{&choice.Patient, "patient", "documents of this patient (NHS number)"},
		{&choice.Type, "type", "documents of this type (SNOMED CT or local code)"},
		{&choice.Category, "category", "documents of this category"},
		{&choice.Specialty, "specialty", "documents of this specialty"},
		{&choice.Author, "author", "documents by this author, as it was taken in"},
		{&choice.From, "from", "documents from this day on, such as 2020-01-01"},
		{&choice.To, "to", "documents up to this day"},
		{&choice.Sensitivity, "with", "documents that bear this label"},
		{&choice.Confidentiality, "now", "documents of this confidentiality"},
		{&q.Confidentiality, "confidentiality", "make it U, L, M, N, R or V"},
		{&q.Legal, "legal", "make it HFEA, GRA or ADOPTION: released to nobody; or none"},
		{&q.Reason, "reason", "why; it is kept in the audit log"},
	} {
		f.StringVar(text.to, text.name, "", text.does)
	}
	f.StringSliceVar(&q.Add, "add", nil, "sensitivity label to add, such as HIV; may be repeated")
	f.StringSliceVar(&q.Remove, "remove", nil, "sensitivity label to take away; may be repeated")
	f.BoolVar(&q.Reseal, "reseal", false, "publish anew what the index has otherwise than labels and settings say")
	f.Uint32Var(&q.Examples, "examples", 5, "how many examples, at most 10")
	f.BoolVar(&preview, "preview", false, "say what would be done, and change nothing")
	f.BoolVar(&yes, "yes", false, "do it and do not ask")
	who.flags(cmd)
	return cmd
}

// readIDs reads document ids: one a line, or those of the column "document" of a CSV file.
func readIDs(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, admin.Errorf(admin.CodeBadInput, "--manifest: %v", err)
	}
	defer func() { _ = f.Close() }()
	text := bufio.NewReader(f)
	if mark, _, err := text.ReadRune(); err == nil && mark != '\uFEFF' {
		_ = text.UnreadRune() // it has just been read
	}
	r := csv.NewReader(text)
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	var ids []string
	column := 0
	for line := 1; ; line++ {
		row, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			if len(ids) == 0 {
				return nil, admin.Errorf(admin.CodeBadInput, "%s names no documents: write one id a line, or a CSV file with a column \"document\"", path)
			}
			return ids, nil
		case err != nil:
			return nil, admin.Errorf(admin.CodeBadInput, "%s: %v", path, err)
		case line == 1:
			if at := columnOf(row); at >= 0 {
				column = at
				continue
			}
			if len(row) > 1 {
				return nil, admin.Errorf(admin.CodeBadInput, "%s has several columns and none is called \"document\": name the one with the ids so", path)
			}
		}
		if column < len(row) && strings.TrimSpace(row[column]) != "" {
			ids = append(ids, strings.TrimSpace(row[column]))
		}
	}
}

func columnOf(header []string) int {
	for i, name := range header {
		if strings.EqualFold(strings.TrimSpace(name), "document") {
			return i
		}
	}
	return -1
}

// label shows what a change would do, asks whether it is to be done, and does it.
func (a *app) label(ctx context.Context, c admin.AdminClient, q *admin.RelabelRequest, preview, yes bool) error {
	if !yes {
		reply, err := c.Relabel(ctx, q)
		if err != nil {
			return err
		}
		a.sayLabelPlan(reply)
		ask := !preview && !a.json && onTerminal(a.out) && reply.GetChanged() > 0
		if ask {
			fmt.Fprintf(a.err, "Change the labels of %s? [y/N] ", plural(reply.GetChanged(), "document"))
			if yes, _, err = a.answer(ctx); err != nil {
				return err
			}
		}
		if !yes {
			switch {
			case reply.GetChanged() == 0:
				a.say("Nothing is to be changed.")
			case ask || preview:
				a.say("Nothing was changed.")
			default:
				a.say("Nothing was changed: do it with --yes.")
			}
			return a.endLabel(reply)
		}
		q.Plan = reply.GetPlan()
	}
	q.Confirm = true
	reply, err := c.Relabel(ctx, q)
	if err != nil {
		return err
	}
	a.say("%s changed; %d were labelled so already.", plural(reply.GetChanged(), "document"), reply.GetUnchanged())
	a.sayLabelNotes(reply)
	switch {
	case reply.GetChanged() == 0:
	case reply.GetCommitted():
		a.say("The region has agreed.")
	default:
		a.say("What was taken away is taken away here; the region is told as soon as it can be. 'ridgeway status' says how many wait.")
	}
	return a.endLabel(reply)
}

func (a *app) sayLabelPlan(r *admin.RelabelReply) {
	a.say("%s would be changed; %d of %d are labelled so already.", plural(r.GetChanged(), "document"), r.GetUnchanged(), r.GetChosen())
	for _, l := range []struct {
		n    uint64
		text string
	}{
		{r.GetSealed(), "become sealed: the index no longer says what they are"},
		{r.GetUnsealed(), "are opened: the index says what they are, to every trust"},
		{r.GetBarred(), "become barred by law: withdrawn from the region, released to nobody"},
		{r.GetAdmitted(), "are no longer barred by law: published"},
		{r.GetUnexamined(), "are too unlike the others to be simulated, and are not in what follows"},
	} {
		if l.n > 0 {
			a.say("  %d %s", l.n, l.text)
		}
	}
	a.sayLabelNotes(r)
	if r.GetChanged() > 0 {
		a.say("")
		a.showCounts(fmt.Sprintf("Somebody loses %s and somebody gains %s:", plural(r.GetImpact().GetLost(), "document"), plural(r.GetImpact().GetGained(), "document")), "then", r.GetImpact())
		a.say("")
	}
}

// sayLabelNotes prints what whoever labels has to judge.
func (a *app) sayLabelNotes(r *admin.RelabelReply) {
	for i, note := range r.GetNotes() {
		if i == problemsShown {
			a.say("  and %d more: --json names them", len(r.GetNotes())-i)
			break
		}
		a.say("Note: %s", note.GetMessage())
	}
}

// endLabel prints what is not labelled, or with --json the whole reply, and returns what the command ends with.
func (a *app) endLabel(r *admin.RelabelReply) error {
	var code admin.Code
	switch n := len(r.GetProblems()); {
	case n == 0:
	case r.GetChanged()+r.GetUnchanged() > 0:
		code = admin.CodePartly
	default:
		code = admin.Code(r.GetProblems()[0].GetCode())
	}
	if a.json {
		return errors.Join(a.emit(labelObject(r, code)), shownAs(code))
	}
	for i, p := range r.GetProblems() {
		if i == problemsShown {
			a.note("and %d more: --json names them", len(r.GetProblems())-i)
			break
		}
		a.note("ridgeway: %s", p.GetMessage())
	}
	return shownAs(code)
}

func shownAs(code admin.Code) error {
	if code == "" {
		return nil
	}
	return errShown{code}
}

func labelObject(r *admin.RelabelReply, code admin.Code) map[string]any {
	problems := make([]map[string]any, 0, len(r.GetProblems()))
	for _, p := range r.GetProblems() {
		problems = append(problems, map[string]any{"document": p.GetDocument(), "code": p.GetCode(), "message": p.GetMessage()})
	}
	notes := make([]map[string]any, 0, len(r.GetNotes()))
	for _, p := range r.GetNotes() {
		notes = append(notes, map[string]any{"document": p.GetDocument(), "message": p.GetMessage()})
	}
	out := map[string]any{
		"notes": notes, "chosen": r.GetChosen(), "changed": r.GetChanged(), "unchanged": r.GetUnchanged(), "done": r.GetDone(), "committed": r.GetCommitted(), "sealed": r.GetSealed(),
		"unsealed": r.GetUnsealed(), "barred": r.GetBarred(), "admitted": r.GetAdmitted(), "unexamined": r.GetUnexamined(), "plan": r.GetPlan(), "problems": problems,
	}
	if x := r.GetImpact(); x != nil {
		all := impactObject(x)
		out["impact"] = map[string]any{"gained": all["gained"], "lost": all["lost"], "counts": all["counts"], "examples": all["examples"]}
	}
	if code != "" {
		out["error"] = problem{Code: string(code), Message: fmt.Sprintf("%d of the documents that were named cannot be labelled: %s", len(r.GetProblems()), r.GetProblems()[0].GetMessage())}
	}
	return out
}

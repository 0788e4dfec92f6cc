package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// countsShown is how many values of each kind the text for people has; JSON has all.
const countsShown = 8

func (a *app) agreementSimulateCommand() *cobra.Command {
	var days, examples uint32
	var user string
	cmd := &cobra.Command{
		Use:   "simulate FILE",
		Short: "Say who would gain and who would lose",
		Long: `Decides requests under the agreement in force and under the draft, and says what
changes: first those that the audit log has of the last days, with what the
patients have said until today; then every combination of role, purpose, trust,
kind of document and action that the two agreements can tell apart. Nothing is
changed. That it was asked is audited.

JSON: audited, matrix; each has decided, before, after, gained, lost, skipped,
since, counts (by, value, gained, lost), examples (gained, request, count,
before, after): each stands for count requests of the same role, trust, purpose
and type that are decided by the same rules. The first of them is of the most;
each other one shows most that those before it do not.`,
		Example: `  ridgeway agreement simulate --data d1 sharing.yaml --days 90`,
		Args:    argument(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.readAgreement(args[0])
			if err != nil {
				return err
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.SimulateAgreement(cmd.Context(), &admin.SimulateAgreementRequest{Text: text, Days: days, Examples: examples, Asker: (&asking{user: user}).message()})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"audited": impactObject(reply.GetAudited()), "matrix": impactObject(reply.GetMatrix())})
				}
				audited := reply.GetAudited()
				a.showImpact(fmt.Sprintf("What was asked for since %s: %s", stamp(audited.GetSince()), plural(audited.GetDecided(), "request")), audited)
				a.say("")
				a.showImpact("What could be asked for: "+plural(reply.GetMatrix().GetDecided(), "kind")+" of request", reply.GetMatrix())
				return nil
			})
		},
	}
	cmd.Flags().Uint32Var(&days, "days", 30, "audited requests of so many days")
	cmd.Flags().Uint32Var(&examples, "examples", 10, "how many examples of each, at most 60")
	cmd.Flags().StringVar(&user, "user", "", "staff id of who asks (default: your login name)")
	return cmd
}

func impactObject(x *admin.Impact) map[string]any {
	counts, examples := make([]map[string]any, 0, len(x.GetCounts())), make([]map[string]any, 0, len(x.GetExamples()))
	for _, c := range x.GetCounts() {
		counts = append(counts, map[string]any{"by": c.GetBy(), "value": c.GetValue(), "gained": c.GetGained(), "lost": c.GetLost()})
	}
	for _, e := range x.GetExamples() {
		examples = append(examples, map[string]any{"gained": e.GetGained(), "request": e.GetRequest(), "count": e.GetCount(), "before": nonNil(e.GetBefore()), "after": nonNil(e.GetAfter())})
	}
	return map[string]any{
		"decided": x.GetDecided(), "before": x.GetBefore(), "after": x.GetAfter(), "gained": x.GetGained(), "lost": x.GetLost(), "skipped": x.GetSkipped(),
		"since": stamp(x.GetSince()), "counts": counts, "examples": examples,
	}
}

// showImpact says what changes within 80 columns, wherever it is printed: it goes into minutes and mails.
func (a *app) showImpact(title string, x *admin.Impact) {
	a.say("%s", wrap(title, screenWidth))
	if x.GetSkipped() > 0 {
		a.say("%s", wrap(fmt.Sprintf("  %s cannot be decided again: the document is not held any more, or there is none.", plural(x.GetSkipped(), "request")), screenWidth))
	}
	a.showCounts(fmt.Sprintf("  permitted now %d, under the draft %d: %d gained, %d lost", x.GetBefore(), x.GetAfter(), x.GetGained(), x.GetLost()), "draft", x)
}

// showCounts says who gains and who loses how much, with examples; then is the name of what would decide.
func (a *app) showCounts(title, then string, x *admin.Impact) {
	a.say("%s", title)
	if x.GetGained()+x.GetLost() == 0 {
		a.say("  Nobody gains or loses anything.")
		return
	}
	a.say("\n  %-16s %-40s %8s %8s", "BY", "", "GAINED", "LOST")
	shown, by := 0, ""
	for _, c := range x.GetCounts() {
		name := ""
		if c.GetBy() != by {
			by, name, shown = c.GetBy(), c.GetBy(), 0
		}
		shown++
		switch {
		case shown == countsShown+1:
			a.say("  %-16s %s", "", "and more: --json has all")
		case shown <= countsShown:
			a.say("  %-16s %-40s %8d %8d", name, clip(c.GetValue(), 40), c.GetGained(), c.GetLost())
		}
	}
	for _, e := range x.GetExamples() {
		word := "Loses"
		if e.GetGained() {
			word = "Gains"
		}
		if e.GetCount() > 1 {
			word += fmt.Sprintf(" (%d like it)", e.GetCount())
		}
		a.say("\n%s", wrap("  "+word+": "+e.GetRequest(), screenWidth))
		a.showChain("now", e.GetBefore())
		a.showChain(then, e.GetAfter())
	}
	a.showCodes(impactCodes(x))
}

// impactCodes is all in which an impact, as it is shown, has codes.
func impactCodes(x *admin.Impact) string {
	var b strings.Builder
	for _, c := range x.GetCounts() {
		fmt.Fprintln(&b, c.GetBy(), c.GetValue())
	}
	for _, e := range x.GetExamples() {
		fmt.Fprintln(&b, e.GetRequest(), e.GetBefore(), e.GetAfter())
	}
	return b.String()
}

// showCodes says in words what the codes in a text are; nothing where it has none.
func (a *app) showCodes(text string) {
	if words := node.CodesIn(text); len(words) > 0 {
		a.say("\n%s", wrap("Codes: "+strings.Join(words, ", ")+".", screenWidth))
	}
}

// showChain prints the rules that decided, under a name.
func (a *app) showChain(name string, chain []string) {
	for i, l := range chain {
		if i > 0 {
			name = ""
		}
		text := wrap("          "+strings.TrimSpace(l), screenWidth)
		if i == 0 {
			text = fmt.Sprintf("    %-6s", name) + strings.TrimPrefix(text, "          ")
		}
		a.say("%s", text)
	}
}

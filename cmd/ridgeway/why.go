package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// inquirer are the flags that say who wants to know.
type inquirer struct{ by, as string }

func (i *inquirer) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&i.by, "by", "", "staff id of who asks for it (default: your login name)")
	cmd.Flags().StringVar(&i.as, "as", "", "their role: governance-lead, privacy-officer or records-staff (default: "+governing+")")
}

func (i *inquirer) message() *admin.Asker {
	role := i.as
	if role == "" {
		role = governing
	}
	return (&asking{user: i.by, role: role}).message()
}

func (a *app) whyCommand() *cobra.Command {
	var who inquirer
	q := &admin.WhyRequest{Asker: &admin.Asker{}}
	cmd := &cobra.Command{
		Use:   "why DOCUMENT",
		Short: "Say by which rules a request is decided",
		Long: `Decides one request as it would be decided now, and says by which rules, with
their versions, and what the user would be told. It is about this trust's
documents, or this trust's staff. For people with governance duties: it names
rules that no user may see, and that it was asked is audited.

JSON: question, outcome, agreement (version), chain, told.`,
		Example: `  ridgeway why --data d1 RYJ-4K7QZ2M9X1B3C5D7 --trust RAS --role nurse
  ridgeway why --data d1 RYJ-4K7QZ2M9X1B3C5D7 --action break-glass --trust RAS`,
		Args: argument(1, "the id of one document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Document, q.By = args[0], who.message()
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Why(cmd.Context(), q)
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(map[string]any{"question": reply.GetQuestion(), "outcome": reply.GetOutcome(), "agreement": reply.GetAgreement(), "chain": nonNil(reply.GetChain()), "told": reply.GetTold()})
				}
				a.showWhy(reply)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&q.Asker.User, "user", "", "staff id of whose request it is (default: anyone)")
	cmd.Flags().StringVar(&q.Asker.Role, "role", "", "their role (default: clinician)")
	cmd.Flags().StringVar(&q.Asker.Purpose, "purpose", "", "purpose of use, a code of HL7 v3-ActReason (default: TREAT)")
	cmd.Flags().StringVar(&q.Asker.Relationship, "relationship", "", "what they say justifies it")
	cmd.Flags().StringVar(&q.Trust, "trust", "", "ODS code of their trust (default: this one)")
	cmd.Flags().StringVar(&q.Action, "action", "open", "see, open, export or break-glass")
	who.flags(cmd)
	return cmd
}

func (a *app) showWhy(r *admin.WhyReply) {
	a.say("%s", wrap("Request: "+r.GetQuestion(), screenWidth))
	a.say("Outcome: %s", r.GetOutcome())
	a.say("")
	for _, l := range r.GetChain() {
		a.say("%s", wrap("  "+l, screenWidth))
	}
	a.showCodes(r.GetQuestion() + "\n" + strings.Join(r.GetChain(), "\n"))
}

func (a *app) whoCommand() *cobra.Command {
	var who inquirer
	cmd := &cobra.Command{
		Use:   "who DOCUMENT",
		Short: "Say who could see a document, and for which purposes",
		Long: `Says which roles at which trusts could see or open one of this trust's documents
now, and for which purposes. What a patient has said of one person is not seen
here. For people with governance duties; that it was asked is audited.

JSON: access (trust, role, purpose, see, open, break_glass, export, rule,
relationships).`,
		Example: `  ridgeway who --data d1 RYJ-4K7QZ2M9X1B3C5D7`,
		Args:    argument(1, "the id of one document"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Who(cmd.Context(), &admin.WhoRequest{Document: args[0], By: who.message()})
				if err != nil {
					return err
				}
				if a.json {
					list := make([]map[string]any, 0, len(reply.GetAccess()))
					for _, x := range reply.GetAccess() {
						list = append(list, map[string]any{
							"trust": x.GetTrust(), "role": x.GetRole(), "purpose": x.GetPurpose(), "see": x.GetSee(), "open": x.GetOpen(), "break_glass": x.GetGlass(), "export": x.GetExport(),
							"rule": x.GetRule(), "relationships": nonNil(x.GetRelationships()),
						})
					}
					return a.emit(map[string]any{"access": list})
				}
				a.showWho(reply)
				return nil
			})
		},
	}
	who.flags(cmd)
	return cmd
}

// access is who may do the same at one trust.
type access struct{ trust, may, needs, roles, purposes string }

// showWho says for each trust what may be done, by whom and for what: roles that may the same for the same purposes stand together.
func (a *app) showWho(r *admin.WhoReply) {
	groups := accessGroups(r)
	if len(groups) == 0 {
		a.say("Nobody can see it.")
	}
	trust, codes := "", ""
	for _, g := range groups {
		if g.trust != trust {
			trust = g.trust
			a.say("%s", trust)
		}
		text := fmt.Sprintf("  %s: %s, for %s", g.may, g.roles, g.purposes)
		if g.needs != "" {
			text += "; with a verified relationship: " + g.needs
		}
		a.say("%s", wrap(text, screenWidth))
		codes += text + "\n"
	}
	a.showCodes(codes)
	a.say("")
	a.say("This is as of now: rules that look at the hour or a date, and wishes that end,\ncan answer otherwise at another time.")
}

func accessGroups(r *admin.WhoReply) []access {
	var rows, out []access
	for _, x := range r.GetAccess() {
		row := access{trust: x.GetTrust(), may: mayText(x), needs: strings.Join(x.GetRelationships(), " or "), roles: x.GetRole(), purposes: x.GetPurpose()}
		rows = gather(rows, row, func(x *access) *string { return &x.purposes })
	}
	for _, row := range rows {
		row.purposes = purposeList(row.purposes)
		out = gather(out, row, func(x *access) *string { return &x.roles })
	}
	for i := range out {
		out[i].roles = roleList(out[i].roles)
	}
	slices.SortStableFunc(out, func(x, y access) int { return strings.Compare(x.trust, y.trust) })
	return out
}

// roleList names roles in their order, and a group once of which every kind is there.
func roleList(list string) string {
	groups, roles := node.RolesTogether(strings.Split(list, ", "))
	for i := range groups {
		groups[i] = "every kind of " + groups[i]
	}
	return strings.Join(append(groups, roles...), ", ")
}

func purposeList(list string) string {
	purposes, all := node.PurposesTogether(strings.Split(list, ", "))
	if all {
		return "any purpose"
	}
	return strings.Join(purposes, ", ")
}

// gather adds a row, or only its words of one column where there is a row that is equal in all others.
func gather(rows []access, row access, column func(*access) *string) []access {
	for i := range rows {
		words, same := *column(&rows[i]), row
		*column(&same) = words
		if same == rows[i] {
			*column(&rows[i]) = words + ", " + *column(&row)
			return rows
		}
	}
	return append(rows, row)
}

func mayText(x *admin.Access) string {
	var may []string
	if x.GetSee() {
		may = append(may, "see")
	}
	if x.GetOpen() {
		may = append(may, "open")
	}
	if x.GetGlass() {
		may = append(may, "break the glass")
	}
	if x.GetExport() {
		may = append(may, "export")
	}
	return strings.Join(may, ", ")
}

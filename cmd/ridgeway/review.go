package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func (a *app) reviewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Judge emergencies and accesses that look like misuse",
		Args:  groupOnly,
		RunE:  a.showHelp,
	}
	cmd.AddCommand(a.reviewListCommand(), a.reviewCloseCommand())
	return cmd
}

// reviewed is a review in JSON.
type reviewed struct {
	ID        string   `json:"id"`
	Kind      string   `json:"kind"`
	State     string   `json:"state"`
	User      string   `json:"user"`
	Trust     string   `json:"trust"`
	Patient   string   `json:"patient,omitempty"`
	Reason    string   `json:"reason"`
	At        string   `json:"at"`
	Due       string   `json:"due"`
	Documents []string `json:"documents"`
	Outcome   string   `json:"outcome,omitempty"`
	ClosedBy  string   `json:"closed_by,omitempty"`
	Note      string   `json:"note,omitempty"`
}

func reviewedOf(r *admin.Review) reviewed {
	return reviewed{
		ID: r.GetId(), Kind: r.GetKind(), State: r.GetState(), User: r.GetUser(), Trust: r.GetTrust(), Patient: r.GetPatient(), Reason: r.GetReason(),
		At: stamp(r.GetAt()), Due: stamp(r.GetDue()), Documents: nonNil(r.GetDocuments()), Outcome: r.GetOutcome(), ClosedBy: r.GetClosedBy(), Note: r.GetNote(),
	}
}

func (a *app) reviewListCommand() *cobra.Command {
	var closed bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is to be reviewed",
		Long: `Lists the accesses that somebody must judge: emergencies of this trust's staff
and of others' for records held here, and what looks like misuse (many_patients,
no_relationship, own_record, colleague, near_person, protected_person). That it
was listed is in the audit log.

JSON: reviews (id, kind, state (open, overdue, closed), user, trust, patient,
reason, at, due, documents, outcome, closed_by, note).`,
		Example: `  ridgeway review list --data d1
  ridgeway review list --data d1 --closed --json`,
		Args: argument(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				reply, err := c.Reviews(cmd.Context(), &admin.ReviewsRequest{Closed: closed})
				if err != nil {
					return err
				}
				return a.showReviews(reply.GetReviews(), closed)
			})
		},
	}
	cmd.Flags().BoolVar(&closed, "closed", false, "those that have been judged instead")
	return cmd
}

// reviewedWhom names whose access it was; what all of a trust did has no user.
func reviewedWhom(r *admin.Review) string {
	if r.GetUser() == "" {
		return "all users of " + r.GetTrust()
	}
	return r.GetUser() + " of " + r.GetTrust()
}

func (a *app) showReviews(list []*admin.Review, closed bool) error {
	if a.json {
		out := make([]reviewed, 0, len(list))
		for _, r := range list {
			out = append(out, reviewedOf(r))
		}
		return a.emit(map[string]any{"reviews": out})
	}
	if len(list) == 0 {
		a.say("There is nothing here%s.", map[bool]string{true: " that was reviewed", false: " to review"}[closed])
		return nil
	}
	for _, r := range list {
		a.say("%s  %s, %s", r.GetId(), r.GetKind(), r.GetState())
		a.say("  %s, %s", reviewedWhom(r), since(r.GetAt()))
		if r.GetPatient() != "" {
			a.say("  patient %s, %s", r.GetPatient(), plural(uint64(len(r.GetDocuments())), "document"))
		}
		a.say("  %s", r.GetReason())
		if r.GetOutcome() != "" {
			a.say("  %s, by %s: %s", strings.ReplaceAll(r.GetOutcome(), "_", " "), r.GetClosedBy(), r.GetNote())
		} else {
			a.say("  due %s", shownTime(r.GetDue()))
		}
	}
	if !closed {
		a.say("\nTo judge one:  ridgeway review close ID --data %s --outcome justified \\", admin.Arg(a.data))
		a.say("                 --note TEXT --user STAFF-ID --role governance-lead")
	}
	return nil
}

func (a *app) reviewCloseCommand() *cobra.Command {
	var who asking
	var outcome, note string
	cmd := &cobra.Command{
		Use:   "close ID",
		Short: "Keep how an access was judged",
		Long: `Closes a review as justified or not_justified. A governance lead or a privacy
officer does it, never the person whom it is about; it is written down and is
not changed afterwards.

JSON: the review, as in 'ridgeway review list'.`,
		Example: `  ridgeway review close RAS-0f3c9a1b2d4e5f60 --data d1 --outcome justified \
    --note "seen in resus, notes agree" --user a.mensah --role privacy-officer`,
		Args: argument(1, "the id of one review"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needs(cmd, "outcome", "note", "user"); err != nil {
				return err
			}
			if who.role == "" {
				who.role = "governance-lead"
			}
			return a.ask(cmd.Context(), func(c admin.AdminClient) error {
				r, err := c.CloseReview(cmd.Context(), &admin.CloseReviewRequest{Id: args[0], Outcome: outcome, Note: note, Asker: who.message()})
				if err != nil {
					return err
				}
				if a.json {
					return a.emit(reviewedOf(r))
				}
				a.say("Review %s is closed as %s.", r.GetId(), strings.ReplaceAll(r.GetOutcome(), "_", " "))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&who.user, "user", "", "staff id of who judges it")
	cmd.Flags().StringVar(&who.role, "role", "", "governance-lead or privacy-officer (default: governance-lead)")
	cmd.Flags().StringVar(&outcome, "outcome", "", "justified or not_justified")
	cmd.Flags().StringVar(&note, "note", "", "how it was found out")
	return cmd
}

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// reviewers are the roles that may judge an access.
var reviewers = [...]string{"governance-lead", "privacy-officer"}

// openReviews opens the review queue and what tells of it.
func (n *Node) openReviews(ctx context.Context) error {
	var err error
	if n.channels, err = n.newChannels(); err != nil {
		return err
	}
	names := make([]string, 0, len(n.channels))
	for _, c := range n.channels {
		names = append(names, c.name)
	}
	n.reviews, err = openReviewDesk(ctx, n.records, time.Duration(n.options.Settings.Review.Within), names)
	if err != nil {
		return n.storeOpenProblem("record store", err)
	}
	n.misuse, err = newMisuse(ctx, n)
	return err
}

// Reviews lists what is to be reviewed, or what has been.
func (n *Node) Reviews(ctx context.Context, q *admin.ReviewsRequest) (*admin.ReviewsReply, error) {
	who := q.GetAsker()
	if who != nil {
		if err := n.governs(ctx, who, "reads reviews", reviewers[:]); err != nil {
			return nil, err
		}
	}
	err := n.note(ctx, audit.Entry{Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Purpose: who.GetPurpose(), Detail: "listed reviews"})
	if err != nil {
		return nil, err
	}
	reply := &admin.ReviewsReply{}
	for _, r := range n.reviews.list(q.GetClosed()) {
		reply.Reviews = append(reply.Reviews, n.shownReview(r))
	}
	return reply, nil
}

func (n *Node) shownReview(r *review) *admin.Review {
	out := &admin.Review{
		Id: r.ID, Kind: r.Kind, State: r.state(time.Now()), User: r.User, Trust: string(r.Trust), Reason: r.Reason, At: r.At.UnixMicro(), Due: r.Due.UnixMicro(),
		Outcome: r.Outcome, ClosedBy: r.ClosedBy, Note: r.Note,
	}
	if !r.Subject.IsZero() {
		out.Patient = fmt.Sprintf("%x", r.Subject[:])
		if number, err := n.records.NHSNumber(r.Subject); err == nil {
			out.Patient = number.String()
		}
	}
	for _, id := range r.Documents {
		out.Documents = append(out.Documents, string(id))
	}
	return out
}

// CloseReview keeps how an access was judged. Nobody judges their own, and it is written down before it counts.
func (n *Node) CloseReview(ctx context.Context, q *admin.CloseReviewRequest) (*admin.Review, error) {
	id, who, text := strings.TrimSpace(q.GetId()), asker(q.GetAsker()), strings.TrimSpace(q.GetNote())
	if err := checkClosing(q, who, text); err != nil {
		return nil, n.deniedNoted(ctx, audit.Review, who, err)
	}
	if err := n.admitUser(ctx, who); err != nil {
		return nil, err
	}
	r, found := n.reviews.get(id)
	switch {
	case !found:
		return nil, admin.Errorf(admin.CodeNotFound, "there is no review %q here: 'ridgeway review list' lists them", id)
	case !r.open():
		return nil, admin.Errorf(admin.CodeBadInput, "review %s was closed by %s on %s as %s: a judgement is not changed", id, r.ClosedBy, r.Closed.Format("2 January 2006 15:04 MST"), r.Outcome)
	case r.Trust == n.Trust() && sameStaff(r.User, who.GetUser()):
		err := admin.Errorf(admin.CodeDenied, "review %s is about %s, who cannot judge it: another governance lead or privacy officer must", id, r.User)
		return nil, n.deniedNoted(ctx, audit.Review, who, err)
	}
	err := n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(), Role: who.GetRole(), Subject: r.Subject, BreakGlass: r.Kind == glassKind,
		Detail: clipText(fmt.Sprintf("closed review %s (%s, %s of %s): %s; %s", r.ID, r.Kind, r.User, r.Trust, q.GetOutcome(), text), audit.MaxDetail),
	})
	if err != nil {
		return nil, err
	}
	var closed *review
	err = n.reviews.change(ctx, id, func(r *review) (bool, error) {
		if !r.open() {
			return false, admin.Errorf(admin.CodeBadInput, "review %s was closed by %s meanwhile", id, r.ClosedBy)
		}
		r.Outcome, r.ClosedBy, r.Note, r.Closed = q.GetOutcome(), who.GetUser(), text, time.Now().UTC()
		closed = r
		return true, nil
	})
	if err != nil {
		return nil, n.reviewProblem(err)
	}
	if c := n.custodian.Load(); c != nil && closed.Outcome == reviewNotJustified {
		c.RulesChanged() // what it opens is being read, maybe
	}
	return n.shownReview(closed), nil
}

func checkClosing(q *admin.CloseReviewRequest, who *admin.Asker, text string) error {
	may := false
	for _, role := range reviewers {
		may = may || who.GetRole() == role
	}
	switch {
	case q.GetOutcome() != reviewJustified && q.GetOutcome() != reviewNotJustified:
		return admin.Errorf(admin.CodeBadInput, "--outcome %q: say %s or %s", q.GetOutcome(), reviewJustified, reviewNotJustified)
	case strings.TrimSpace(q.GetAsker().GetUser()) == "":
		return admin.Errorf(admin.CodeBadInput, "a review is closed in somebody's name: give --user")
	case !plainStaffID(strings.TrimSpace(who.GetUser())): // one that only looks like another's would judge its own access
		return notStaffID(who.GetUser())
	case !may:
		return admin.Errorf(admin.CodeDenied, "a review is closed by a %s, not by role %q: give --role", strings.Join(reviewers[:], " or a "), who.GetRole())
	case text == "" || len(text) > 1024:
		return admin.Errorf(admin.CodeBadInput, "give a --note of at most 1,024 bytes: how it was found out")
	}
	return checkAsker(who)
}

func (n *Node) reviewProblem(err error) error {
	var known *admin.Error
	if errors.As(err, &known) {
		return known
	}
	return n.storeProblem(err)
}

// watchReviews says what is overdue, until ctx ends.
func (n *Node) watchReviews(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		late, err := n.reviews.lapse(ctx, time.Now())
		for _, r := range late {
			n.logger.Warn("a review is overdue", slog.String("review", r.ID), slog.String("kind", r.Kind), slog.Time("due", r.Due))
		}
		if err != nil && ctx.Err() == nil {
			n.logger.Warn("reviews cannot be marked as overdue", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reviewWarnings says in status what waits to be reviewed for too long, and who cannot be told.
func (n *Node) reviewWarnings() []string {
	var out []string
	now, late := time.Now(), 0
	for _, r := range n.reviews.list(false) {
		if r.state(now) == "overdue" {
			late++
		}
	}
	if late > 0 {
		out = append(out, fmt.Sprintf("reviews of accesses that are overdue: %d. 'ridgeway review list --data %s' lists them; a governance lead or privacy officer closes them", late, admin.Arg(n.options.Data)))
	}
	for _, c := range n.channels {
		if since, waiting, why := c.trouble(n.reviews); waiting > 0 {
			out = append(out, fmt.Sprintf("privacy officers cannot be told by %s since %s: %s. What waits (%d) is kept and tried again; nothing is lost", c.name, since.Format("2 January 15:04 MST"), why, waiting))
		}
	}
	return out
}

// reviewID names a review: trust, and what is the same wherever it is made from the same facts.
func reviewID(trust federation.TrustID, facts ...string) string {
	sum := federation.Sum([]byte("ridgeway review v1\x00" + strings.Join(facts, "\x00")))
	return fmt.Sprintf("%s-%x", trust, sum[:8])
}

package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// reviewRow is an access that somebody must judge, or has.
type reviewRow struct {
	ID, Link, Kind   string
	Glass            bool
	Standing         standing
	User, Trust      string
	Patient          string // as people read it; a pseudonym where this trust does not know the number
	Number           string // empty where it does not
	Reason           string
	At, Due          time.Time
	Overdue          bool
	Left             string
	Outcome, By, How string
	Documents        []reviewDocument
	Own              bool // about the user who looks at it
	Ours             bool // about staff of this trust
}

// reviewDocument is a document that was opened, with what it is where the reviewer may know of it.
type reviewDocument struct {
	ID, Holder, Why string
	Title, Type     string // empty where the reviewer may not be told
	Date            time.Time
	Own             bool // held by this trust
}

type reviewsPage struct {
	Closed  bool
	Overdue int
	Rows    []reviewRow
}

func (p *Portal) showReviews(w http.ResponseWriter, r *http.Request, s *session) {
	body := reviewsPage{Closed: r.URL.Query().Get("closed") != ""}
	rows, err := p.reviews(r, s, body.Closed)
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	body.Rows = rows
	for _, x := range rows {
		if x.Overdue {
			body.Overdue++
		}
	}
	p.show(w, r, s, http.StatusOK, view{Name: "reviews", Title: "Reviews", Body: body})
}

// reviews returns what waits, the most overdue first, or what was judged, the last first.
func (p *Portal) reviews(r *http.Request, s *session, closed bool) ([]reviewRow, error) {
	reply, err := p.config.Region.Reviews(r.Context(), &admin.ReviewsRequest{Closed: closed, Asker: s.governor(ownDuties)})
	if err != nil {
		return nil, err
	}
	out := make([]reviewRow, 0, len(reply.GetReviews()))
	for _, x := range reply.GetReviews() {
		out = append(out, p.reviewRow(s, x))
	}
	slices.SortStableFunc(out, func(a, b reviewRow) int {
		if closed {
			return b.At.Compare(a.At)
		}
		return a.Due.Compare(b.Due)
	})
	return out, nil
}

func (p *Portal) reviewRow(s *session, x *admin.Review) reviewRow {
	now := p.now()
	out := reviewRow{
		ID: x.GetId(), Link: "/reviews/" + url.PathEscape(x.GetId()), Kind: reviewKind(x.GetKind()), Glass: x.GetKind() == "break_glass", User: x.GetUser(), Trust: p.trustName(x.GetTrust()),
		Reason: x.GetReason(), At: moment(x.GetAt()), Due: moment(x.GetDue()), By: x.GetClosedBy(), How: x.GetNote(),
		Ours: x.GetTrust() == string(p.config.Trust), Own: x.GetTrust() == string(p.config.Trust) && strings.EqualFold(strings.TrimSpace(x.GetUser()), s.user.ID),
	}
	if n := x.GetPatient(); n != "" {
		out.Patient = n
		if digits := digitsOf(n); len(digits) == 10 && len(n) <= 12 {
			out.Number, out.Patient = digits, (&patient{Number: digits}).Spaced()
		}
	}
	switch {
	case x.GetOutcome() == "justified":
		out.Standing, out.Outcome = standing{"Justified", "green"}, "justified"
	case x.GetOutcome() == "not_justified":
		out.Standing, out.Outcome = standing{"Not justified", "red"}, "not justified"
	case x.GetState() == "overdue" || !out.Due.After(now):
		out.Overdue, out.Standing, out.Left = true, standing{"Overdue", "red"}, "was due "+ago(out.Due, now)
	default:
		out.Standing, out.Left = standing{"Open", "blue"}, "due in "+untilThen(out.Due.Sub(now))
	}
	for _, id := range x.GetDocuments() {
		out.Documents = append(out.Documents, reviewDocument{ID: id, Holder: p.holder(id), Why: "/why?document=" + url.QueryEscape(id)})
	}
	return out
}

// untilThen is how long there is left, in words that claim no day or hour too many or too few: to the hour beyond a day, to the minute
// before.
func untilThen(left time.Duration) string {
	days, hours, minutes := int(left/(24*time.Hour)), int(left/time.Hour)%24, int(left/time.Minute)%60
	switch {
	case days > 0 && hours > 0:
		return numberOf(days, "day") + " and " + numberOf(hours, "hour")
	case days > 0:
		return numberOf(days, "day")
	case hours > 0 && minutes > 0:
		return numberOf(hours, "hour") + " and " + numberOf(minutes, "minute")
	case hours > 0:
		return numberOf(hours, "hour")
	case minutes > 0:
		return numberOf(minutes, "minute")
	default:
		return "less than a minute"
	}
}

func reviewKind(kind string) string {
	switch kind {
	case "break_glass":
		return "Emergency access"
	case "many_patients":
		return "Unusually many patients"
	case "no_relationship":
		return "No relationship to the patient"
	case "own_record":
		return "Own record"
	case "colleague":
		return "A colleague's record"
	case "near_person":
		return "Same surname or address"
	case "protected_person":
		return "Watched record"
	default:
		return strings.ReplaceAll(kind, "_", " ")
	}
}

// reviewPage is one of them.
type reviewPage struct {
	reviewRow
	Typed, Chosen string
	Closed        bool // just now, by who looks at it
}

func (p *Portal) showReview(w http.ResponseWriter, r *http.Request, s *session) {
	p.reviewWith(w, r, s, http.StatusOK, nil)
}

func (p *Portal) reviewWith(w http.ResponseWriter, r *http.Request, s *session, status int, wrong []fault) {
	for _, closed := range []bool{false, true} {
		rows, err := p.reviews(r, s, closed)
		if err != nil {
			p.problem(w, r, s, err)
			return
		}
		if i := slices.IndexFunc(rows, func(x reviewRow) bool { return x.ID == r.PathValue("review") }); i >= 0 {
			if err := p.nameOpened(r, s, &rows[i]); err != nil {
				p.problem(w, r, s, err)
				return
			}
			body := reviewPage{reviewRow: rows[i], Typed: typed(r, "note"), Chosen: r.PostFormValue("outcome"), Closed: closed && r.URL.Query().Get("closed") != ""}
			p.show(w, r, s, status, view{Name: "review", Title: rows[i].Kind, Body: body, Error: wrong})
			return
		}
	}
	p.problem(w, r, s, admin.Errorf(admin.CodeNotFound, "there is no such review here"))
}

// nameOpened says what the documents of a review are, as far as the reviewer may know of them.
func (p *Portal) nameOpened(r *http.Request, s *session, row *reviewRow) error {
	if len(row.Documents) == 0 {
		return nil
	}
	opened, err := p.config.Region.Opened(r.Context(), row.ID, s.governor(ownDuties))
	if err != nil {
		return err
	}
	for _, d := range opened {
		i := slices.IndexFunc(row.Documents, func(x reviewDocument) bool { return x.ID == d.GetDocument() })
		if i < 0 {
			continue
		}
		x := &row.Documents[i]
		x.Own = d.GetCustodian() == string(p.config.Trust)
		if d.GetType() == "" {
			continue
		}
		e := p.entryOf(d, "", x.Holder)
		x.Title, x.Type, x.Date = e.Title, e.Type, e.Date
	}
	return nil
}

// closeReview keeps a judgement. That nobody judges their own access is the node's own rule.
func (p *Portal) closeReview(w http.ResponseWriter, r *http.Request, s *session) {
	outcome, note := r.PostFormValue("outcome"), strings.TrimSpace(r.PostFormValue("note"))
	wrong := tooLong(r, "note")
	if outcome != "justified" && outcome != "not_justified" {
		wrong = append(wrong, fault{"outcome", "Select whether the access was justified"})
	}
	if note == "" {
		wrong = append(wrong, fault{"note", "Say how you found out: it is kept with the judgement"})
	}
	if len(wrong) > 0 {
		p.reviewWith(w, r, s, http.StatusUnprocessableEntity, wrong)
		return
	}
	_, err := p.config.Region.CloseReview(r.Context(), &admin.CloseReviewRequest{Id: r.PathValue("review"), Outcome: outcome, Note: note, Asker: s.governor(ownDuties)})
	if err != nil {
		status := http.StatusUnprocessableEntity
		if admin.CodeOf(err) == admin.CodeDenied {
			status = http.StatusForbidden
		}
		p.reviewWith(w, r, s, status, []fault{{"note", plainWords(err)}})
		return
	}
	http.Redirect(w, r, "/reviews/"+url.PathEscape(r.PathValue("review"))+"?closed=1", http.StatusSeeOther)
}

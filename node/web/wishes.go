package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// receiptLooks is how often a page looks for itself how far a wish has come: a screen that was left must not keep a session open.
const receiptLooks = 45

// wish is one thing that a patient has said.
type wish struct {
	ID, Text, By, Trust, Evidence string
	Standing                      standing
	At, Until                     time.Time
	EndedBy                       string
	Permits, Ends                 bool
	Link, Withdraw                string // of its receipt, and where it is ended; empty where that cannot be
}

// wishesPage lists what a patient has said.
type wishesPage struct {
	Path      string
	Current   []wish
	Before    []wish
	Conflicts []string
}

func (p *Portal) listWishes(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	body, err := p.wishesOf(r, s, of)
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	p.show(w, r, s, http.StatusOK, view{Name: "wishes", Title: "What this patient has said", Of: of, Body: body})
}

func (p *Portal) wishesOf(r *http.Request, s *session, of *patient) (wishesPage, error) {
	body := wishesPage{Path: "/wishes/" + of.Key}
	reply, err := p.config.Region.Directives(r.Context(), &admin.DirectivesRequest{Patient: of.Number, History: true, Asker: s.governor(forPatient)})
	if err != nil {
		return body, err
	}
	body.Conflicts = reply.GetConflicts()
	for _, d := range reply.GetDirectives() {
		x := wish{
			ID: d.GetDirective(), Text: d.GetText(), By: d.GetBy(), Trust: p.trustName(d.GetTrust()), Evidence: d.GetEvidence(), At: moment(d.GetAt()), Until: moment(d.GetUntil()),
			EndedBy: clip(d.GetEndedBy(), 8), Permits: d.GetEffect() == "permit", Ends: d.GetEffect() == "withdraw", Standing: wishStanding(d.GetState()),
			Link: body.Path + "/receipt/" + url.PathEscape(d.GetDirective()),
		}
		if x.Ends {
			x.Standing = withdrawalStanding(d.GetState())
		}
		switch d.GetState() {
		case "in_force", "here", "waiting":
			if !x.Ends {
				x.Withdraw = body.Path + "/withdraw/" + url.PathEscape(d.GetDirective())
				body.Current = append(body.Current, x)
				continue
			}
		case "refused":
			x.Link = ""
		default:
		}
		body.Before = append(body.Before, x)
	}
	slices.SortStableFunc(body.Current, func(a, b wish) int { return b.At.Compare(a.At) })
	slices.SortStableFunc(body.Before, func(a, b wish) int { return b.At.Compare(a.At) })
	return body, nil
}

// withdrawalStanding is how far the end of a choice has come: under "in force" one would look for what is refused.
func withdrawalStanding(state string) standing {
	switch state {
	case "in_force":
		return standing{"Done in the whole region", "green"}
	case "here":
		return standing{"Done at this trust, on its way to the others", "yellow"}
	default:
		return wishStanding(state)
	}
}

func wishStanding(state string) standing {
	switch state {
	case "in_force":
		return standing{"In force in the whole region", "green"}
	case "here":
		return standing{"In force at this trust, on its way to the others", "yellow"}
	case "waiting":
		return standing{"Waiting for the region", "yellow"}
	case "withdrawn":
		return standing{"Withdrawn", "grey"}
	case "withdrawn_here":
		return standing{"Withdrawn here, on its way to the others", "yellow"}
	case "superseded":
		return standing{"Replaced by a later choice", "grey"}
	case "expired":
		return standing{"Over", "grey"}
	case "refused":
		return standing{"Refused by the region", "red"}
	default:
		return standing{state, "grey"}
	}
}

// wishForm is a wish as it is typed, and as it is read back.
type wishForm struct {
	Path     string
	In       map[string]string // by the name of the field; of exceptions, only those where something was typed
	Roles    []choice
	Trusts   []choice
	Types    []choice
	Labels   []choice
	Purposes []choice
	Current  []wish
	ReadBack []string // not empty: it is read back, and waits to be confirmed
	Against  []string
}

// wishFields are the fields of the form: what is refused or permitted, for whom, and on what evidence.
func wishFields() []string {
	return []string{"effect", "trust", "role", "person", "custodian", "type", "sensitivity", "document", "since", "until-day", "purpose", "end", "supersedes", "evidence"}
}

func (p *Portal) askWish(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	p.wishWith(w, r, s, askedForm[wishForm]{Of: of, Body: wishForm{In: map[string]string{}}})
}

func (p *Portal) wishWith(w http.ResponseWriter, r *http.Request, s *session, form askedForm[wishForm]) {
	listed, err := p.wishesOf(r, s, form.Of)
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	body := form.Body
	body.Path, body.Current = listed.Path, listed.Current
	for _, x := range policy.Roles() {
		body.Roles = append(body.Roles, choice{Value: x.Code, Label: x.Description})
	}
	for _, x := range policy.Sensitivities() {
		body.Labels = append(body.Labels, choice{Value: x.Code, Label: x.Description})
	}
	for _, x := range policy.Purposes() {
		body.Purposes = append(body.Purposes, choice{Value: x.Code, Label: x.Description})
	}
	for _, code := range []string{"373942005", "823681000000100", "16521000000101", "887181000000106", "721981007", "823651000000106", "824321000000109", "1363501000000100", "1102421000000108"} {
		body.Types = append(body.Types, choice{Value: code, Label: typeName(code)})
	}
	body.Trusts = p.trustChoices(r)
	title := "Record a choice"
	if len(body.ReadBack) > 0 {
		title = "Read this back to the patient"
	}
	p.show(w, r, s, form.status(), view{Name: "wish", Title: title, Of: form.Of, Body: body, Error: form.Wrong})
}

// trustChoices are the trusts of the region.
func (p *Portal) trustChoices(r *http.Request) []choice {
	h, err := p.config.Region.Health(r.Context())
	if err != nil {
		return []choice{{Value: string(p.config.Trust), Label: p.trustName(string(p.config.Trust))}}
	}
	var out []choice
	for _, t := range h.Status.GetSites() {
		if c := (choice{Value: t.GetTrust(), Label: p.trustName(t.GetTrust())}); !offered(out, c.Value) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.Label, b.Label) })
	return out
}

// recordWish reads a wish back, and records it once that was confirmed.
func (p *Portal) recordWish(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	body := wishForm{In: make(map[string]string)}
	for _, name := range wishFields() {
		body.In[name] = typed(r, name)
	}
	body.readExceptions(r)
	if do := r.PostFormValue("do"); do == "change" || do == "more" {
		p.wishWith(w, r, s, askedForm[wishForm]{Of: of, Body: body})
		return
	}
	wrong := tooLong(r, "evidence")
	if body.In["effect"] != "deny" && body.In["effect"] != "permit" {
		wrong = append(wrong, fault{"effect", "Select whether the patient refuses or agrees"})
	}
	if body.In["evidence"] == "" {
		wrong = append(wrong, fault{"evidence", "Say how the patient told you, such as in person, by letter or by telephone"})
	}
	if len(wrong) > 0 {
		p.wishWith(w, r, s, askedForm[wishForm]{Of: of, Wrong: wrong, Body: body})
		return
	}
	reply, err := p.config.Region.RecordDirective(r.Context(), body.request(of, s, r.PostFormValue("do") == "confirm"))
	switch {
	case reply.GetDirective() != "" && (err == nil || admin.CodeOf(err) == admin.CodeNoQuorum):
		http.Redirect(w, r, "/wishes/"+of.Key+"/receipt/"+reply.GetDirective(), http.StatusSeeOther)
	case admin.CodeOf(err) == admin.CodeNoQuorum: // it is kept, and in force here
		http.Redirect(w, r, "/wishes/"+of.Key, http.StatusSeeOther)
	case err != nil:
		p.wishWith(w, r, s, askedForm[wishForm]{Of: of, Status: http.StatusUnprocessableEntity, Wrong: body.faults(err), Body: body})
	default:
		body.ReadBack, body.Against = breaths(reply.GetReadBack()), reply.GetConflicts()
		p.wishWith(w, r, s, askedForm[wishForm]{Of: of, Body: body})
	}
}

func (f wishForm) request(of *patient, s *session, confirm bool) *admin.RecordDirectiveRequest {
	in := f.In
	q := &admin.RecordDirectiveRequest{
		Patient: of.Number, Permit: in["effect"] == "permit", Until: in["end"], Supersedes: in["supersedes"], By: s.user.ID, Evidence: in["evidence"], Confirm: confirm, Asker: s.governor(forPatient),
		Scope: &admin.DirectiveScope{
			Trust: in["trust"], Role: in["role"], Person: in["person"], Custodian: in["custodian"], Type: in["type"], Sensitivity: in["sensitivity"], Document: in["document"],
			From: in["since"], To: in["until-day"], Purpose: in["purpose"],
		},
	}
	q.Except = f.exceptions()
	return q
}

// withdrawal is the wish that is to be ended.
type withdrawal struct {
	Path     string
	Wish     wish
	Evidence string
}

func (p *Portal) askWithdrawal(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	p.withdrawalWith(w, r, s, of, http.StatusOK, nil)
}

func (p *Portal) withdrawalWith(w http.ResponseWriter, r *http.Request, s *session, of *patient, status int, wrong []fault) {
	listed, err := p.wishesOf(r, s, of)
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	i := slices.IndexFunc(listed.Current, func(x wish) bool { return x.ID == r.PathValue("directive") })
	if i < 0 {
		p.problem(w, r, s, admin.Errorf(admin.CodeNotFound, "this patient has no such choice that is in force: it may have been withdrawn already"))
		return
	}
	body := withdrawal{Path: listed.Path, Wish: listed.Current[i], Evidence: typed(r, "evidence")}
	p.show(w, r, s, status, view{Name: "withdrawal", Title: "Withdraw a choice", Of: of, Body: body, Error: wrong})
}

func (p *Portal) withdrawWish(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	evidence := strings.TrimSpace(r.PostFormValue("evidence"))
	wrong := tooLong(r, "evidence")
	if evidence == "" {
		wrong = append(wrong, fault{"evidence", "Say how the patient told you, such as in person, by letter or by telephone"})
	}
	if r.PostFormValue("read") == "" {
		wrong = append(wrong, fault{"read", "Confirm that you have read it to the patient"})
	}
	if len(wrong) > 0 {
		p.withdrawalWith(w, r, s, of, http.StatusUnprocessableEntity, wrong)
		return
	}
	reply, err := p.config.Region.WithdrawDirective(r.Context(), &admin.WithdrawDirectiveRequest{
		Patient: of.Number, Directive: r.PathValue("directive"), By: s.user.ID, Evidence: evidence, Asker: s.governor(forPatient),
	})
	switch {
	case err == nil:
		http.Redirect(w, r, "/wishes/"+of.Key+"/receipt/"+reply.GetDirective(), http.StatusSeeOther)
	case admin.CodeOf(err) == admin.CodeNoQuorum:
		http.Redirect(w, r, "/wishes/"+of.Key, http.StatusSeeOther)
	default:
		p.withdrawalWith(w, r, s, of, http.StatusUnprocessableEntity, []fault{{"evidence", plainWords(err)}})
	}
}

// receiptPage says how far a wish has come.
type receiptPage struct {
	Path, Self   string
	Text         []string
	Recorded     time.Time
	Agreed       bool
	AgreedAt     time.Time
	Place        uint64
	Complete     bool
	Sites        []receiptSite
	Done, All    int
	Next         string // address to look at again by itself; empty: that has ended
	ShowsHolders bool
}

type receiptSite struct {
	Name           string
	Holds, Applied bool
	At             time.Time
	Problem        string
}

func (p *Portal) showReceipt(w http.ResponseWriter, r *http.Request, s *session, of *patient) {
	reply, err := p.config.Region.Receipt(r.Context(), &admin.ReceiptRequest{Patient: of.Number, Directive: r.PathValue("directive"), Asker: s.governor(forPatient)})
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	looked, err := strconv.Atoi(r.URL.Query().Get("looked"))
	if err != nil || looked < 0 {
		looked = 0
	}
	body := receiptPage{
		Path: "/wishes/" + of.Key, Self: "/wishes/" + of.Key + "/receipt/" + url.PathEscape(r.PathValue("directive")), Text: breaths(reply.GetText()), Recorded: moment(reply.GetRecorded()),
		Agreed: reply.GetAgreed(), AgreedAt: moment(reply.GetCommitted()), Place: reply.GetIndex(), Complete: reply.GetComplete(), All: len(reply.GetSites()), ShowsHolders: s.user.Role != "records-staff",
	}
	for _, t := range reply.GetSites() {
		if t.GetApplied() {
			body.Done++
		}
		body.Sites = append(body.Sites, receiptSite{Name: p.config.Names(federation.TrustID(t.GetTrust())), Holds: t.GetHolds(), Applied: t.GetApplied(), At: moment(t.GetAt()), Problem: t.GetProblem()})
	}
	if !body.Complete && looked < receiptLooks {
		body.Next = body.Self + "?looked=" + strconv.Itoa(looked+1)
	}
	p.show(w, r, s, http.StatusOK, view{Name: "receipt", Title: "Receipt", Of: of, Body: body})
}

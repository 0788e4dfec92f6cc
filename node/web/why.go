package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// whyPage answers why somebody may open a document or not, and who may.
type whyPage struct {
	In        map[string]string
	Trusts    []choice
	Roles     []choice
	Purposes  []choice
	Links     []choice
	Actions   []choice
	Asked     bool
	Outcome   string
	Colour    string
	Told      string
	Question  string // in words
	Exactly   string // as the rules were asked, with codes
	Chain     []string
	Agreement uint64
	WhoAsked  bool
	Who       []accessRow
	Documents []documentLink
	Of        *patient
	Answered  bool // about a document: the list of the patient's is left out, for each look at it is written down
}

type documentLink struct {
	ID, Link, Title, Type, Holder string
	Date                          string
}

// accessRow is who may do the same by the same rule.
type accessRow struct{ Trust, Roles, Purposes, May, Relationships, Rule string }

func actions() []choice {
	return []choice{{"open", "Open it", ""}, {"see", "See that there is one", ""}, {"export", "Keep a copy", ""}, {"break-glass", "Open it in an emergency", ""}}
}

func (p *Portal) whyForm(r *http.Request, in map[string]string) whyPage {
	body := whyPage{In: in, Trusts: p.trustChoices(r), Actions: actions(), Links: append([]choice{{"", "None is stated", ""}}, relationshipsOfOthers()...)}
	for _, x := range policy.Roles() {
		body.Roles = append(body.Roles, choice{Value: x.Code, Label: x.Description})
	}
	for _, x := range policy.Purposes() {
		body.Purposes = append(body.Purposes, choice{Value: x.Code, Label: x.Description})
	}
	return body
}

// showWhy shows the form, and answers when the address has a question.
func (p *Portal) showWhy(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	in := map[string]string{"role": "doctor", "purpose": "TREAT", "action": "open", "trust": string(p.config.Trust)}
	for _, name := range []string{"document", "user", "trust", "role", "purpose", "relationship", "action"} {
		if v := strings.TrimSpace(q.Get(name)); v != "" {
			in[name] = clip(v, 200)
		}
	}
	body := p.whyForm(r, in)
	asked := q.Get("ask") != "" || q.Get("who") != ""
	body.Answered = asked && in["document"] != ""
	if key := q.Get("of"); key != "" {
		if body.Of = s.patient(key); body.Of != nil && !body.Answered {
			if err := p.documentsOf(r, s, &body); err != nil {
				p.problem(w, r, s, err)
				return
			}
		}
	}
	var wrong []fault
	switch {
	case asked && in["document"] == "":
		choose := "Enter the document's number, or find the document by its patient"
		if body.Of != nil && len(body.Documents) > 0 {
			choose = "Choose one of the documents in the list, or enter a document's number"
		}
		wrong = []fault{{"document", choose}}
	case asked:
		wrong = p.answerWhy(r, s, &body)
	}
	status := http.StatusOK
	if len(wrong) > 0 {
		status = http.StatusUnprocessableEntity
	}
	p.show(w, r, s, status, view{Name: "why", Title: "Why, and who", Body: body, Error: wrong, Wide: body.WhoAsked})
}

func (p *Portal) answerWhy(r *http.Request, s *session, body *whyPage) []fault {
	in := body.In
	if r.URL.Query().Get("who") != "" {
		reply, err := p.config.Region.Who(r.Context(), &admin.WhoRequest{Document: in["document"], By: s.governor(ownDuties)})
		if err != nil {
			return []fault{{"document", p.inWords(plainWords(err))}}
		}
		body.WhoAsked, body.Who = true, p.accessRows(reply.GetAccess())
		return nil
	}
	reply, err := p.config.Region.Why(r.Context(), &admin.WhyRequest{
		Document: in["document"], Trust: in["trust"], Action: in["action"], By: s.governor(ownDuties),
		Asker: &admin.Asker{User: in["user"], Role: in["role"], Purpose: in["purpose"], Relationship: in["relationship"]},
	})
	if err != nil {
		return []fault{{"document", p.inWords(plainWords(err))}}
	}
	body.Asked, body.Told, body.Exactly, body.Agreement = true, reply.GetTold(), reply.GetQuestion(), reply.GetAgreement()
	body.Exactly = p.inWords(body.Exactly)
	body.Chain, body.Question = p.allInWords(rulesAlone(reply.GetChain())), p.questionWords(in)
	body.Outcome, body.Colour = outcomeWords(reply.GetOutcome())
	return nil
}

// rulesAlone leaves out the outcome and what the user is told, with which an explanation begins: the page says them in other places.
func rulesAlone(chain []string) []string {
	if i := slices.IndexFunc(chain, func(line string) bool { return strings.HasPrefix(line, "1. ") }); i > 0 {
		return chain[i:]
	}
	return chain
}

// questionWords is what was asked, in the words of the form.
func (p *Portal) questionWords(in map[string]string) string {
	who := roleWords([]string{in["role"]})
	if in["user"] != "" {
		who += " (" + in["user"] + ")"
	}
	return who + " of " + p.trustName(in["trust"]) + ", for: " + purposeName(in["purpose"]) + ". " + labelOf(actions(), in["action"]) + ": " + in["document"] + "."
}

// accessRows puts together roles that may do the same, for the same purposes, by the same rule.
func (p *Portal) accessRows(all []*admin.Access) []accessRow {
	type row struct{ trust, rule, links, may, purposes string }
	type one struct {
		row
		role string
	}
	purposes, roles := make(map[one][]string), make(map[row][]string)
	var people []one
	for _, a := range all {
		x := one{row{a.GetTrust(), a.GetRule(), strings.Join(a.GetRelationships(), ","), mayWords(a), ""}, a.GetRole()}
		if purposes[x] == nil {
			people = append(people, x)
		}
		purposes[x] = append(purposes[x], a.GetPurpose())
	}
	var order []row
	for _, x := range people {
		k := x.row
		k.purposes = purposeWords(purposes[x])
		if roles[k] == nil {
			order = append(order, k)
		}
		roles[k] = append(roles[k], x.role)
	}
	out := make([]accessRow, 0, len(order))
	for _, k := range order {
		var links []string
		for l := range strings.SplitSeq(k.links, ",") {
			if l != "" {
				links = append(links, labelOf(relationshipsOfOthers(), l))
			}
		}
		trust := "Any other trust"
		if k.trust != "" {
			trust = p.trustName(k.trust)
		}
		out = append(out, accessRow{trust, roleWords(roles[k]), k.purposes, k.may, strings.Join(links, "; "), k.rule})
	}
	slices.SortStableFunc(out, func(a, b accessRow) int { return cmp.Compare(a.Trust, b.Trust) })
	return out
}

func mayWords(a *admin.Access) string {
	var out []string
	for _, x := range []struct {
		may   bool
		words string
	}{{a.GetSee(), "see"}, {a.GetOpen(), "open"}, {a.GetExport(), "keep a copy"}, {a.GetGlass(), "open in an emergency"}} {
		if x.may {
			out = append(out, x.words)
		}
	}
	return strings.Join(out, ", ")
}

// roleWords names roles, and a group of which every kind is there once.
func roleWords(codes []string) string {
	groups, roles := policy.RolesTogether(codes)
	var out []string
	for _, r := range policy.Roles() {
		isGroup := slices.ContainsFunc(policy.Roles(), func(kind policy.Role) bool { return kind.Group == r.Code })
		switch {
		case slices.Contains(groups, r.Code), slices.Contains(roles, r.Code) && !isGroup:
			out = append(out, r.Description)
		case slices.Contains(roles, r.Code):
			out = append(out, "A "+r.Code+" of no stated kind")
		}
	}
	return strings.Join(out, ", ")
}

func purposeWords(codes []string) string {
	codes, all := policy.PurposesTogether(codes)
	if all {
		return "any purpose"
	}
	out := make([]string, 0, len(codes))
	for _, c := range codes {
		out = append(out, purposeName(c))
	}
	return strings.Join(out, ", ")
}

// findWhy finds a patient's documents, for whoever does not have a document's number. The NHS number stays out of the address.
func (p *Portal) findWhy(w http.ResponseWriter, r *http.Request, s *session) {
	typed := r.PostFormValue("number")
	number, wrong := p.readNumber(typed)
	if wrong != "" {
		body := p.whyForm(r, map[string]string{"number": clip(typed, 40), "role": "doctor", "purpose": "TREAT", "action": "open", "trust": string(p.config.Trust)})
		p.show(w, r, s, http.StatusUnprocessableEntity, view{Name: "why", Title: "Why, and who", Body: body, Error: []fault{{"number", wrong}}})
		return
	}
	http.Redirect(w, r, "/why?of="+p.opened(r, s, number).Key, http.StatusSeeOther)
}

func (p *Portal) documentsOf(r *http.Request, s *session, body *whyPage) error {
	reply, err := p.config.Region.Locate(r.Context(), &admin.LocateRequest{Patient: body.Of.Number, Asker: s.governor(ownDuties), Limit: 200})
	if err != nil {
		return err
	}
	for _, d := range reply.GetDocuments() {
		x := documentLink{ID: d.GetDocument(), Link: address("/why", url.Values{"document": {d.GetDocument()}, "of": {body.Of.Key}}), Title: d.GetTitle(), Type: typeName(d.GetType()), Holder: p.config.Names(federation.TrustID(d.GetCustodian()))}
		if d.GetDate() != 0 {
			x.Date = moment(d.GetDate()).Format("2 Jan 2006")
		}
		if x.Title == "" {
			x.Title = x.Type
		}
		body.Documents = append(body.Documents, x)
	}
	return nil
}

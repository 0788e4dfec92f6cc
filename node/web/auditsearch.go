package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const auditAtOnce = 50

// auditPage searches the evidence.
type auditPage struct {
	In       map[string]string // by the name of the field
	Of       *patient          // whose entries are shown; nil: anybody's
	Trusts   []choice          // of the region now: whoever acted may be of one that has left
	Purposes []choice
	Kinds    []choice
	Outcomes []choice
	Searched bool
	Entries  []auditEntry
	Damaged  int
	Older    string
	Narrow   bool // there is something that the search is narrowed down by
}

// auditEntry is one line of the log.
type auditEntry struct {
	Index                 uint64
	Link                  string
	At                    time.Time
	Kind, Outcome, Colour string
	User, Role, Trust     string
	Purpose, Relationship string
	Document, Custodian   string
	Patient               string
	Bytes                 string
	Glass                 bool
	Detail                string
	Chain                 []string
	Leaf, Request         string
	Transfer              string
	Signed                bool
	CompletesLink         string
	CompletesIndex        uint64
	Came                  bool // what was sent came here
	Done                  bool // its detail says what was done, which its document does not
	State                 uint64
}

// auditFields are what a search is narrowed down by, but for the patient.
func auditFields() []string {
	return []string{"user", "document", "trust", "kind", "outcome", "since", "until", "purpose", "glass"}
}

func auditPurposes() []choice {
	return []choice{{ownDuties, "This trust checks itself", ""}, {forPatient, "The patient asks", ""}, {"HLEGAL", "The law asks for it", ""}}
}

func auditKinds() []choice {
	return []choice{
		{"", "Anything", ""},
		{"intent,completion", "Documents sent", ""},
		{"receipt", "Documents received", ""},
		{"refusal", "Refusals", ""},
		{"search,view", "Look-ups", ""},
		{"ingest,withdrawal", "Documents taken in or withdrawn", ""},
		{"break-glass", "Emergencies", ""},
		{"directive", "Patients' choices", ""},
		{"agreement", "Agreements", ""},
		{"review", "Reviews, and looks at this log", ""},
		{"sign-on,sign-out", "Sign-ons and sign-outs", ""},
		{"admin", "Administration", ""},
		{"security", "Suspicions and warnings", ""},
	}
}

func auditOutcomes() []choice {
	return []choice{{"", "Any", ""}, {"PERMIT", "Permitted", ""}, {"DENIED", "Refused", ""}, {"STALE_POLICY", "Refused: the rules could not be confirmed", ""}, {"NOT_FOUND", "Said not to exist", ""}}
}

func (p *Portal) auditForm(r *http.Request, in map[string]string) auditPage {
	return auditPage{In: in, Trusts: p.trustChoices(r), Purposes: auditPurposes(), Kinds: auditKinds(), Outcomes: auditOutcomes()}
}

// showAudit shows the form, and what it finds when the address says what for. A patient stands in it by the session's key.
func (p *Portal) showAudit(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	body := p.auditForm(r, make(map[string]string))
	for _, name := range auditFields() {
		body.In[name] = clip(q.Get(name), 200)
	}
	body.In["of"] = q.Get("of")
	if body.In["of"] != "" {
		if body.Of = s.patient(body.In["of"]); body.Of == nil {
			p.show(w, r, s, http.StatusNotFound, view{Name: "message", Title: "Find the patient again", Body: message{
				Text: []string{"This address was made for a session that has ended, or for another person."}, Link: "/audit", LinkText: "Search the audit log",
			}})
			return
		}
		body.In["number"] = body.Of.Spaced()
	}
	if q.Get("search") == "" {
		p.show(w, r, s, http.StatusOK, view{Name: "audit", Title: "Audit", Body: body, Wide: true})
		return
	}
	f, wrong := body.filter()
	if len(wrong) > 0 {
		p.show(w, r, s, http.StatusUnprocessableEntity, view{Name: "audit", Title: "Audit", Body: body, Error: wrong, Wide: true})
		return
	}
	f.Limit, f.Cursor = auditAtOnce, q.Get("from")
	reply, err := p.config.Region.SearchAudit(r.Context(), &admin.SearchAuditRequest{Filter: f, Asker: s.governor(body.purpose())})
	if err != nil {
		status := http.StatusUnprocessableEntity
		if admin.CodeOf(err) == admin.CodeDenied {
			status = http.StatusForbidden
		}
		p.show(w, r, s, status, view{Name: "audit", Title: "Audit", Body: body, Error: []fault{{"user", plainWords(err)}}, Wide: true})
		return
	}
	body.Searched, body.Damaged = true, len(reply.GetDamaged())
	for _, e := range reply.GetEntries() {
		body.Entries = append(body.Entries, p.auditEntry(e))
	}
	if reply.GetNext() != "" {
		q.Set("from", reply.GetNext())
		body.Older = address("/audit", q)
	}
	p.show(w, r, s, http.StatusOK, view{Name: "audit", Title: "Audit", Body: body, Wide: true})
}

func (a auditPage) purpose() string {
	if offered(a.Purposes, a.In["purpose"]) {
		return a.In["purpose"]
	}
	return ownDuties
}

// filter reads what is searched for.
func (a auditPage) filter() (*admin.AuditFilter, []fault) {
	f := &admin.AuditFilter{
		Document: strings.TrimSpace(a.In["document"]), User: strings.TrimSpace(a.In["user"]), BreakGlass: a.In["glass"] != "",
	}
	if a.Of != nil {
		f.Patient = a.Of.Number
	}
	var wrong []fault
	if offered(a.Kinds, a.In["kind"]) {
		f.Kind = a.In["kind"]
	}
	if offered(a.Outcomes, a.In["outcome"]) {
		f.Outcome = a.In["outcome"]
	}
	if f.Document != "" {
		if _, err := federation.ParseDocumentID(f.Document); err != nil {
			wrong = append(wrong, fault{"document", "This is not a document's number: it is in a document's address, and in entries of this log"})
		}
	}
	code, why := trustTyped(a.In["trust"], a.Trusts)
	if why != "" {
		wrong = append(wrong, fault{"trust", why})
	}
	if f.Trust = code; code != "" { // whoever searched by the beginning of a name sees whose entries these are
		a.In["trust"] = code
		for _, t := range a.Trusts {
			if t.Value == code {
				a.In["trust"] = t.Label
			}
		}
	}
	since, err := london(a.In["since"], "")
	if err != nil {
		wrong = append(wrong, fault{"since", "Enter a day such as 2026-11-30"})
	}
	until, err := london(a.In["until"], "")
	if err != nil {
		wrong = append(wrong, fault{"until", "Enter a day such as 2026-11-30"})
	}
	if !until.IsZero() && until.Before(since) {
		wrong = append(wrong, fault{"until", "The last day is before the first: enter the later one here"})
	}
	if !until.IsZero() {
		until = until.AddDate(0, 0, 1) // the whole of the day
	}
	f.Since, f.Until = micros(since), micros(until)
	return f, wrong
}

// searchAudit takes the form. The patient's number goes no further than this: the address has the session's key.
func (p *Portal) searchAudit(w http.ResponseWriter, r *http.Request, s *session) {
	body, wrong := p.typedAudit(r, s)
	if len(wrong) > 0 {
		p.show(w, r, s, http.StatusUnprocessableEntity, view{Name: "audit", Title: "Audit", Body: body, Error: wrong, Wide: true})
		return
	}
	q := url.Values{"search": {"1"}}
	for _, name := range append(auditFields(), "of") {
		if v := body.In[name]; v != "" {
			q.Set(name, v)
		}
	}
	http.Redirect(w, r, address("/audit", q)+"#results", http.StatusSeeOther)
}

func (p *Portal) typedAudit(r *http.Request, s *session) (auditPage, []fault) {
	body := p.auditForm(r, make(map[string]string))
	for _, name := range auditFields() {
		body.In[name] = clip(strings.TrimSpace(r.PostFormValue(name)), 200)
	}
	var wrong []fault
	if typed := r.PostFormValue("number"); strings.TrimSpace(typed) != "" {
		number, why := p.readNumber(typed)
		body.In["number"] = clip(typed, 40)
		if why != "" {
			wrong = append(wrong, fault{"number", why})
		} else {
			body.Of = p.opened(r, s, number)
			body.In["of"] = body.Of.Key
		}
	}
	_, more := body.filter()
	return body, append(wrong, more...)
}

func (p *Portal) auditEntry(e *admin.AuditEntry) auditEntry {
	out := auditEntry{
		Index: e.GetIndex(), Link: "/audit/entries/" + strconv.FormatUint(e.GetIndex(), 10), At: moment(e.GetAt()), Kind: p.entryKind(e), User: e.GetUser(), Role: roleName(e.GetRole()),
		Purpose: purposeName(e.GetPurpose()), Relationship: relationshipName(e.GetRelationship()), Document: e.GetDocument(), Patient: e.GetPatient(), Glass: e.GetBreakGlass(), Detail: britishClock(e.GetDetail()), Chain: p.allInWords(e.GetChain()),
		Leaf: e.GetLeaf(), Request: e.GetRequest(), Transfer: e.GetTransfer(), Signed: e.GetSigned(), State: e.GetState(),
	}
	out.Came = e.GetKind() == "receipt"
	out.Done = !slices.Contains([]string{"intent", "completion", "receipt", "refusal", "search", "view"}, e.GetKind())
	out.Outcome, out.Colour = outcomeWords(e.GetOutcome())
	if e.GetTrust() != "" {
		out.Trust = p.trustName(e.GetTrust())
	}
	switch id, err := federation.ParseDocumentID(e.GetDocument()); {
	case err == nil: // a search of this log about it names this trust
		out.Custodian = p.trustName(string(id.Custodian()))
	case e.GetCustodian() != "" && e.GetKind() != "review":
		out.Custodian = p.trustName(e.GetCustodian())
	}
	if e.GetBytes() > 0 {
		out.Bytes = sizeName(e.GetBytes())
	}
	if e.GetOf() >= 0 {
		out.CompletesIndex, out.CompletesLink = uint64(e.GetOf()), "/audit/entries/"+strconv.FormatInt(e.GetOf(), 10)
	}
	return out
}

// Person is who acted, without their trust.
func (e auditEntry) Person() string {
	e.Trust = ""
	return e.Who()
}

// Who is who acted, as far as the entry says.
func (e auditEntry) Who() string {
	who := []string{e.User, e.Role, e.Trust}
	if strings.EqualFold(e.User, e.Role) { // patients have no other name in the log
		who = who[1:]
	}
	return strings.Join(slices.DeleteFunc(who, func(x string) bool { return x == "" }), ", ")
}

func outcomeWords(code string) (words, colour string) {
	switch code {
	case "PERMIT":
		return "Permitted", "green"
	case "DENIED":
		return "Refused", "red"
	case "STALE_POLICY":
		return "Not confirmed", "orange"
	case "NOT_FOUND":
		return "Said not to exist", "grey"
	case "UNAVAILABLE":
		return "Could not be reached", "orange"
	case "INTEGRITY":
		return "Failed its check", "red"
	default:
		return code, "grey"
	}
}

// entryKind says what an entry is. An intent about what another trust holds was written where the document was asked for.
func (p *Portal) entryKind(e *admin.AuditEntry) string {
	kind := e.GetKind()
	if id := federation.DocumentID(e.GetDocument()); kind == "intent" && id != "" && id.Custodian() != p.config.Trust {
		return "About to be asked for"
	}
	names := map[string]string{
		"intent": "About to be sent", "completion": "Sent", "receipt": "Received", "refusal": "Refused", "search": "Looked up", "view": "Looked at", "break-glass": "Emergency", "break_glass": "Emergency",
		"directive": "Patient's choice", "agreement": "Agreement", "review": "Review", "admin": "Administration", "ingest": "Taken in", "withdrawal": "Withdrawn", "security": "Suspicion or warning", "sign-on": "Sign-on", "sign-out": "Sign-out",
	}
	return cmp.Or(names[kind], kind)
}

// checksPage verifies the log and compares it with others'.
type checksPage struct {
	Did       string // own, region, reconcile; empty: nothing yet
	Ok        bool
	Entries   uint64
	Root      string
	Witnessed uint64 // checkpoints that it was compared with
	Findings  []string
	Damaged   int
	Sites     []checkSite
	Silent    int
	Days      string
	Compared  uint64
	OneSided  []oneSided
}

type checkSite struct {
	Name, Problem string
	Answered      bool
	Entries       uint64
}

type oneSided struct {
	At                         time.Time
	Here, There, User, Problem string
	Document                   string
}

func (p *Portal) showChecks(w http.ResponseWriter, r *http.Request, s *session) {
	p.show(w, r, s, http.StatusOK, view{Name: "checks", Title: "Check the audit log", Body: checksPage{Days: "7"}})
}

func (p *Portal) checkAudit(w http.ResponseWriter, r *http.Request, s *session) {
	body := checksPage{Did: r.PostFormValue("do"), Days: clip(strings.TrimSpace(r.PostFormValue("days")), 10)}
	var wrong []fault
	switch body.Did {
	case "own", "region":
		reply, err := p.config.Region.VerifyAudit(r.Context(), &admin.VerifyAuditRequest{Region: body.Did == "region", Asker: s.governor(ownDuties)})
		if err != nil {
			p.problem(w, r, s, err)
			return
		}
		body.Ok, body.Entries, body.Root, body.Witnessed, body.Findings, body.Damaged = reply.GetOk(), reply.GetEntries(), reply.GetRoot(), reply.GetCheckpoints(), reply.GetFindings(), len(reply.GetDamaged())
		body.sites(p, reply.GetSites())
		body.Days = cmp.Or(body.Days, "7")
	case "reconcile":
		days, err := strconv.Atoi(body.Days)
		if err != nil || days < 1 || days > 3660 {
			wrong = append(wrong, fault{"days", "Enter a number of days, such as 7"})
			body.Did = ""
			break
		}
		reply, err := p.config.Region.Reconcile(r.Context(), &admin.ReconcileRequest{Since: p.now().AddDate(0, 0, -days).UnixMicro(), Asker: s.governor(ownDuties)})
		if err != nil {
			p.problem(w, r, s, err)
			return
		}
		body.Compared, body.Ok = reply.GetCompared(), len(reply.GetOneSided()) == 0
		body.sites(p, reply.GetSites())
		for _, x := range reply.GetOneSided() {
			body.OneSided = append(body.OneSided, oneSided{At: moment(x.GetAt()), Here: p.trustName(x.GetHere()), There: p.trustName(x.GetThere()), User: x.GetUser(), Document: x.GetDocument(), Problem: x.GetProblem()})
		}
	default:
		body.Did = ""
	}
	status := http.StatusOK
	if len(wrong) > 0 {
		status = http.StatusUnprocessableEntity
	}
	p.show(w, r, s, status, view{Name: "checks", Title: "Check the audit log", Body: body, Error: wrong})
}

func (c *checksPage) sites(p *Portal, sites []*admin.ReportSite) {
	for _, t := range sites {
		if !t.GetAnswered() {
			c.Silent++
		}
		c.Sites = append(c.Sites, checkSite{Name: p.trustName(t.GetTrust()), Problem: t.GetProblem(), Answered: t.GetAnswered(), Entries: t.GetEntries()})
	}
	slices.SortFunc(c.Sites, func(a, b checkSite) int { return cmp.Compare(a.Name, b.Name) })
}

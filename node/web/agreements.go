package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// expirySoon is from when on an agreement is said to expire soon.
const expirySoon = 30 * 24 * time.Hour

// standing is how an agreement stands, in words and with a colour.
type standing struct{ Words, Colour string }

// agreementRow is a version, or a proposal, in a list.
type agreementRow struct {
	Version    uint64
	Link       string
	Standing   standing
	Soon       bool // expires within 30 days
	From, To   time.Time
	Next       time.Time // when a version that is agreed on takes its place
	By, Second string
	Note       string
	At         time.Time // when it was proposed
	Undecided  bool      // whoever reads this may decide about it
	Rollback   uint64    // version whose text a proposal brings back; 0: a new one
}

// agreementsPage lists what a trust shares, and has shared.
type agreementsPage struct {
	Trust    string
	Own      bool
	Others   []link
	Waiting  []agreementRow
	Versions []agreementRow
	Warnings []string
	Draft    time.Time // when the user's own draft was changed last
}

func (p *Portal) showAgreements(w http.ResponseWriter, r *http.Request, s *session) {
	wanted := r.URL.Query().Get("trust")
	reply, err := p.config.Region.Agreements(r.Context(), &admin.AgreementsRequest{Trust: wanted, History: true})
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	own := reply.GetTrust() == string(p.config.Trust)
	body := agreementsPage{Trust: p.trustName(reply.GetTrust()), Own: own}
	for _, v := range reply.GetVersions() {
		body.Versions = append(body.Versions, p.rowOf(v))
	}
	body.Versions = followed(body.Versions)
	for _, m := range reply.GetProposals() {
		if row := proposalRow(m); m.GetState() == "proposed" || m.GetState() == "approved" && !m.GetCommitted() {
			row.Undecided = m.GetState() == "proposed" && !strings.EqualFold(strings.TrimSpace(m.GetBy()), s.user.ID)
			body.Waiting = append(body.Waiting, row)
		}
	}
	for _, text := range reply.GetWarnings() {
		body.Warnings = append(body.Warnings, plainWords(admin.Errorf(admin.CodeBadInput, "%s", text)))
	}
	body.Others = p.otherTrusts(r, reply.GetTrust())
	if d, found := p.drafts.of(s.user.ID); found {
		body.Draft = d.at
	}
	p.show(w, r, s, http.StatusOK, view{Name: "agreements", Title: "Agreements", Body: body})
}

// followed says of each version when the one that takes its place comes, where that is agreed already.
func followed(all []agreementRow) []agreementRow {
	for i := range all {
		for _, next := range all {
			if all[i].Standing == standingOf("in_force") && next.Standing == standingOf("future") && (all[i].Next.IsZero() || next.From.Before(all[i].Next)) {
				all[i].Next = next.From
			}
		}
	}
	return all
}

// otherTrusts leads to the agreements of the other trusts, which every trust of the region has.
func (p *Portal) otherTrusts(r *http.Request, shown string) []link {
	var out []link
	h, err := p.config.Region.Health(r.Context())
	if err != nil {
		return nil // a convenience: the page is whole without it
	}
	seen := make(map[string]bool)
	for _, t := range h.Status.GetSites() {
		if !seen[t.GetTrust()] {
			seen[t.GetTrust()] = true
			out = append(out, link{"/agreements?trust=" + url.QueryEscape(t.GetTrust()), p.trustName(t.GetTrust()), t.GetTrust() == shown})
		}
	}
	return out
}

func (p *Portal) rowOf(v *admin.AgreementVersion) agreementRow {
	now := p.now()
	row := agreementRow{
		Version: v.GetVersion(), From: moment(v.GetEffective()), To: moment(v.GetExpires()), By: v.GetProposer(), Second: v.GetApprover(), Note: v.GetNote(),
		Link: "/agreements/versions/" + strconv.FormatUint(v.GetVersion(), 10), Standing: standingOf(v.GetState()),
	}
	if v.GetTrust() != "" && v.GetTrust() != string(p.config.Trust) {
		row.Link += "?trust=" + url.QueryEscape(v.GetTrust())
	}
	row.Soon = v.GetState() == "in_force" && !row.To.IsZero() && row.To.Sub(now) <= expirySoon
	return row
}

func standingOf(state string) standing {
	switch state {
	case "in_force":
		return standing{"In force", "green"}
	case "future":
		return standing{"Agreed, not yet in force", "blue"}
	case "superseded":
		return standing{"Superseded", "grey"}
	case "replaced":
		return standing{"Replaced before it took effect", "grey"}
	case "expired":
		return standing{"Expired", "red"}
	case "proposed":
		return standing{"Waiting for a second person", "yellow"}
	case "approved":
		return standing{"Approved, waiting for the region", "yellow"}
	case "rejected":
		return standing{"Rejected", "grey"}
	case "refused":
		return standing{"Refused by the region", "red"}
	default:
		return standing{state, "grey"}
	}
}

func proposalRow(m *admin.AgreementProposal) agreementRow {
	out := agreementRow{
		Version: m.GetVersion(), Link: "/agreements/proposals/" + url.PathEscape(m.GetId()), Standing: standingOf(m.GetState()), From: moment(m.GetEffective()), To: moment(m.GetExpires()),
		By: m.GetBy(), Second: m.GetDecidedBy(), Note: m.GetNote(), At: moment(m.GetAt()), Rollback: m.GetRollback(),
	}
	if m.GetState() == "approved" && m.GetCommitted() {
		out.Standing = standing{"Approved", "green"}
	}
	return out
}

// rule is one rule of an agreement as its author has described it.
type rule struct {
	Name, Reason string
	Forbids      bool
}

var (
	ruleHead   = regexp.MustCompile(`(?m)^\s*(permit|forbid)\s*\(`)
	annotation = regexp.MustCompile(`@(\w+)\s*\(\s*("(?:[^"\\\n]|\\.)*")\s*\)`)
)

// rulesOf reads the descriptions of the rules out of Cedar. They are what the author says of a rule; what it does is the text.
func rulesOf(cedar string) []rule {
	var out []rule
	from := 0
	for _, at := range ruleHead.FindAllStringSubmatchIndex(cedar, 200) {
		x := rule{Forbids: cedar[at[2]:at[3]] == "forbid"}
		for _, a := range annotation.FindAllStringSubmatch(cedar[from:at[0]], -1) {
			value, err := strconv.Unquote(a[2])
			if err != nil {
				value = a[2]
			}
			switch a[1] {
			case "id":
				x.Name = value
			case "reason":
				x.Reason = value
			}
		}
		from = at[1]
		out = append(out, x)
	}
	return out
}

// versionPage is one agreement.
type versionPage struct {
	agreementRow
	Trust     string
	Own       bool
	Rules     []rule
	Form      string
	Cedar     string
	Statement string
	Signed    time.Time
	Place     uint64
	Others    []uint64 // versions to compare it with
	MayRoll   bool
	RollNote  string
}

func (p *Portal) showVersion(w http.ResponseWriter, r *http.Request, s *session) {
	p.versionWith(w, r, s, http.StatusOK, nil)
}

func (p *Portal) versionWith(w http.ResponseWriter, r *http.Request, s *session, status int, wrong []fault) {
	v, others, err := p.version(r, r.URL.Query().Get("trust"), r.PathValue("version"))
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	body := versionPage{
		agreementRow: p.rowOf(v), Trust: p.trustName(v.GetTrust()), Own: v.GetTrust() == string(p.config.Trust), Rules: rulesOf(v.GetCedar()), Form: v.GetForm(), Cedar: v.GetCedar(),
		Statement: v.GetStatement(), Signed: moment(v.GetSigned()), Place: v.GetIndex(), Others: others, RollNote: typed(r, "note"),
	}
	body.MayRoll = body.Own && v.GetState() != "in_force" && v.GetState() != "future"
	p.show(w, r, s, status, view{Name: "agreement", Title: fmt.Sprintf("Version %d of the agreement", v.GetVersion()), Body: body, Error: wrong})
}

// version returns one version with its text, and the numbers of the others.
func (p *Portal) version(r *http.Request, trust, number string) (*admin.AgreementVersion, []uint64, error) {
	n, err := strconv.ParseUint(number, 10, 64)
	missing := admin.Errorf(admin.CodeNotFound, "there is no such version of the agreement")
	if err != nil || n == 0 {
		return nil, nil, missing
	}
	one, err := p.config.Region.Agreements(r.Context(), &admin.AgreementsRequest{Trust: trust, History: true, Version: n})
	if err != nil {
		return nil, nil, err
	}
	if len(one.GetVersions()) != 1 {
		return nil, nil, missing
	}
	all, err := p.config.Region.Agreements(r.Context(), &admin.AgreementsRequest{Trust: trust, History: true})
	if err != nil {
		return nil, nil, err
	}
	var others []uint64
	for _, v := range all.GetVersions() {
		if v.GetVersion() != n {
			others = append(others, v.GetVersion())
		}
	}
	return one.GetVersions()[0], others, nil
}

// rollBack proposes the text of an earlier version again.
func (p *Portal) rollBack(w http.ResponseWriter, r *http.Request, s *session) {
	n, err := strconv.ParseUint(r.PathValue("version"), 10, 64)
	note := strings.TrimSpace(r.PostFormValue("note"))
	if err != nil || note == "" {
		p.versionWith(w, r, s, http.StatusUnprocessableEntity, []fault{{"note", "Say why this version is wanted again"}})
		return
	}
	if wrong := tooLong(r, "note"); len(wrong) > 0 {
		p.versionWith(w, r, s, http.StatusUnprocessableEntity, wrong)
		return
	}
	m, err := p.config.Region.ProposeAgreement(r.Context(), &admin.ProposeAgreementRequest{Rollback: n, Note: note, Asker: s.governor(ownDuties)})
	if err != nil {
		p.versionWith(w, r, s, http.StatusUnprocessableEntity, []fault{{"note", plainWords(err)}})
		return
	}
	http.Redirect(w, r, "/agreements/proposals/"+url.PathEscape(m.GetId()), http.StatusSeeOther)
}

// comparePage is what is different between two texts.
type comparePage struct {
	A, B  string
	Lines []diffLine
	Same  bool
}

func (p *Portal) compareVersions(w http.ResponseWriter, r *http.Request, s *session) {
	q := r.URL.Query()
	a, _, err := p.version(r, q.Get("trust"), q.Get("a"))
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	b, _, err := p.version(r, q.Get("trust"), q.Get("b"))
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	if a.GetVersion() > b.GetVersion() {
		a, b = b, a
	}
	lines := diffOf(a.GetCedar(), b.GetCedar())
	body := comparePage{A: fmt.Sprintf("version %d", a.GetVersion()), B: fmt.Sprintf("version %d", b.GetVersion()), Lines: lines, Same: a.GetCedar() == b.GetCedar()}
	p.show(w, r, s, http.StatusOK, view{Name: "compare", Title: fmt.Sprintf("Versions %d and %d compared", a.GetVersion(), b.GetVersion()), Body: body, Wide: true})
}

// proposal returns a proposal of this trust, with its text.
func (p *Portal) proposal(r *http.Request, id string) (*admin.AgreementProposal, error) {
	reply, err := p.config.Region.Agreements(r.Context(), &admin.AgreementsRequest{})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(reply.GetProposals(), func(m *admin.AgreementProposal) bool { return m.GetId() == id }); i >= 0 {
		return reply.GetProposals()[i], nil
	}
	if reply, err = p.config.Region.Agreements(r.Context(), &admin.AgreementsRequest{History: true}); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(reply.GetProposals(), func(m *admin.AgreementProposal) bool { return m.GetId() == id }); i >= 0 {
		return reply.GetProposals()[i], nil
	}
	return nil, admin.Errorf(admin.CodeNotFound, "there is no such proposal")
}

package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// suspensionsPage is who may not take part.
type suspensionsPage struct {
	Trusts    []suspendable
	Users     []suspendedUser
	Proposals []suspensionProposal
	In        map[string]string
	Told      string
	Unknown   bool // how the region is cannot be told
}

type suspendable struct {
	Code, Name string
	Own        bool
	Suspended  bool
	By, Reason string
	Since      time.Time
}

type suspendedUser struct {
	User, Reason, By string
	At               time.Time
}

type suspensionProposal struct {
	ID, What, By      string
	Approvals, Needed uint32
}

func (p *Portal) showSuspensions(w http.ResponseWriter, r *http.Request, s *session) {
	told := map[string]string{
		"user": "The member of staff is suspended. Their sessions have ended.", "nobody": "The staff id is suspended. Nobody was signed on under that staff id: make sure in the list below that it is spelt as you meant it.", "user-lifted": "The suspension was lifted. They can sign on again.", "trust": "The trust is suspended from the region.",
		"trust-lifted": "The suspension was lifted. The trust hears of it within seconds.", "proposed": "It is proposed. It takes effect when enough trusts have approved it.", "back": "It was taken back before any other trust heard of it.",
	}[r.URL.Query().Get("told")]
	p.suspensionsWith(w, r, s, http.StatusOK, suspensionsPage{In: map[string]string{}, Told: told}, nil)
}

func (p *Portal) suspensionsWith(w http.ResponseWriter, r *http.Request, s *session, status int, body suspensionsPage, wrong []fault) {
	users, err := p.config.Region.SuspendUser(r.Context(), &admin.SuspendUserRequest{Asker: s.governor(ownDuties)})
	if err != nil {
		p.problem(w, r, s, err)
		return
	}
	for _, u := range users.GetUsers() {
		body.Users = append(body.Users, suspendedUser{u.GetUser(), u.GetReason(), u.GetBy(), moment(u.GetAt())})
	}
	h, err := p.config.Region.Health(r.Context())
	if err != nil {
		body.Unknown = true
		p.show(w, r, s, status, view{Name: "suspensions", Title: "Suspensions", Body: body, Error: wrong})
		return
	}
	seen := make(map[string]bool)
	for _, t := range h.Status.GetSites() {
		if seen[t.GetTrust()] {
			continue
		}
		seen[t.GetTrust()] = true
		x := suspendable{Code: t.GetTrust(), Name: p.trustName(t.GetTrust()), Own: t.GetTrust() == string(p.config.Trust), Suspended: t.GetStanding() == federation.Suspended.String()}
		if how := t.GetSuspension(); how != nil {
			x.Reason, x.Since = how.GetReason(), moment(how.GetSince())
			if how.GetBy() != "" {
				x.By = p.trustName(how.GetBy())
			}
		}
		body.Trusts = append(body.Trusts, x)
	}
	slices.SortFunc(body.Trusts, func(a, b suspendable) int { return cmp.Compare(a.Name, b.Name) })
	for _, m := range h.Status.GetProposals() {
		body.Proposals = append(body.Proposals, suspensionProposal{m.GetId(), m.GetWhat(), p.trustName(m.GetBy()), m.GetApprovals(), m.GetNeeded()})
	}
	p.show(w, r, s, status, view{Name: "suspensions", Title: "Suspensions", Body: body, Error: wrong})
}

// suspend takes one of the page's forms.
func (p *Portal) suspend(w http.ResponseWriter, r *http.Request, s *session) {
	in := make(map[string]string)
	for _, name := range []string{"do", "user", "user-reason", "trust", "trust-reason", "sure", "proposal"} {
		in[name] = typed(r, name)
	}
	told, wrong := "", tooLong(r, "user-reason", "trust-reason")
	switch do := in["do"]; {
	case len(wrong) > 0:
	case do == "user", do == "lift-user":
		told, wrong = p.suspendUser(r, s, in)
	case do == "trust", do == "lift-trust":
		told, wrong = p.suspendTrust(r, s, in)
	case do == "approve":
		reply, err := p.config.Region.Approve(r.Context(), &admin.ApproveRequest{Proposal: in["proposal"], By: s.governor(ownDuties)})
		told = "proposed"
		if reply.GetInForce() {
			told = "trust"
		}
		if err != nil {
			wrong = []fault{{"proposals", plainWords(err)}}
		}
	default:
		wrong = []fault{{"user", "Choose what to do"}}
	}
	if len(wrong) > 0 {
		p.suspensionsWith(w, r, s, http.StatusUnprocessableEntity, suspensionsPage{In: in}, wrong)
		return
	}
	http.Redirect(w, r, "/suspensions?told="+told, http.StatusSeeOther)
}

func (p *Portal) suspendUser(r *http.Request, s *session, in map[string]string) (string, []fault) {
	lift := in["do"] == "lift-user"
	var wrong []fault
	if in["user"] == "" {
		wrong = append(wrong, fault{"user", "Enter a staff id"})
	}
	if !lift && in["user-reason"] == "" {
		wrong = append(wrong, fault{"user-reason", "Say why: it is kept in the audit log"})
	}
	if len(wrong) > 0 {
		return "", wrong
	}
	_, err := p.config.Region.SuspendUser(r.Context(), &admin.SuspendUserRequest{User: in["user"], Reason: in["user-reason"], Lift: lift, Asker: s.governor(ownDuties)})
	switch {
	case err != nil:
		return "", []fault{{"user", plainWords(err)}}
	case lift:
		return "user-lifted", nil
	default:
		ended := p.sessions.endAll(in["user"])
		p.forgetPlaces(r.Context(), in["user"])
		if ended == 0 { // the portal has no list of this trust's staff
			return "nobody", nil
		}
		return "user", nil
	}
}

func (p *Portal) suspendTrust(r *http.Request, s *session, in map[string]string) (string, []fault) {
	lift := in["do"] == "lift-trust"
	var wrong []fault
	if in["trust"] == "" {
		wrong = append(wrong, fault{"trust", "Select a trust"})
	}
	if !lift && in["trust-reason"] == "" {
		wrong = append(wrong, fault{"trust-reason", "Say why: every trust can read it"})
	}
	if !lift && in["sure"] == "" {
		wrong = append(wrong, fault{"sure", "Confirm that you know what this does"})
	}
	if len(wrong) > 0 {
		return "", wrong
	}
	reply, err := p.config.Region.Suspend(r.Context(), &admin.SuspendRequest{Trust: in["trust"], Reason: in["trust-reason"], Lift: lift, Yes: in["sure"] != "", By: s.governor(ownDuties)})
	switch {
	case err != nil:
		return "", []fault{{"trust", plainWords(err)}}
	case reply.GetTakenBack():
		return "back", nil
	case !reply.GetInForce():
		return "proposed", nil
	case lift:
		return "trust-lifted", nil
	default:
		return "trust", nil
	}
}

// Left says how many trusts have yet to approve.
func (m suspensionProposal) Left() string {
	return fmt.Sprintf("%d of %d trusts have approved", m.Approvals, m.Needed)
}

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Governing is what the pages of governance ask.
type Governing interface {
	Agreeing
	Wishing
	Judging
	Auditing
	Suspending
	Inquiring
	// Protect marks people whose record is watched, takes marks back, or lists them.
	Protect(ctx context.Context, q *admin.ProtectRequest) (*admin.ProtectReply, error)
}

// Agreeing is what is asked about what a trust shares.
type Agreeing interface {
	Agreements(ctx context.Context, q *admin.AgreementsRequest) (*admin.AgreementsReply, error)
	CheckAgreement(ctx context.Context, q *admin.CheckAgreementRequest) (*admin.CheckAgreementReply, error)
	SimulateAgreement(ctx context.Context, q *admin.SimulateAgreementRequest) (*admin.SimulateAgreementReply, error)
	ProposeAgreement(ctx context.Context, q *admin.ProposeAgreementRequest) (*admin.AgreementProposal, error)
	ApproveAgreement(ctx context.Context, q *admin.ApproveAgreementRequest) (*admin.AgreementProposal, error)
}

// Wishing is what is asked about what patients have said.
type Wishing interface {
	RecordDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error)
	WithdrawDirective(ctx context.Context, q *admin.WithdrawDirectiveRequest) (*admin.RecordDirectiveReply, error)
	Directives(ctx context.Context, q *admin.DirectivesRequest) (*admin.DirectivesReply, error)
	Receipt(ctx context.Context, q *admin.ReceiptRequest) (*admin.ReceiptReply, error)
}

// Judging is what is asked about accesses that somebody must judge.
type Judging interface {
	Reviews(ctx context.Context, q *admin.ReviewsRequest) (*admin.ReviewsReply, error)
	CloseReview(ctx context.Context, q *admin.CloseReviewRequest) (*admin.Review, error)
	// Opened tells of the documents of a review; one without a type is one that the asker may not be told of.
	Opened(ctx context.Context, review string, who *admin.Asker) ([]*admin.Located, error)
}

// Auditing is what is asked about evidence.
type Auditing interface {
	SearchAudit(ctx context.Context, q *admin.SearchAuditRequest) (*admin.SearchAuditReply, error)
	// ExportAudit sends lines of JSON; a line is the receiver's until the next.
	ExportAudit(ctx context.Context, q *admin.ExportAuditRequest, send func(line []byte) error) error
	VerifyAudit(ctx context.Context, q *admin.VerifyAuditRequest) (*admin.VerifyAuditReply, error)
	Reconcile(ctx context.Context, q *admin.ReconcileRequest) (*admin.ReconcileReply, error)
}

// Suspending is what is asked about who may take part.
type Suspending interface {
	Suspend(ctx context.Context, q *admin.SuspendRequest) (*admin.ProposalReply, error)
	Approve(ctx context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error)
	SuspendUser(ctx context.Context, q *admin.SuspendUserRequest) (*admin.SuspendUserReply, error)
	// ShutOut reports whether a member of this trust's staff is suspended. It is asked with every request.
	ShutOut(user string) bool
}

// Inquiring is what is asked about decisions.
type Inquiring interface {
	Why(ctx context.Context, q *admin.WhyRequest) (*admin.WhyReply, error)
	Who(ctx context.Context, q *admin.WhoRequest) (*admin.WhoReply, error)
}

// The purposes for which governance asks: to look after the trust's own duties, or because the patient asks.
const (
	ownDuties  = "HOPERAT"
	forPatient = "PATRQT"
)

// maxAgreement is how large a form with an agreement may be: 192 KiB of text, as browsers write it.
const maxAgreement = 640 << 10

// formLimit is how large the body of a request may be.
func formLimit(path string) int64 {
	if path == "/agreements" || strings.HasPrefix(path, "/agreements/") {
		return maxAgreement
	}
	return maxForm
}

// governanceRoutes are the pages of governance leads, and of those who do a part of their work.
func (p *Portal) governanceRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /agreements", p.signedOn(p.showAgreements))
	mux.HandleFunc("GET /agreements/versions/{version}", p.signedOn(p.showVersion))
	mux.HandleFunc("POST /agreements/versions/{version}", p.signedOn(p.rollBack))
	mux.HandleFunc("GET /agreements/compare", p.signedOn(p.compareVersions))
	mux.HandleFunc("GET /agreements/draft", p.signedOn(p.showDraft))
	mux.HandleFunc("POST /agreements/draft", p.signedOn(p.changeDraft))
	mux.HandleFunc("GET /agreements/proposals/{proposal}", p.signedOn(p.showProposal))
	mux.HandleFunc("POST /agreements/proposals/{proposal}", p.signedOn(p.decideProposal))

	find := p.find("wishfind", "Patients' choices", "/wishes/")
	mux.HandleFunc("GET /wishes", p.signedOn(find))
	mux.HandleFunc("POST /wishes", p.signedOn(find))
	mux.HandleFunc("GET /wishes/{key}", p.ofPatient(p.listWishes))
	mux.HandleFunc("GET /wishes/{key}/record", p.ofPatient(p.askWish))
	mux.HandleFunc("POST /wishes/{key}/record", p.ofPatient(p.recordWish))
	mux.HandleFunc("GET /wishes/{key}/withdraw/{directive}", p.ofPatient(p.askWithdrawal))
	mux.HandleFunc("POST /wishes/{key}/withdraw/{directive}", p.ofPatient(p.withdrawWish))
	mux.HandleFunc("GET /wishes/{key}/receipt/{directive}", p.ofPatient(p.showReceipt))

	mux.HandleFunc("GET /reviews", p.signedOn(p.showReviews))
	mux.HandleFunc("GET /reviews/{review}", p.signedOn(p.showReview))
	mux.HandleFunc("POST /reviews/{review}", p.signedOn(p.closeReview))

	mux.HandleFunc("GET "+watchedPath, p.signedOn(p.showWatched))
	mux.HandleFunc("POST "+watchedPath, p.signedOn(p.watch))

	mux.HandleFunc("GET "+labelsPath, p.signedOn(p.showLabels))
	mux.HandleFunc("POST "+labelsPath, p.signedOn(p.labelMany))

	mux.HandleFunc("GET /audit", p.signedOn(p.showAudit))
	mux.HandleFunc("POST /audit", p.signedOn(p.searchAudit))
	mux.HandleFunc("POST /audit/export", p.signedOn(p.exportAudit))
	mux.HandleFunc("GET /audit/entries/{entry}", p.signedOn(p.showEntry))
	mux.HandleFunc("POST /audit/entries/{entry}", p.signedOn(p.sendEntry))
	mux.HandleFunc("GET /audit/checks", p.signedOn(p.showChecks))
	mux.HandleFunc("POST /audit/checks", p.signedOn(p.checkAudit))

	mux.HandleFunc("GET /suspensions", p.signedOn(p.showSuspensions))
	mux.HandleFunc("POST /suspensions", p.signedOn(p.suspend))

	mux.HandleFunc("GET /why", p.signedOn(p.showWhy))
	mux.HandleFunc("POST /why", p.signedOn(p.findWhy))
}

// governor is who asks in the course of their office.
func (s *session) governor(purpose string) *admin.Asker {
	return &admin.Asker{User: s.user.ID, Role: s.user.Role, Purpose: purpose}
}

// suspended turns a member of staff away whom the trust has suspended, and ends what sessions they have.
func (p *Portal) suspended(w http.ResponseWriter, r *http.Request, user string) bool {
	if !p.config.Region.ShutOut(user) {
		return false
	}
	if n := p.sessions.endAll(user); n > 0 {
		p.left(r, &session{user: person{ID: user}}, fmt.Sprintf("signed out: their access is suspended, and %d sessions were ended", n))
	}
	p.forgetPlaces(r.Context(), user)
	setCookie(w, sessionCookie, "", 0)
	if fragment(r) {
		p.elsewhere(w, r, "/sign-on")
		return true
	}
	p.show(w, r, nil, http.StatusForbidden, view{Name: "message", Title: "Your access is suspended", Body: message{
		Text: []string{"Your trust has suspended your access, and you were logged out everywhere.", "Ask your information governance team. If a patient needs you now, ask a colleague to open their record."},
	}})
	return true
}

// problem shows why the node did not do something.
func (p *Portal) problem(w http.ResponseWriter, r *http.Request, s *session, err error) {
	status, title := http.StatusBadGateway, "That did not work"
	switch admin.CodeOf(err) {
	case admin.CodeDenied:
		status, title = http.StatusForbidden, "You may not do that"
	case admin.CodeNotFound:
		status, title = http.StatusNotFound, "There is no such thing"
	case admin.CodeBadInput, admin.CodeInUse:
		status = http.StatusUnprocessableEntity
	case admin.CodeNoQuorum:
		status, title = http.StatusServiceUnavailable, "The region cannot agree at the moment"
	default:
	}
	p.show(w, r, s, status, view{Name: "message", Title: title, Body: message{Text: paragraphs(plainWords(err)), Link: beginning(s.user.Role), LinkText: "Go to your first page"}})
}

func paragraphs(text string) []string { return strings.Split(text, "\n") }

var (
	// hints are what the node tells people at a command line: commands in quotes and flags.
	commandHint = regexp.MustCompile(`[^.;:,\n]*'ridgeway [^']*'[^.;\n]*`)
	roleHint    = regexp.MustCompile(`\s*\(--role\)`)
	giveHint    = regexp.MustCompile(`[?]? Give[^.]*--[a-z-]+`)
	flagHint    = regexp.MustCompile(`--([a-z]+)(-[a-z]+)*`)
	loose       = regexp.MustCompile(`[\s;:,.]*[:;,]\s*(\n|$)`)
)

// plainWords is what the node says of a failure, without what only helps at a command line.
func plainWords(err error) string {
	var known *admin.Error
	if !errors.As(err, &known) {
		return "Something is wrong with this trust's node. Try again, and tell your IT service desk if it stays so."
	}
	if known.Code == admin.CodeNoQuorum && !strings.Contains(known.Message, "kept") {
		return "Too few trusts of the region can be reached. Nothing was changed, or what was is kept here and told to them as soon as they can be: the Region page shows who is missing."
	}
	text := known.Message
	for _, hint := range []*regexp.Regexp{commandHint, roleHint, giveHint} {
		text = hint.ReplaceAllString(text, "")
	}
	text = flagHint.ReplaceAllString(text, "$1")
	text = strings.TrimRight(strings.TrimSpace(loose.ReplaceAllString(text, ".$1")), ".;:, ")
	if text == "" {
		return "The node did not do it. Check what you entered."
	}
	if first, _, _ := strings.Cut(text, " "); !strings.ContainsAny(first, ".@0123456789") { // a staff id stays as it is written
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text + "."
}

// moment is a time of the node's; zero where there is none.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// trustName is what a trust is called, with its code.
func (p *Portal) trustName(code string) string {
	if code == "" {
		return "any other trust"
	}
	if name := p.config.Names(federation.TrustID(code)); name != "" && name != code {
		return name + " (" + code + ")"
	}
	return code
}

// london reads a day and a time of day as British clocks show them; zero when there is no day.
func london(day, clock string) (time.Time, error) {
	if strings.TrimSpace(day) == "" {
		return time.Time{}, nil
	}
	if strings.TrimSpace(clock) == "" {
		clock = "00:00"
	}
	return time.ParseInLocation("2006-01-02 15:04", strings.TrimSpace(day)+" "+strings.TrimSpace(clock), britain())
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

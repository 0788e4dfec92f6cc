package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

const (
	// glassTime is how long the glass stays broken. Custodians hold other trusts to it.
	glassTime = 15 * time.Minute
	// glassSkew is how far the clocks of two nodes may be apart.
	glassSkew = 30 * time.Second
	// glassWords and glassReason bound a reason: a few words, and no essay.
	glassWords, glassReason = 3, 500
)

// The most emergencies within an hour, unless the settings say otherwise.
const (
	glassPerUser  = 5
	glassPerTrust = 20
)

// BreakGlass declares an emergency: for 15 minutes one user opens one patient's documents where the ordinary rules refuse and
// the custodian's agreement lets the glass be broken. It is in the audit log and in the review queue, synced, before it is
// in force; the region is told as soon as it can be.
func (n *Node) BreakGlass(ctx context.Context, q *admin.BreakGlassRequest) (*admin.BreakGlassReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	who, reason := asker(q.GetAsker()), strings.Join(strings.Fields(q.GetReason()), " ")
	if err := n.admit(ctx, who); err != nil {
		return nil, err
	}
	if fault := reasonFault(reason); fault != "" {
		return nil, admin.Errorf(admin.CodeBadInput, "--reason: %s: say in a few words what the emergency is, such as \"unconscious in resus, no history\"", fault)
	}
	if err := n.mayAnswer(); err != nil {
		return nil, err
	}
	subject := n.records.Subject(number)
	n.glassMu.Lock()
	defer n.glassMu.Unlock()
	now := time.Now().UTC().Truncate(time.Microsecond)
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, err
	}
	if r, found := n.reviews.granted(n.Trust(), who.GetUser(), subjects, now); found && r.open() { // said twice; what was judged is not the review of another
		return n.declared(r), nil
	}
	r := &review{
		Kind: glassKind, User: who.GetUser(), Trust: n.Trust(), Role: who.GetRole(), Subject: subject, Reason: reason, At: now, Until: now.Add(glassTime),
	}
	r.ID = glassID(r.Trust, r.Subject, r.User, r.Until)
	custodians, err := n.glassPermitted(ctx, who, subject, r)
	if err != nil {
		return nil, err
	}
	if err := n.records.Remember(ctx, number); err != nil { // whoever reviews it has to know of whom it is
		return nil, n.storeProblem(err)
	}
	return n.declare(ctx, r, who, custodians)
}

// declare writes an emergency down wherever it must be, and then grants it.
func (n *Node) declare(ctx context.Context, r *review, who *admin.Asker, custodians []federation.TrustID) (*admin.BreakGlassReply, error) {
	if err := n.noteGlass(ctx, r, who, policy.Permit, "emergency "+r.ID+" until "+r.Until.Format(time.RFC3339)+": "+r.Reason); err != nil {
		return nil, err
	}
	r.Told = custodians
	if _, err := n.reviews.begin(ctx, r); err != nil {
		return nil, n.reviewProblem(err)
	}
	for _, t := range custodians {
		if t == n.Trust() && len(custodians) > 1 {
			continue // the region hears of it with the others
		}
		body := federation.BreakGlass{Subject: r.Subject, Custodian: t, User: r.User, Reason: r.Reason, Until: r.Until}
		if _, err := n.records.Enqueue(ctx, body); err != nil {
			return nil, n.storeProblem(err)
		}
	}
	signal(n.speaker.wake)
	err := n.reviews.change(ctx, r.ID, func(r *review) (bool, error) {
		r.Granted = true
		return true, nil
	})
	if err != nil {
		return nil, n.reviewProblem(err)
	}
	return n.declared(r), nil
}

// declared is the answer about an emergency that is in force, the same whenever it is asked for.
func (n *Node) declared(r *review) *admin.BreakGlassReply {
	reply := &admin.BreakGlassReply{Id: r.ID, Until: r.Until.UnixMicro(), Told: []string{string(n.Trust())}}
	for _, t := range r.Told {
		if t != n.Trust() {
			reply.Told = append(reply.Told, string(t))
		}
	}
	return reply
}

// reasonFault says what is wrong with a reason; nothing when it is one.
func reasonFault(reason string) string {
	words := 0
	for _, w := range strings.Fields(reason) {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			words++
		}
	}
	switch {
	case words < glassWords:
		return fmt.Sprintf("it has %d of the %d words that a reason needs", words, glassWords)
	case len(reason) > glassReason:
		return fmt.Sprintf("it has %d bytes, at most %d", len(reason), glassReason)
	default:
		if fault := federation.LineFault(reason, glassReason); fault != "" {
			return "it " + fault
		}
		return ""
	}
}

// glassPermitted returns the custodians whose privacy officers are to be told, the own trust first. It refuses where no
// agreement lets the user break the glass, whoever the patient is, and where too many emergencies were declared.
func (n *Node) glassPermitted(ctx context.Context, who *admin.Asker, subject federation.Subject, r *review) ([]federation.TrustID, error) {
	var custodians []federation.TrustID
	permitted := false
	local := n.refusalsBefore(ctx, subject)
	err := n.replica.View(ctx, consensus.Local(), func(view consensus.Reader) (err error) {
		permitted = n.anyGlass(view, who, r)
		custodians, err = n.glassHolders(ctx, view, who, subject, local)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !permitted {
		err := n.noteGlass(ctx, r, who, policy.Denied, "no agreement of the region lets this role break the glass for this purpose: "+r.Reason)
		return nil, errors.Join(admin.Errorf(admin.CodeDenied, "no trust of the region lets the role %s break the glass for %s: nothing was opened", who.GetRole(), who.GetPurpose()), err)
	}
	limits := n.options.Settings.Glass
	ofUser, ofTrust := n.reviews.emergencies(n.Trust(), r.User, "")
	if ofUser >= orDefault(limits.PerUser, glassPerUser) || ofTrust >= orDefault(limits.PerSite, glassPerTrust) {
		err := n.noteGlass(ctx, r, who, policy.TooMany, fmt.Sprintf("%d emergencies by this user and %d at this trust within an hour: %s", ofUser, ofTrust, r.Reason))
		return nil, errors.Join(admin.Errorf(admin.CodeTooMany, "within an hour %s has declared %d emergencies and %s %d: no more for now. Ask a colleague, or the trust that holds the record by telephone", r.User, ofUser, n.Trust(), ofTrust), err)
	}
	return custodians, nil
}

// anyGlass reports whether any agreement lets the user break the glass for an ordinary document.
func (n *Node) anyGlass(view consensus.Reader, who *admin.Asker, r *review) bool {
	roster := n.ledger.Roster()
	none := func(federation.Subject) ([]policy.Directive, error) { return nil, nil }
	for _, t := range roster.Trusts() {
		f := n.rules.facts(view, roster, none, factsQuery{requester: n.Trust(), custodian: t.ID, subject: r.Subject, now: r.At, limit: policy.MaxLease})
		f.Complete = false // so that nothing but the glass permits
		for _, c := range []federation.Confidentiality{federation.Normal, federation.Restricted} {
			q := glassRequest(who, n.Trust(), policy.Document{
				ID: federation.NewDocumentID(t.ID, federation.DocumentKey{1}), Custodian: t.ID, Subject: r.Subject, Confidentiality: c,
			}, r.At)
			if policy.Decide(q, f).Permitted() {
				return true
			}
		}
	}
	return false
}

func glassRequest(who *admin.Asker, trust federation.TrustID, doc policy.Document, now time.Time) policy.Request {
	link, _ := policy.ParseRelationship(who.GetRelationship()) // checkAsker has read it
	return policy.Request{
		User: policy.User{Trust: trust, ID: who.GetUser(), Role: who.GetRole()}, Action: policy.Open, Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Link: link, Document: doc, BreakGlass: true, Now: now,
	}
}

// glassHolders returns the own trust, and those that hold documents of the patient which the user may know of once the glass
// is broken.
func (n *Node) glassHolders(ctx context.Context, view consensus.Reader, who *admin.Asker, subject federation.Subject, local refusals) ([]federation.TrustID, error) {
	link, _ := policy.ParseRelationship(who.GetRelationship()) // checkAsker has read it
	may := n.sightWith(ctx, view, who, link, subject, saidBy(view, local, subject), true)
	out := []federation.TrustID{n.Trust()}
	seen := map[federation.TrustID]bool{n.Trust(): true}
	var cursor index.Cursor
	for {
		page, err := index.Locate(view, index.Query{Subject: subject, Cursor: cursor, Limit: index.MaxPage})
		if err != nil {
			return nil, fmt.Errorf("read the index: %w", err)
		}
		for i := range page.Pointers {
			if t := page.Pointers[i].Custodian(); !seen[t] && may(&page.Pointers[i]) {
				seen[t] = true
				out = append(out, t)
			}
		}
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
	}
}

func (n *Node) noteGlass(ctx context.Context, r *review, who *admin.Asker, o policy.Outcome, detail string) error {
	return n.note(ctx, audit.Entry{
		Time: time.Now().UTC(), Kind: audit.BreakGlass, Trust: n.Trust(), Node: n.ID(), User: r.User, Role: who.GetRole(), Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), BreakGlass: true, Subject: r.Subject, Outcome: o.String(), Detail: clipText(detail, audit.MaxDetail),
	})
}

// glassID names an emergency: both ends make it from what travels.
func glassID(trust federation.TrustID, s federation.Subject, user string, until time.Time) string {
	return reviewID(trust, glassKind, string(trust), string(s[:]), user, strconv.FormatInt(until.UnixMicro(), 10))
}

// emergencyText is how an emergency travels in an assertion: until when, and why.
func emergencyText(r *review) string {
	return "until " + r.Until.UTC().Format(time.RFC3339Nano) + ": " + r.Reason
}

// parseEmergency reads what emergencyText has written.
func parseEmergency(text string) (until time.Time, reason string, err error) {
	rest, ok := strings.CutPrefix(text, "until ")
	at, reason, found := strings.Cut(rest, ": ")
	if !ok || !found {
		return until, "", errors.New("an emergency says until when it lasts, and why")
	}
	if until, err = time.Parse(time.RFC3339Nano, at); err != nil || !strings.HasSuffix(at, "Z") || until.Format(time.RFC3339Nano) != at || until.Nanosecond()%1000 != 0 {
		return until, "", errors.New("the end of an emergency is a time in UTC, to the microsecond")
	}
	if fault := reasonFault(reason); fault != "" {
		return until, "", errors.New("reason of an emergency: " + fault)
	}
	return until, reason, nil
}

// orDefault is a setting, or what it is when it was not set.
func orDefault(setting Bound, standard int) int {
	if setting == 0 {
		return standard
	}
	return int(setting)
}

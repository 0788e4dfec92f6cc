package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// settingGlassSeen is how far the region's log has been read for emergencies that name this trust.
const settingGlassSeen = "emergencies seen"

// glassJudged is what a user is told once the trust that holds a document has judged the emergency that opened it.
const glassJudged = "The trust that holds this document has judged that this emergency was not justified: nothing more is opened by it."

// Why a transfer ends that rested on an emergency.
var (
	errGlassOver   = errors.New("the time of the emergency has run out")
	errGlassJudged = admin.Errorf(admin.CodeDenied, "this trust has judged that this emergency was not justified: what it opened is closed")
)

// inEmergency returns the emergency that a user has declared for the patient of a document and that is not over.
func (n *Node) inEmergency(ctx context.Context, user string, subject federation.Subject) (*review, bool, error) {
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, false, err
	}
	r, found := n.reviews.granted(n.Trust(), user, subjects, time.Now())
	return r, found, nil
}

// subjectOf returns the patient of a document as far as this node knows it.
func (n *Node) subjectOf(ctx context.Context, id federation.DocumentID) (federation.Subject, bool, error) {
	p, found, err := agreed{n}.Pointer(ctx, id)
	if err != nil || found {
		return p.Subject, found, err
	}
	if id.Custodian() != n.Trust() {
		return federation.Subject{}, false, nil
	}
	doc, err := n.records.Document(ctx, id)
	if isGone(err) {
		return federation.Subject{}, false, nil
	}
	return doc.Subject, err == nil, err
}

// breakGlassFor makes a request say that the glass is to be broken where its user has declared an emergency for the patient,
// and has it end with the emergency, or when this trust's own reviewer judges it as not justified. over is called with what the request has come to.
func (n *Node) breakGlassFor(ctx context.Context, q *exchange.Request, subject federation.Subject) (context.Context, func(error) error, error) {
	same := func(err error) error { return err }
	r, found, err := n.inEmergency(ctx, q.User, subject)
	if err != nil || !found {
		return ctx, same, err
	}
	if err := n.reviews.document(ctx, r.ID, q.Document); err != nil {
		return ctx, same, n.reviewProblem(err)
	}
	q.Emergency, q.Subject = emergencyText(r), subject
	ctx, done := n.reviews.attend(ctx, r.ID)
	ctx, cancel := context.WithDeadlineCause(ctx, r.Until, errGlassOver)
	return ctx, func(err error) error {
		judged := errors.Is(context.Cause(ctx), errGlassJudged)
		defer done()
		defer cancel()
		if err != nil && judged {
			return errGlassJudged
		}
		if err != nil && !time.Now().Before(r.Until) {
			return admin.Errorf(admin.CodeDenied, "the emergency that was declared for this patient ended at %s: declare another with 'ridgeway break-glass' if it goes on", r.Until.Local().Format("15:04:05"))
		}
		return err
	}, nil
}

// looks has the rules of misuse look at a member of this trust's staff who asks another trust for a document.
func (n *Node) looks(ctx context.Context, who *admin.Asker, subject federation.Subject) {
	n.misuse.look(ctx, person{n.Trust(), who.GetUser()}, subject, who.GetRelationship())
}

// onEmergency is asked by the custodian before the glass is broken for a document of this trust. It keeps the review,
// synced, before it lets that happen.
func (n *Node) onEmergency(ctx context.Context, a exchange.Assertion) (time.Time, error) {
	now := time.Now().UTC()
	until, reason, err := parseEmergency(a.Emergency)
	switch {
	case err != nil:
		return time.Time{}, err
	case !now.Before(until):
		return time.Time{}, &exchange.Refusal{Outcome: policy.Denied, Text: exchange.EmergencyOver}
	case until.Sub(now) > glassTime+glassSkew:
		return time.Time{}, fmt.Errorf("an emergency of %s, at most %s", until.Sub(now).Round(time.Second), glassTime)
	}
	id, found, err := n.emergencyOf(ctx, a, until)
	if err != nil {
		return time.Time{}, err
	}
	if !found && a.Trust == n.Trust() {
		return time.Time{}, errors.New("own staff have declared no such emergency")
	}
	if err := n.judged(id); err != nil {
		return time.Time{}, err
	}
	if a.Trust != n.Trust() {
		if err := n.peerEmergency(ctx, &review{
			ID: id, Kind: glassKind, User: a.User, Trust: a.Trust, Role: a.Role, Subject: a.Subject, Reason: reason, At: now, Until: until,
		}); err != nil {
			return time.Time{}, err
		}
	}
	return until, n.reviews.document(ctx, id, a.Document)
}

// onJudged is asked by the custodian each time that a release in an emergency is decided on anew.
func (n *Node) onJudged(ctx context.Context, a exchange.Assertion) error {
	until, _, err := parseEmergency(a.Emergency)
	if err != nil {
		return err
	}
	id, _, err := n.emergencyOf(ctx, a, until)
	if err != nil {
		return err
	}
	return n.judged(id)
}

// judged returns the refusal of what an emergency would open that was judged here as not justified.
func (n *Node) judged(id string) error {
	if r, _ := n.reviews.get(id); r != nil && r.Outcome == reviewNotJustified {
		return &exchange.Refusal{Outcome: policy.Denied, Text: glassJudged, Cause: errors.New("emergency " + id + " was judged here as not justified")}
	}
	return nil
}

// emergencyOf returns the id of the emergency that an assertion is part of, and whether it is known here. The patient may
// have been named by another subject that is the same patient.
func (n *Node) emergencyOf(ctx context.Context, a exchange.Assertion, until time.Time) (string, bool, error) {
	subjects, err := n.linked(ctx, a.Subject)
	if err != nil {
		return "", false, err
	}
	for _, s := range subjects {
		id := glassID(a.Trust, s, a.User, until)
		if r, found := n.reviews.get(id); found && (r.Granted || a.Trust != n.Trust()) {
			return id, true, nil
		}
	}
	return glassID(a.Trust, a.Subject, a.User, until), false, nil
}

// peerEmergency opens the review of another trust's emergency, unless the region has told of it. It refuses when that trust
// had declared too many before.
func (n *Node) peerEmergency(ctx context.Context, r *review) error {
	n.glassMu.Lock()
	defer n.glassMu.Unlock()
	limits := n.options.Settings.Glass
	ofUser, ofTrust := n.reviews.emergencies(r.Trust, r.User, r.ID) // what is allowed once stays so, however many follow
	if ofUser >= orDefault(limits.PeerUser, glassPerUser) || ofTrust >= orDefault(limits.PeerTrust, glassPerTrust) {
		return &exchange.Refusal{
			Outcome: policy.TooMany, Text: "Too many emergencies were declared within an hour. Ask the trust that holds this document by telephone.",
			Cause: fmt.Errorf("%d emergencies by this user and %d of %s within an hour", ofUser, ofTrust, r.Trust),
		}
	}
	_, err := n.reviews.begin(ctx, r)
	return err
}

// onBreakGlass has emergencies looked at that the region has agreed on. Hooks must be quick: watchEmergencies does it.
func (n *Node) onBreakGlass(index.BreakGlass) { signal(n.emergencies) }

// watchEmergencies opens reviews of the emergencies that the region was told of and that concern this trust's documents,
// whether they have been opened or not; also of those that it was told of while this node was away.
func (n *Node) watchEmergencies(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := n.reviewEmergencies(ctx); err != nil && ctx.Err() == nil {
			n.logger.Warn("emergencies cannot be put up for review; it is tried again", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-n.emergencies:
		case <-tick.C:
		}
	}
}

func (n *Node) reviewEmergencies(ctx context.Context) error {
	b, found, err := n.records.Setting(ctx, settingGlassSeen)
	if err != nil {
		return err
	}
	var seen uint64
	if found && len(b) == 8 {
		seen = binary.BigEndian.Uint64(b)
	}
	last := seen
	var fresh []index.BreakGlass
	err = n.replica.View(ctx, consensus.Local(), func(view consensus.Reader) (err error) {
		fresh, err = index.EmergenciesAt(view, n.Trust(), seen)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range fresh {
		last = max(last, e.Index)
		if e.Trust == n.Trust() {
			continue // it was put up for review before the region was told
		}
		r := &review{
			ID: glassID(e.Trust, e.Subject, e.User, e.Until), Kind: glassKind, User: e.User, Trust: e.Trust, Subject: e.Subject, Reason: oneLine(e.Reason, glassReason),
			At: e.Until.Add(-glassTime), Until: e.Until,
		}
		if now := time.Now().UTC(); r.At.After(now) {
			r.At = now
		}
		if _, err := n.reviews.begin(ctx, r); err != nil {
			return err
		}
	}
	if last == seen {
		return nil
	}
	return n.records.SetSetting(ctx, settingGlassSeen, binary.BigEndian.AppendUint64(nil, last))
}

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	replayDays    = 30
	shownExamples = 10
	maxReplayDays = 3660
	// maxReplayed is how many audited requests are decided again: the newest.
	maxReplayed     = 50_000
	replayPage      = 10_000
	otherTypeWords  = "a type that neither agreement names"
	otherTrustWords = "any other trust"
)

// SimulateAgreement decides the audited requests of the last days, and everything that the two agreements can tell apart, under
// the agreement in force and under the draft, and says who gains and who loses what.
func (n *Node) SimulateAgreement(ctx context.Context, q *admin.SimulateAgreementRequest) (*admin.SimulateAgreementReply, error) {
	who := asker(q.GetAsker())
	if err := n.admit(ctx, who); err != nil {
		return nil, err
	}
	days, examples := int(q.GetDays()), int(q.GetExamples())
	if days == 0 {
		days = replayDays
	}
	if examples == 0 {
		examples = shownExamples
	}
	if days > maxReplayDays {
		return nil, admin.Errorf(admin.CodeBadInput, "--days %d: at most %d", days, maxReplayDays)
	}
	d, err := readDraft(q.GetText(), n.checker())
	if err != nil {
		return nil, err
	}
	if d.rules == nil {
		return nil, d.wrong()
	}
	now := time.Now().UTC()
	err = n.note(ctx, audit.Entry{
		Time: now, Kind: audit.Review, Trust: n.Trust(), Node: n.ID(), User: who.GetUser(),
		Detail: fmt.Sprintf("simulated an agreement, digest %s, on the requests of %d days", federation.Sum([]byte(d.cedar)).String(), days),
	})
	if err != nil {
		return nil, err
	}
	var before *policy.Agreement
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		before, _, err = n.rules.of(r, n.Trust(), now)
		return err
	})
	if err != nil {
		return nil, err
	}
	cases, skipped, err := n.replay(ctx, now.AddDate(0, 0, -days))
	if err != nil {
		return nil, err
	}
	audited, err := policy.Simulate(ctx, before, d.rules, slices.Values(cases))
	if err != nil {
		return nil, err
	}
	matrix, err := policy.Simulate(ctx, before, d.rules, policy.Matrix(n.Trust(), now, before, d.rules))
	if err != nil {
		return nil, err
	}
	for i := range matrix.Examples {
		matrix.Examples[i].Request.Document.ID = "" // made up: nobody finds it
	}
	reply := &admin.SimulateAgreementReply{Audited: impactOf(audited, examples), Matrix: impactOf(matrix, examples)}
	reply.Audited.Skipped, reply.Audited.Since = uint64(skipped), now.AddDate(0, 0, -days).UnixMicro()
	if len(cases) > 0 && len(cases)+skipped >= maxReplayed {
		reply.Audited.Since = cases[len(cases)-1].Request.Now.UnixMicro()
	}
	return reply, nil
}

// replay returns the requests for this trust's documents that the audit log has, the newest first, with the facts of today: what
// the patients have said since counts. skipped is how many cannot be decided again.
func (n *Node) replay(ctx context.Context, since time.Time) (cases []policy.Case, skipped int, err error) {
	filter := audit.Filter{Custodian: n.Trust(), Kinds: []audit.Kind{audit.Intent, audit.Refusal}, Since: since, Newest: true}
	known := replayed{n: n, documents: make(map[federation.DocumentID]*policy.Document), facts: make(map[factsKey]policy.Facts)}
	var from audit.Ref
	for {
		page, err := n.audit.Search(ctx, filter, from, replayPage)
		if err != nil {
			return nil, 0, fmt.Errorf("read the audit log: %w", err)
		}
		skipped += len(page.Damaged)
		for _, r := range page.Records {
			if len(cases)+skipped >= maxReplayed {
				return cases, skipped, nil
			}
			c, ok, err := known.one(ctx, r.Entry)
			switch {
			case err != nil:
				return nil, 0, err
			case ok:
				cases = append(cases, c)
			default:
				skipped++
			}
		}
		if from = page.Next; from == 0 {
			return cases, skipped, nil
		}
	}
}

// replayed keeps what recurs in a replay.
type replayed struct {
	n         *Node
	documents map[federation.DocumentID]*policy.Document // nil: not held any more
	facts     map[factsKey]policy.Facts
}

type factsKey struct {
	requester federation.TrustID
	subject   federation.Subject
}

// one returns an audited request as a case; not ok when its document is not held any more, or it named none.
func (x *replayed) one(ctx context.Context, e audit.Entry) (policy.Case, bool, error) {
	doc, seen := x.documents[e.Document]
	if !seen {
		found, err := held{x.n}.Document(ctx, e.Document)
		switch {
		case err == nil:
			doc = &found
		case !isAbsent(err) && !errors.Is(err, record.ErrErased):
			return policy.Case{}, false, x.n.storeProblem(err)
		}
		x.documents[e.Document] = doc
	}
	if doc == nil || e.Role == "" {
		return policy.Case{}, false, nil
	}
	key := factsKey{e.Trust, doc.Subject}
	facts, seen := x.facts[key]
	if !seen {
		var err error
		if facts, err = x.n.factsNow(ctx, policy.Request{User: policy.User{Trust: e.Trust}, Document: *doc, Now: time.Now().UTC()}, 0); err != nil {
			return policy.Case{}, false, err
		}
		x.facts[key] = facts
	}
	link, _ := policy.ParseRelationship(e.Relationship) // it was read when it was asked for
	link.Verified = policy.VerifiedIn(e.Rules)
	action := policy.Open
	if strings.Contains(e.Detail, exportWords) {
		action = policy.Export
	}
	return policy.Case{Facts: facts, Request: policy.Request{
		User: policy.User{Trust: e.Trust, ID: e.User, Role: e.Role}, Action: action, Purpose: e.Purpose, Relationship: e.Relationship, Link: link,
		Document: *doc, BreakGlass: e.BreakGlass, Now: e.Time,
	}}, true, nil
}

// factsNow gathers what a decision rests on, with a lease of an age.
func (n *Node) factsNow(ctx context.Context, q policy.Request, age time.Duration) (policy.Facts, error) {
	local := n.refusalsBefore(ctx, q.Document.Subject)
	var f policy.Facts
	if err := n.mayAnswer(); err != nil {
		return f, err
	}
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		f = n.rules.facts(r, n.ledger.Roster(), local, factsQuery{
			requester: q.User.Trust, custodian: q.Document.Custodian, subject: q.Document.Subject, now: q.Now, age: age, limit: n.leaseLimit(),
		})
		return nil
	})
	return f, err
}

// impactOf returns an impact as the socket carries it, what changes most first.
func impactOf(x policy.Impact, examples int) *admin.Impact {
	out := &admin.Impact{Decided: uint64(x.Cases), Before: uint64(x.Before), After: uint64(x.After), Gained: uint64(x.Gained.Total), Lost: uint64(x.Lost.Total)}
	for _, by := range []struct {
		name         string
		gained, lost map[string]int
	}{
		{"action", x.Gained.Action, x.Lost.Action},
		{"role", x.Gained.Role, x.Lost.Role},
		{"trust", x.Gained.Trust, x.Lost.Trust},
		{"purpose", x.Gained.Purpose, x.Lost.Purpose},
		{"type", x.Gained.Type, x.Lost.Type},
		{"confidentiality", x.Gained.Confidentiality, x.Lost.Confidentiality},
	} {
		values := slices.Collect(maps.Keys(by.gained))
		for v := range by.lost {
			if _, both := by.gained[v]; !both {
				values = append(values, v)
			}
		}
		slices.SortFunc(values, func(a, b string) int {
			return cmp.Or(cmp.Compare(by.gained[b]+by.lost[b], by.gained[a]+by.lost[a]), cmp.Compare(a, b))
		})
		for _, v := range values {
			out.Counts = append(out.Counts, &admin.ImpactCount{By: by.name, Value: plainValue(v), Gained: uint64(by.gained[v]), Lost: uint64(by.lost[v])})
		}
	}
	for _, e := range x.Examples[:min(examples, len(x.Examples))] {
		out.Examples = append(out.Examples, &admin.ImpactExample{
			Gained: e.Gained, Request: requestText(e.Request), Before: policy.Explain(e.Before), After: policy.Explain(e.After), Count: uint64(e.Count),
			Action: policy.ActionOf(e.Request), Role: plainValue(e.Request.User.Role), Trust: plainValue(string(e.Request.User.Trust)), Purpose: plainValue(e.Request.Purpose),
			Type: plainValue(e.Request.Document.Type), Confidentiality: e.Request.Document.Confidentiality.String(),
		})
	}
	return out
}

func plainValue(v string) string {
	switch v {
	case string(policy.OtherTrust):
		return otherTrustWords
	case policy.OtherCode:
		return otherTypeWords
	case "":
		return "none"
	default:
		return v
	}
}

// requestText puts a request into words without naming the user or the patient.
func requestText(r policy.Request) string {
	verb := "sees"
	switch {
	case r.BreakGlass:
		verb = "breaks the glass to open"
	case r.Action == policy.Open:
		verb = "opens"
	case r.Action == policy.Export:
		verb = "exports"
	}
	what := "a document"
	if r.Document.ID != "" {
		what = string(r.Document.ID)
	}
	parts := []string{"confidentiality " + r.Document.Confidentiality.String()}
	for _, f := range []struct{ name, value string }{{"type", r.Document.Type}, {"category", r.Document.Category}, {"specialty", r.Document.Specialty}} {
		if f.value != "" && f.value != policy.OtherCode {
			parts = append(parts, f.name+" "+f.value)
		}
	}
	if len(r.Document.Sensitivity) > 0 {
		parts = append(parts, "label "+strings.Join(r.Document.Sensitivity, ", "))
	}
	if r.Link.Kind != policy.NoRelationship {
		kind := string(r.Link.Kind)
		if r.Link.Verified {
			kind += ", verified"
		}
		parts = append(parts, "relationship "+kind)
	}
	return fmt.Sprintf("%s of %s %s %s for %s (%s)", orNone(r.User.Role), plainValue(string(r.User.Trust)), verb, what, orNone(r.Purpose), strings.Join(parts, "; "))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

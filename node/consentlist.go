package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// said is one thing that a patient has said, and how far it has come.
type said struct {
	index.Directive      // Index zero: the region has not agreed on it
	here            bool // it counts at this node all the same
	refused         bool // the region refused it
	takenBack       bool // a consent that was withdrawn here, which the region has not agreed on
}

// state returns the word for how far it has come.
func (s said) state(now time.Time) string {
	none := federation.DirectiveID{}
	switch {
	case s.WithdrawnBy != none:
		return "withdrawn"
	case s.SupersededBy != none:
		return "superseded"
	case !s.Until.IsZero() && !now.Before(s.Until):
		return "expired"
	case s.takenBack:
		return "withdrawn_here"
	case s.Index > 0:
		return "in_force"
	case s.here:
		return "here"
	case s.refused:
		return "refused"
	default:
		return "waiting"
	}
}

// allSaid returns all that a patient has said: what the region has agreed on, what it has yet to, and what it refused.
func (n *Node) allSaid(ctx context.Context, subject federation.Subject) ([]said, error) {
	// What is agreed on is read last: it leaves this node's stores only once the agreed state has it.
	out, err := n.unagreed(ctx, subject)
	if err != nil {
		return nil, err
	}
	var agreed []index.Directive
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) (err error) {
		agreed, err = index.DirectiveHistory(r, subject)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what the patient has said: %w", err)
	}
	for _, d := range agreed {
		out = slices.DeleteFunc(out, func(s said) bool { return s.ID == d.ID })
		out = append(out, said{Directive: d})
	}
	for i := range out {
		s := &out[i]
		s.takenBack = s.Effect == federation.Consent && slices.ContainsFunc(out, func(o said) bool {
			return o.here && o.Index == 0 && (o.Effect == federation.Withdrew && o.Target == s.ID || o.Effect == federation.Object && o.Supersedes == s.ID)
		})
	}
	slices.SortStableFunc(out, func(a, b said) int { return cmp.Or(cmp.Compare(place(a), place(b)), a.At.Compare(b.At)) })
	return out, nil
}

// place orders what is agreed on before what is not.
func place(s said) uint64 {
	if s.Index == 0 {
		return math.MaxUint64
	}
	return s.Index
}

// saying gathers what a patient has said, from wherever it is kept.
type saying struct {
	trust    federation.TrustID
	subjects []federation.Subject
	all      []said
}

// add reads a statement's body. What is no directive of the patient is passed over, and what is there already has found another
// place where it is kept.
func (g *saying) add(kind federation.Kind, body []byte, at time.Time, here, refused bool) error {
	if kind != federation.KindDirective {
		return nil
	}
	decoded, err := federation.DecodeBody(federation.Statement{Trust: g.trust, Kind: kind, Body: body})
	if err != nil {
		return fmt.Errorf("read what waits for the region: %w", err)
	}
	d, ok := decoded.(federation.Directive)
	if !ok || !slices.Contains(g.subjects, d.Subject) {
		return nil
	}
	i := slices.IndexFunc(g.all, func(s said) bool { return s.ID == d.ID })
	if i < 0 {
		i = len(g.all)
		g.all = append(g.all, said{Directive: index.Directive{Directive: d, Trust: g.trust, At: at}})
	}
	g.all[i].here, g.all[i].refused = g.all[i].here || here, g.all[i].refused || refused
	return nil
}

// unagreed returns what a patient has said at this trust and the region has not agreed on.
func (n *Node) unagreed(ctx context.Context, subject federation.Subject) ([]said, error) {
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, err
	}
	g := saying{trust: n.Trust(), subjects: subjects}
	pending, err := n.records.Pending(ctx, federation.MaxPointers)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	for _, e := range pending {
		if err := g.add(e.Kind, e.Body, e.Queued, false, false); err != nil {
			return nil, err
		}
	}
	// After what waits: from there it goes to be in flight.
	if err := n.inFlight(ctx, func(s federation.Statement) error { return g.add(s.Kind, s.Body, s.At, false, false) }); err != nil {
		return nil, err
	}
	rejected, err := n.records.Rejected(ctx, keptOutcomes)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	for _, r := range rejected {
		if err := g.add(r.Entry.Kind, r.Entry.Body, r.Entry.Queued, false, true); err != nil {
			return nil, err
		}
	}
	for _, s := range subjects {
		kept, err := n.records.Refusals(ctx, s)
		if err != nil {
			return nil, n.storeProblem(err)
		}
		for _, k := range kept {
			if err := g.add(federation.KindDirective, federation.EncodeBody(k.Directive), k.Recorded, true, false); err != nil {
				return nil, err
			}
		}
	}
	return g.all, nil
}

// inFlight shows fn the statement that is on its way to the region, if there is one.
func (n *Node) inFlight(ctx context.Context, fn func(federation.Statement) error) error {
	flight, found, err := n.records.InFlight(ctx)
	if err != nil {
		return n.storeProblem(err)
	}
	if !found {
		return nil
	}
	signed, err := federation.DecodeSigned(flight.Envelope)
	if err != nil {
		return fmt.Errorf("statement in flight: %w", err)
	}
	s, err := signed.Statement()
	if err != nil {
		return fmt.Errorf("statement in flight: %w", err)
	}
	return fn(s)
}

// current returns a directive of the patient that has not ended.
func current(all []said, id federation.DirectiveID, now time.Time) (said, error) {
	i := slices.IndexFunc(all, func(s said) bool { return s.ID == id })
	if i < 0 || all[i].Effect == federation.Withdrew {
		return said{}, admin.Errorf(admin.CodeNotFound, "the patient has said nothing with the number %x: 'ridgeway consent list' lists what there is", id)
	}
	switch state := all[i].state(now); state {
	case "withdrawn", "superseded", "withdrawn_here":
		return said{}, admin.Errorf(admin.CodeBadInput, "%x has ended already (%s): nothing was changed", id, state)
	default:
		return all[i], nil
	}
}

// wishes returns what has been said as decisions look at it. What counts nowhere yet is taken for agreed, as the newest.
func wishes(all []said) []policy.Directive {
	out := make([]policy.Directive, 0, len(all))
	for _, s := range all {
		if s.refused && !s.here {
			continue
		}
		w := wish(s.Directive.Directive, s.Trust, s.Index)
		if s.Index == 0 {
			w.Version = math.MaxUint64 - 1
		}
		out = append(out, w)
	}
	return out
}

// Directives lists what a patient has said.
func (n *Node) Directives(ctx context.Context, q *admin.DirectivesRequest) (*admin.DirectivesReply, error) {
	number, err := n.patient(q.GetPatient())
	if err != nil {
		return nil, err
	}
	subject := n.records.Subject(number)
	if _, err := n.mayRecord(ctx, q.GetAsker(), subject, detailListed); err != nil {
		return nil, err
	}
	return n.listDirectives(ctx, subject, q.GetHistory())
}

// listDirectives does it for somebody who may.
func (n *Node) listDirectives(ctx context.Context, subject federation.Subject, history bool) (*admin.DirectivesReply, error) {
	if err := n.mayAnswer(); err != nil {
		return nil, err
	}
	all, err := n.allSaid(ctx, subject)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	reply := &admin.DirectivesReply{}
	for _, s := range all {
		switch state := s.state(now); {
		case history:
		case s.Effect == federation.Withdrew, state == "withdrawn", state == "superseded", state == "expired", state == "refused":
			continue
		}
		reply.Directives = append(reply.Directives, n.directiveInfo(s, now))
	}
	for _, c := range policy.Conflicts(wishes(all), now, n.called) {
		reply.Conflicts = append(reply.Conflicts, fmt.Sprintf("%x against %x: %s", c.Winner[:4], c.Loser[:4], c.Text))
	}
	return reply, nil
}

func (n *Node) directiveInfo(s said, now time.Time) *admin.DirectiveInfo {
	out := &admin.DirectiveInfo{
		Directive: hex.EncodeToString(s.ID[:]), Effect: effectWord(s.Effect), State: s.state(now), Text: policy.ReadBack(s.Directive.Directive, n.called),
		By: s.By, Trust: string(s.Trust), Evidence: s.Evidence, At: s.At.UnixMicro(), Index: s.Index,
	}
	if !s.Until.IsZero() {
		out.Until = s.Until.UnixMicro()
	}
	switch none := (federation.DirectiveID{}); {
	case s.WithdrawnBy != none:
		out.EndedBy = hex.EncodeToString(s.WithdrawnBy[:])
	case s.SupersededBy != none:
		out.EndedBy = hex.EncodeToString(s.SupersededBy[:])
	}
	return out
}

func effectWord(e federation.DirectiveEffect) string {
	switch e {
	case federation.Object:
		return "deny"
	case federation.Consent:
		return "permit"
	case federation.Withdrew:
		return "withdraw"
	default:
		return "not understood"
	}
}

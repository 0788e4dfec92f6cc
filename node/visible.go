package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// visible is a page of what a user may see, and the cursor of the next; empty when this is the last.
type visible struct {
	pointers []federation.Pointer
	next     string
}

// A listing is a patient's documents as one user may know of them: the index, and in it, at their places, the documents of this
// trust of which the region has yet to hear what is kept here. There is one order, and a cursor is the place of the last document
// that was shown, so that neither says anything of what was left out.
type listing struct {
	n       *Node
	r       consensus.Reader
	subject federation.Subject
	linked  []federation.Subject // all subjects that are this patient; nil when they could not be read
	may     sight
	held    map[federation.DocumentID]bool // of waiting, seen or not: the index does not speak for these
	waiting []federation.Pointer           // that the user may know of, in the order of the index
	room    []federation.Pointer           // for what is read at a time
}

// pageRoom is room for the pointers of one search after another: they are large, and were half of what a search left to the
// garbage collector.
type pageRoom struct{ read, shown []federation.Pointer }

// roomFor is how many pointers there is room for at first: what most patients have.
const roomFor = 64

func (n *Node) borrowRoom() *pageRoom {
	if room, ok := n.rooms.Get().(*pageRoom); ok {
		return room
	}
	return &pageRoom{read: make([]federation.Pointer, 0, roomFor), shown: make([]federation.Pointer, 0, roomFor)}
}

// returnRoom takes room back. The pointers that were in it must not be used any more, and nothing of them stays.
func (n *Node) returnRoom(room *pageRoom) {
	if cap(room.shown) > 4*roomFor || cap(room.read) > 4*roomFor {
		return // few patients have so many
	}
	clear(room.read[:cap(room.read)])
	clear(room.shown[:cap(room.shown)])
	n.rooms.Put(room)
}

// A search is what a user asks for.
type search struct {
	who     *admin.Asker
	subject federation.Subject
	cursor  string
	limit   int
}

// page returns a page of what a user may see of a patient. The pointers lie in room.
func (n *Node) page(ctx context.Context, q search, room *pageRoom) (visible, error) {
	subject := q.subject
	local := n.refusalsBefore(ctx, subject)
	waiting, err := n.waiting(ctx, subject) // before the index: what is agreed on meanwhile is in one of them at least
	if err != nil {
		return visible{}, err
	}
	var out visible
	err = n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		said := saidBy(r, local, subject)
		l := listing{n: n, r: r, subject: subject, linked: said.subjects, may: n.sight(ctx, r, q.who, subject, said), room: room.read}
		if err := l.take(waiting); err != nil {
			return err
		}
		var err error
		out, err = l.page(ctx, index.Cursor(q.cursor), q.limit, room.shown)
		room.read, room.shown = l.room, out.pointers
		if err != nil {
			return err
		}
		return l.tidy(ctx, out.pointers)
	})
	return out, err
}

// waiting returns the documents of this trust of which the region has yet to hear what is kept here.
func (n *Node) waiting(ctx context.Context, subject federation.Subject) ([]record.Document, error) {
	some, err := n.records.AnyWaiting(ctx)
	if err != nil {
		return nil, n.storeProblem(err)
	}
	if !some {
		return nil, nil
	}
	subjects, err := n.linked(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("read the patient's links: %w", err)
	}
	var out []record.Document
	for _, s := range subjects {
		docs, damaged, err := n.records.Waiting(ctx, s)
		if err != nil {
			return nil, n.storeProblem(err)
		}
		if len(damaged) > 0 {
			n.unreadable.Store(true)
		}
		out = append(out, docs...)
	}
	return out, nil
}

// take puts in order what waits. What has been made more confidential here counts at once, what has been made less so when the
// region has agreed.
func (l *listing) take(waiting []record.Document) error {
	l.held = make(map[federation.DocumentID]bool, len(waiting))
	for _, d := range waiting {
		p := d.Pointer()
		agreed, withdrawn, found, err := index.Pointer(l.r, d.ID)
		if err != nil {
			return fmt.Errorf("read the index: %w", err)
		}
		if found && !withdrawn && agreed.Confidentiality > p.Confidentiality {
			if p.Confidentiality = agreed.Confidentiality; p.Sealed() {
				p = p.Seal()
			}
		}
		l.held[d.ID] = true
		if l.may(&p) {
			l.waiting = append(l.waiting, p)
		}
	}
	slices.SortFunc(l.waiting, index.Compare)
	return nil
}

// page reads on until it has one more than a page of what the user may see, or all there is: a page that is cut short, or a cursor
// that leads to nothing, would tell of what was left out.
func (l *listing) page(ctx context.Context, cursor index.Cursor, limit int, room []federation.Pointer) (visible, error) {
	out := visible{pointers: room[:0]}
	full := func(p *federation.Pointer) bool {
		if len(out.pointers) < limit {
			out.pointers = append(out.pointers, *p)
			return false
		}
		out.next = string(index.After(l.subject, out.pointers[limit-1]))
		return true
	}
	err := l.each(ctx, cursor, limit+1, full)
	return out, err
}

// each calls fn for what the user may see after a cursor, in order, until fn says that it is enough. batch is how many pointers
// are read at first.
func (l *listing) each(ctx context.Context, cursor index.Cursor, batch int, fn func(*federation.Pointer) (enough bool)) error {
	waiting := l.waiting
	for len(waiting) > 0 {
		passed, err := cursor.Passed(l.subject, waiting[0])
		if err != nil {
			return foreignCursor()
		}
		if !passed {
			break
		}
		waiting = waiting[1:]
	}
	for ; ; batch *= 2 {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := index.Locate(l.r, index.Query{Subject: l.subject, Linked: l.linked, Cursor: cursor, Limit: min(batch, index.MaxPage), Room: l.room})
		switch {
		case errors.Is(err, index.ErrCursor):
			return foreignCursor()
		case err != nil:
			return fmt.Errorf("read the index: %w", err)
		}
		if cap(page.Pointers) > cap(l.room) {
			l.room = page.Pointers[:0]
		}
		gone, err := l.n.goneOf(ctx, page.Pointers)
		if err != nil {
			return err
		}
		for i := range page.Pointers {
			p := &page.Pointers[i] // they are large
			for len(waiting) > 0 && index.Compare(waiting[0], *p) < 0 {
				if fn(&waiting[0]) {
					return nil
				}
				waiting = waiting[1:]
			}
			if !gone[p.Document] && !l.held[p.Document] && l.may(p) && fn(p) {
				return nil
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for i := range waiting {
		if fn(&waiting[i]) {
			return nil
		}
	}
	return nil
}

func foreignCursor() error {
	return admin.Errorf(admin.CodeBadInput, "the cursor is not one of this patient's listing: begin without one")
}

// one is a document as a list has it; nil when the user may not know of it. p is what the index says.
func (l *listing) one(ctx context.Context, p federation.Pointer) (*admin.Located, error) {
	if i := slices.IndexFunc(l.waiting, func(w federation.Pointer) bool { return w.Document == p.Document }); i >= 0 {
		p = l.waiting[i]
	} else if l.held[p.Document] || !l.may(&p) {
		return nil, nil
	}
	pointers := []federation.Pointer{p}
	if err := l.tidy(ctx, pointers); err != nil {
		return nil, err
	}
	return located(pointers[0]), nil
}

// shown reports whether the user may know of a pointer of the index.
func (l *listing) shown(ctx context.Context, p *federation.Pointer) (bool, error) {
	if len(l.held) > 0 && l.held[p.Document] {
		return false, nil
	}
	gone, err := l.n.gone(ctx, p)
	return err == nil && !gone && l.may(p), err
}

// tidy takes out of pointers what they say of documents that the user may not know of: which one a document has replaced, and
// that another has replaced it.
func (l *listing) tidy(ctx context.Context, pointers []federation.Pointer) error {
	var replaced map[federation.DocumentID]bool
	for i := range pointers {
		p := &pointers[i]
		if p.Supersedes != "" {
			known, err := l.known(ctx, p.Supersedes)
			if err != nil {
				return err
			}
			if !known {
				p.Supersedes = ""
			}
		}
		if p.Status != federation.Superseded {
			continue
		}
		if replaced == nil {
			replaced = make(map[federation.DocumentID]bool)
			err := l.each(ctx, "", index.MaxPage, func(p *federation.Pointer) bool {
				if p.Supersedes != "" {
					replaced[p.Supersedes] = true
				}
				return false
			})
			if err != nil {
				return err
			}
		}
		if !replaced[p.Document] {
			p.Status = federation.Current
		}
	}
	return nil
}

// known reports whether the user may know of a document.
func (l *listing) known(ctx context.Context, id federation.DocumentID) (bool, error) {
	if l.held[id] {
		return slices.ContainsFunc(l.waiting, func(p federation.Pointer) bool { return p.Document == id }), nil
	}
	p, withdrawn, found, err := index.Pointer(l.r, id)
	if err != nil {
		return false, fmt.Errorf("read the index: %w", err)
	}
	if !found || withdrawn {
		return false, nil
	}
	return l.shown(ctx, &p)
}

// goneOf returns those of pointers that this trust has withdrawn, which the region may not know yet.
func (n *Node) goneOf(ctx context.Context, pointers []federation.Pointer) (map[federation.DocumentID]bool, error) {
	var own []federation.DocumentID
	for i := range pointers {
		if n.ours(pointers[i].Document) {
			own = append(own, pointers[i].Document)
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	gone, err := n.records.Withheld(ctx, own)
	if err == nil || ctx.Err() != nil {
		return gone, ctx.Err()
	}
	// Something of the store cannot be read. Each is looked up by itself, so that one that is damaged hides no other.
	gone = make(map[federation.DocumentID]bool)
	for i := range pointers {
		if gone[pointers[i].Document], err = n.gone(ctx, &pointers[i]); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// ours reports whether this trust is the custodian of a document. Taking each id of a list apart costs more than all that is
// decided on it.
func (n *Node) ours(id federation.DocumentID) bool {
	rest, ours := strings.CutPrefix(string(id), string(n.Trust()))
	return ours && strings.HasPrefix(rest, "-")
}

// gone reports whether this trust has withdrawn a document of its own, which the region may not know yet.
func (n *Node) gone(ctx context.Context, p *federation.Pointer) (bool, error) {
	if !n.ours(p.Document) {
		return false, nil
	}
	doc, err := n.records.Document(ctx, p.Document)
	switch {
	case errors.Is(err, record.ErrErased):
		return true, nil
	case err != nil:
		return false, ctx.Err() // listed all the same: whoever fetches it hears what is wrong with it
	}
	return doc.State.Phase == record.Withdrawn || doc.Legal != "", nil
}

// sight says whether a user may know of a pointer.
type sight func(*federation.Pointer) bool

// sight returns what a user may know of: in an emergency that they have declared, what they may open in one.
func (n *Node) sight(ctx context.Context, r consensus.Reader, who *admin.Asker, subject federation.Subject, said words) sight {
	_, glass := n.reviews.granted(n.Trust(), who.GetUser(), said.subjects, time.Now())
	return n.sightWith(ctx, r, who, n.relationship(ctx, said.subjects, n.statedBy(who)), subject, said, glass)
}

// sightWith is sight with the glass broken or whole. The facts about a custodian are gathered once.
func (n *Node) sightWith(ctx context.Context, r consensus.Reader, who *admin.Asker, link policy.Relationship, subject federation.Subject, said words, glass bool) sight {
	now := time.Now().UTC()
	request := policy.Request{
		User: policy.User{Trust: n.Trust(), ID: who.GetUser(), Role: who.GetRole()}, Purpose: who.GetPurpose(),
		Relationship: who.GetRelationship(), Link: link, BreakGlass: glass, Now: now,
	}
	custodians := make(map[federation.TrustID]*policy.Sight)
	names := newNaming(n, r, said)
	var first *policy.Sight
	var d policy.Document // one for all: the sight keeps none
	return func(p *federation.Pointer) bool {
		names.describe(ctx, p, &d)
		s := custodians[d.Custodian]
		if s == nil {
			// What a user is shown is filtered by whatever copy there is: it says how old it is. Only bytes need a lease.
			facts := n.rules.factsWith(r, n.ledger.Roster(), said, factsQuery{
				requester: n.Trust(), custodian: d.Custodian, subject: subject, now: now, age: 0, limit: policy.MaxLease,
			})
			if first == nil {
				first = policy.NewSight(request, facts)
				s = first
			} else {
				s = first.On(facts)
			}
			custodians[d.Custodian] = s
		}
		return s.Sees(&d)
	}
}

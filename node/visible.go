package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// maxRounds bounds how many pages of pointers one locate reads to fill a page of those that the user may see.
const maxRounds = 20

// visible is a page of what a user may see, and the cursor of the next; empty when this is the last.
type visible struct {
	pointers []federation.Pointer
	next     string
	// unread counts documents that this trust holds, the region has not heard of, and that cannot be read.
	unread int
}

// A listing has two parts. First comes what this trust holds and the region has not heard of, such as documents taken in
// while it cannot be reached: its own staff see them at once. Then comes the index. The cursor says where in which:
//
//	""              the beginning
//	"own.2.17"      the second part of the first: the third of the patient's subjects, from the record store's place 17
//	"index"         the beginning of the index
//	anything else   a cursor of the index
const (
	ownCursor   = "own."
	indexCursor = "index"
)

// page returns a page of what a user may see of a patient.
func (n *Node) page(ctx context.Context, who *admin.Asker, subject federation.Subject, cursor string, limit int) (visible, error) {
	local := n.refusalsBefore(ctx, subject)
	var out visible
	err := n.replica.View(ctx, consensus.Local(), func(r consensus.Reader) error {
		may := n.sight(r, who, subject, local)
		var own visible
		if cursor == "" || strings.HasPrefix(cursor, ownCursor) {
			var err error
			if own, err = n.ownPage(ctx, r, subject, may, cursor, limit); err != nil {
				return err
			}
			if own.next != "" {
				out = own
				return nil
			}
			cursor = indexCursor
		}
		if len(own.pointers) == limit {
			own.next = indexCursor
			out = own
			return nil
		}
		var err error
		if out, err = n.indexPage(ctx, r, subject, may, cursor, limit-len(own.pointers)); err != nil {
			return err
		}
		out.pointers, out.unread = append(out.pointers, own.pointers...), own.unread
		if len(own.pointers) == 0 {
			return nil // in the order of the index
		}
		slices.SortStableFunc(out.pointers, func(a, b federation.Pointer) int { return cmp.Compare(b.Date.Unix(), a.Date.Unix()) })
		return nil
	})
	return out, err
}

// indexPage reads pointers until a page of those that the user may see is full.
func (n *Node) indexPage(ctx context.Context, r consensus.Reader, subject federation.Subject, may sight, text string, limit int) (visible, error) {
	var out visible
	cursor := index.Cursor(text)
	if text == indexCursor {
		cursor = ""
	}
	for range maxRounds {
		page, err := index.Locate(r, index.Query{Subject: subject, Cursor: cursor, Limit: min(limit+1, index.MaxPage)})
		switch {
		case errors.Is(err, index.ErrCursor):
			return out, admin.Errorf(admin.CodeBadInput, "the cursor is not one of this patient's listing: begin without one")
		case err != nil:
			return out, fmt.Errorf("read the index: %w", err)
		}
		for _, p := range page.Pointers {
			if gone, err := n.gone(ctx, p); err != nil {
				return out, err
			} else if gone || !may(p) {
				continue
			}
			if len(out.pointers) == limit {
				out.next = string(index.After(subject, out.pointers[limit-1]))
				return out, nil
			}
			out.pointers = append(out.pointers, p)
		}
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
	}
	out.next = string(cursor)
	return out, nil
}

// gone reports whether this trust has withdrawn a document of its own, which the region may not know yet.
func (n *Node) gone(ctx context.Context, p federation.Pointer) (bool, error) {
	if p.Custodian() != n.Trust() {
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

// ownPage returns documents of this trust that the region has not heard of, or has refused.
func (n *Node) ownPage(ctx context.Context, r consensus.Reader, subject federation.Subject, may sight, text string, limit int) (visible, error) {
	var out visible
	stats, err := n.records.Stats(ctx)
	if err != nil {
		return out, n.storeProblem(err)
	}
	if stats.Outbox == 0 && stats.Rejected == 0 {
		return out, nil
	}
	subjects, err := index.Linked(r, subject)
	if err != nil {
		return out, fmt.Errorf("read the patient's links: %w", err)
	}
	i, from, err := parseOwn(text)
	if err != nil {
		return out, err
	}
	for ; i < len(subjects); i, from = i+1, 0 {
		for {
			page, err := n.records.BySubject(ctx, subjects[i], from, limit)
			if err != nil {
				return out, n.storeProblem(err)
			}
			damaged, err := unheardOf(r, page.Damaged)
			if err != nil {
				return out, err
			}
			out.unread += damaged
			for _, d := range page.Documents {
				p := d.Pointer()
				if unheard, err := unheard(r, d); err != nil {
					return out, err
				} else if unheard && may(p) {
					out.pointers = append(out.pointers, p)
				}
			}
			// A page of the store is at most limit long: two of them could overfill this one.
			if from = page.Next; from == 0 {
				break
			}
			if len(out.pointers) > 0 {
				out.next = ownCursor + strconv.Itoa(i) + "." + strconv.FormatUint(uint64(from), 10)
				return out, nil
			}
		}
		if len(out.pointers) > 0 && i+1 < len(subjects) {
			out.next = ownCursor + strconv.Itoa(i+1) + ".0"
			return out, nil
		}
	}
	return out, nil
}

func parseOwn(text string) (i int, from record.Cursor, err error) {
	if text == "" {
		return 0, 0, nil
	}
	at, rest, _ := strings.Cut(strings.TrimPrefix(text, ownCursor), ".")
	i, err1 := strconv.Atoi(at)
	place, err2 := strconv.ParseUint(rest, 10, 63)
	if err1 != nil || err2 != nil || i < 0 {
		return 0, 0, admin.Errorf(admin.CodeBadInput, "the cursor is not one of this patient's listing: begin without one")
	}
	return i, record.Cursor(place), nil
}

// unheardOf counts the documents that stand in no listing of the index.
func unheardOf(r consensus.Reader, ids []federation.DocumentID) (n int, err error) {
	for _, id := range ids {
		_, _, found, err := index.Pointer(r, id)
		if err != nil {
			return 0, fmt.Errorf("read the index: %w", err)
		}
		if !found {
			n++
		}
	}
	return n, nil
}

// unheard reports whether a document is held here and stands in no listing of the index.
func unheard(r consensus.Reader, d record.Document) (bool, error) {
	if d.Legal != "" || d.State.Phase != record.Queued && d.State.Phase != record.Refused {
		return false, nil
	}
	// It may be agreed on already, and this node has yet to note that.
	_, _, found, err := index.Pointer(r, d.ID)
	if err != nil {
		return false, fmt.Errorf("read the index: %w", err)
	}
	return !found, nil
}

// sight says whether a user may know of a pointer.
type sight func(federation.Pointer) bool

// sight returns what a user may know of: in an emergency that they have declared, what they may open in one.
func (n *Node) sight(r consensus.Reader, who *admin.Asker, subject federation.Subject, local refusals) sight {
	subjects, err := index.Linked(r, subject)
	_, glass := n.reviews.granted(n.Trust(), who.GetUser(), subjects, time.Now())
	return n.sightWith(r, who, subject, local, glass && err == nil)
}

// sightWith is sight with the glass broken or whole. The facts about a custodian are gathered once.
func (n *Node) sightWith(r consensus.Reader, who *admin.Asker, subject federation.Subject, local refusals, glass bool) sight {
	now := time.Now().UTC()
	link, _ := policy.ParseRelationship(who.GetRelationship()) // checkAsker has read it
	facts := make(map[federation.TrustID]policy.Facts)
	return func(p federation.Pointer) bool {
		f, ok := facts[p.Custodian()]
		if !ok {
			// What a user is shown is filtered by whatever copy there is: it says how old it is. Only bytes need a lease.
			f = n.rules.facts(r, n.ledger.Roster(), local, factsQuery{
				requester: n.Trust(), custodian: p.Custodian(), subject: subject, now: now, age: 0, limit: policy.MaxLease,
			})
			facts[p.Custodian()] = f
		}
		d := policy.Decide(policy.Request{
			User: policy.User{Trust: n.Trust(), ID: who.GetUser(), Role: who.GetRole()}, Action: policy.See, Purpose: who.GetPurpose(),
			Relationship: who.GetRelationship(), Link: link, Document: policy.DocumentOf(p), BreakGlass: glass, Now: now,
		}, f)
		return d.Visible && d.Permitted()
	}
}

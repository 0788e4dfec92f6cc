package node

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// free reports whether nothing of a kind waits in the outbox or is on its way.
func (s *speaker) free(ctx context.Context, kind federation.Kind) (bool, error) {
	waits, err := s.waits(ctx, func(k federation.Kind, _ []byte) bool { return k == kind })
	return !waits, err
}

// waits reports whether something that matches waits in the outbox or is on its way. What is about documents has no body.
func (s *speaker) waits(ctx context.Context, matches func(federation.Kind, []byte) bool) (bool, error) {
	flight, found, err := s.records.InFlight(ctx)
	if err != nil {
		return false, fmt.Errorf("read the statement in flight: %w", err)
	}
	if found {
		signed, err := federation.DecodeSigned(flight.Envelope)
		if err != nil {
			return false, fmt.Errorf("statement in flight: %w", err)
		}
		if statement, err := signed.Statement(); err != nil || matches(statement.Kind, statement.Body) {
			return true, err
		}
	}
	pending, err := s.records.Pending(ctx, federation.MaxPointers)
	if err != nil {
		return false, fmt.Errorf("read the outbox: %w", err)
	}
	return slices.ContainsFunc(pending, func(e record.OutboxEntry) bool { return matches(e.Kind, e.Body) }), nil
}

// compose makes the next statement of what waits and puts it in flight.
func (s *speaker) compose(ctx context.Context) (record.InFlight, bool, error) {
	body, entries, err := s.next(ctx)
	if err != nil || len(entries) == 0 {
		return record.InFlight{}, false, err
	}
	reserved := make(chan error, 1)
	go func() { reserved <- s.reserve(ctx, s.spoken.Load()+1) }() // while the region is asked: both wait for a disk
	place, err := s.line.Place(ctx)
	if failed := <-reserved; err == nil && failed != nil {
		return record.InFlight{}, false, failed
	}
	if err != nil {
		return record.InFlight{}, false, err
	}
	if err := s.reach(ctx, place.Seq-1); err != nil {
		return record.InFlight{}, false, err
	}
	if publish, ok := body.(federation.Publish); ok { // the copy here is as recent as the place
		found, err := s.crossed(ctx, publish.Pointers, math.MaxUint64)
		if err != nil {
			return record.InFlight{}, false, err
		}
		s.hold(publish.Pointers, found.unclear)
		if found.withdrawn || len(found.unclear) > 0 {
			return s.compose(ctx)
		}
	}
	signed, err := s.sign(place, body)
	if err != nil {
		return record.InFlight{}, false, fmt.Errorf("sign %s: %w", body.Kind(), err)
	}
	flight := record.InFlight{Envelope: signed.Encode(), Entries: entries}
	return flight, true, s.records.SetInFlight(ctx, flight)
}

// next returns what the next statement says, and the entries that it tells. The outbox is read by pages, for more may have to
// be passed over than one holds; what was passed over behind the first page is not read again for a while.
func (s *speaker) next(ctx context.Context) (body federation.Body, entries []record.EntryID, err error) {
	waits := make(map[federation.DocumentID]bool)
	after, now, skipped := record.EntryID(0), time.Now(), false
	if now.After(s.lookBack) {
		s.passed, s.lookBack = 0, now.Add(heldFor)
	}
	for {
		page, err := s.records.PendingAfter(ctx, after, s.page)
		if err != nil {
			return nil, nil, fmt.Errorf("read the outbox: %w", err)
		}
		if s.mend(ctx, page) {
			continue
		}
		s.waiting(page, waits)
		last := len(page) < s.page
		if last && !skipped {
			s.release(waits)
		}
		body, entries = s.gather(page)
		if last || len(entries) > 0 {
			return body, entries, nil
		}
		if after = page[len(page)-1].ID; s.passed > after {
			after, skipped = s.passed, true
		}
		s.passed = after
	}
}

// mend has the damaged entries of a page written anew or set aside, each once, and reports whether the page has changed.
func (s *speaker) mend(ctx context.Context, page []record.OutboxEntry) bool {
	var ids []record.EntryID
	for _, e := range page {
		if e.Damaged && !s.complained[e.ID] {
			s.complain(e, e.Err)
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return false
	}
	done, err := s.records.Mend(ctx, ids)
	switch {
	case err != nil:
		s.logger.Error("damaged entries of the outbox stay as they are; the others go on", slog.Any("error", err))
		return false
	case done.Aside > 0:
		s.logger.Error("damaged entries of the outbox were set aside: nothing else tells what they said; 'ridgeway rejected list' shows them", slog.Int("entries", done.Aside))
	}
	if done.Anew > 0 {
		s.logger.Warn("damaged entries of the outbox were written anew from what they are about", slog.Int("entries", done.Anew))
	}
	return true
}

// gather takes from what waits the first entry, and those after it that go into the same statement. What cannot be told is
// passed over: others must not wait for it.
func (s *speaker) gather(pending []record.OutboxEntry) (federation.Body, []record.EntryID) {
	var kind federation.Kind
	var entries []record.EntryID
	var publish federation.Publish
	var withdraw federation.Withdraw
	size, most := 0, federation.MaxPointers
	now := time.Now()
	for _, e := range pending {
		if e.Err != nil {
			s.complain(e, e.Err)
			continue
		}
		if e.Kind == federation.KindPublish && s.holds(e.Document, now) {
			continue
		}
		if kind == 0 {
			kind = e.Kind
		}
		if most = min(most, cmp.Or(s.apart[e.ID], most)); e.Kind != kind || len(entries) >= most {
			break
		}
		switch kind {
		case federation.KindPublish:
			if size += len(federation.EncodePointer(e.Pointer)); size > index.PublishBudget {
				return publish, entries
			}
			publish.Pointers = append(publish.Pointers, e.Pointer)
		case federation.KindWithdraw:
			if len(entries) > 0 && e.Reason != withdraw.Reason {
				return withdraw, entries // a statement gives one reason
			}
			withdraw.Reason = e.Reason
			withdraw.Documents = append(withdraw.Documents, e.Document)
		default:
			body, err := federation.DecodeBody(federation.Statement{Trust: s.trust, Kind: kind, Body: e.Body})
			if err == nil {
				return body, []record.EntryID{e.ID}
			}
			s.complain(e, err)
			kind = 0
			continue
		}
		entries = append(entries, e.ID)
	}
	if kind == federation.KindWithdraw {
		return withdraw, entries
	}
	return publish, entries
}

// heldFor is how long a document is kept back before it is looked at again whether it may be told.
const heldFor = time.Minute

// hold keeps those of the documents back that are unclear, and no others.
func (s *speaker) hold(told []federation.Pointer, unclear []federation.DocumentID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range told {
		delete(s.held, p.Document)
	}
	for _, id := range unclear {
		s.held[id] = time.Now().Add(heldFor)
	}
}

// waiting adds to docs those of a page that are kept back.
func (s *speaker) waiting(page []record.OutboxEntry, docs map[federation.DocumentID]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range page {
		if _, back := s.held[e.Document]; back && e.Kind == federation.KindPublish {
			docs[e.Document] = true
		}
	}
}

// release forgets documents that are kept back and are not to be told any more. waits are those that are.
func (s *speaker) release(waits map[federation.DocumentID]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.held, func(id federation.DocumentID, _ time.Time) bool { return !waits[id] })
}

func (s *speaker) holds(id federation.DocumentID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.held[id])
}

// heldText says in status which documents are kept back, or nothing.
func (s *speaker) heldText() string {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.held))
	s.mu.Unlock()
	if len(ids) == 0 {
		return ""
	}
	names := make([]string, 0, heldNamed)
	for _, id := range ids[:min(len(ids), heldNamed)] {
		names = append(names, string(id))
	}
	if more := len(ids) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return "not shared, because it cannot be told whether the patient has refused to share the same content under another id, and something of that is damaged: " + strings.Join(names, ", ") +
		". 'ridgeway scrub' says what is damaged; the rest of the outbox goes on"
}

// heldNamed is how many documents that are kept back are named.
const heldNamed = 10

// complain reports an entry that cannot be told, once.
func (s *speaker) complain(e record.OutboxEntry, err error) {
	if !s.complained[e.ID] {
		s.complained[e.ID] = true
		s.logger.Error("an entry cannot be told to the region; run 'ridgeway scrub'", slog.String("kind", e.Kind.String()), slog.String("document", string(e.Document)), slog.Any("error", err))
	}
}

// priorityOf says whether every copy must follow at once: what a patient has said, what must no longer be found, and who
// takes part. Replicas also refuse a consensus group with members that their copy of the roster does not have yet.
func priorityOf(k federation.Kind) consensus.Priority {
	switch k {
	case federation.KindDirective, federation.KindWithdraw, federation.KindEnrol, federation.KindSuspend, federation.KindApprove:
		return consensus.Urgent
	default:
		return consensus.Bulk
	}
}

package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

const (
	// reviewPrefix begins the names of the settings of the record store that hold reviews.
	reviewPrefix = "review/"
	// reviewWithin is by when an access must have been reviewed, unless the settings say otherwise.
	reviewWithin = 72 * time.Hour
	// reviewDocuments is how many documents a review names.
	reviewDocuments = 200
	// glassKind is the kind of the review of an emergency access; the others are named after rules of misuse.
	glassKind = "break_glass"
)

// The outcomes of a review.
const (
	reviewJustified    = "justified"
	reviewNotJustified = "not_justified"
)

// What privacy officers are told of a review.
const (
	toldOpened  = "opened"
	toldOverdue = "overdue"
)

// review is an access that somebody must judge. It is kept as one row, with what privacy officers have not been told of it
// yet: whatever becomes of the process, a review that was opened is one that they hear of.
type review struct {
	ID        string // trust and 16 hexadecimal digits: the same at both ends of an emergency
	Kind      string
	User      string
	Trust     federation.TrustID // of User
	Role      string             `json:",omitempty"`
	Subject   federation.Subject
	Reason    string // as given, or what the rule has seen
	At        time.Time
	Seen      time.Time `json:",omitzero"` // of an emergency: when this node heard of it; At is what its trust says
	Until     time.Time `json:",omitzero"` // of an emergency
	Due       time.Time
	Granted   bool                    `json:",omitempty"` // an emergency of this trust's staff that is written down wherever it must be
	Told      []federation.TrustID    `json:",omitempty"` // with Granted: whose privacy officers hear of it, the own trust first
	Documents []federation.DocumentID `json:",omitempty"`
	Overdue   bool                    `json:",omitempty"` // it has been said

	Outcome  string    `json:",omitempty"`
	ClosedBy string    `json:",omitempty"`
	Note     string    `json:",omitempty"`
	Closed   time.Time `json:",omitzero"`

	Untold map[string][]string `json:",omitempty"` // by channel: what has not been told by it yet, oldest first
}

func (r *review) open() bool { return r.Outcome == "" }

// seen is when this node has heard of what is to be judged.
func (r *review) seen() time.Time {
	if r.Seen.IsZero() { // kept before that was
		return r.At
	}
	return r.Seen
}

// heardBefore says which of two this node has heard of first.
func (r *review) heardBefore(x *review) bool {
	return cmp.Or(r.seen().Compare(x.seen()), strings.Compare(r.ID, x.ID)) < 0
}

// state is how a review stands.
func (r *review) state(now time.Time) string {
	switch {
	case !r.open():
		return "closed"
	case now.After(r.Due):
		return "overdue"
	default:
		return "open"
	}
}

func (r *review) clone() *review {
	out := *r
	out.Told, out.Documents = slices.Clone(r.Told), slices.Clone(r.Documents)
	out.Untold = make(map[string][]string, len(r.Untold))
	for channel, events := range r.Untold {
		out.Untold[channel] = slices.Clone(events)
	}
	return &out
}

// tell puts an event into the queue of each channel.
func (r *review) tell(event string, channels []string) {
	if r.Untold == nil {
		r.Untold = make(map[string][]string)
	}
	for _, c := range channels {
		r.Untold[c] = append(r.Untold[c], event)
	}
}

// reviewDesk keeps the reviews, in memory and on disk. What is read is a copy that nobody changes.
type reviewDesk struct {
	records  *record.Store
	within   time.Duration
	channels []string
	wake     chan struct{} // capacity 1: there is something to tell

	writing sync.Mutex // one change at a time; held while it is synced
	mu      sync.RWMutex
	all     map[string]*review
	recent  []*review // emergencies of the last hour, oldest first
	running map[string][]*opening
}

// opening is a transfer that rests on an emergency, and that ends when the emergency is judged as not justified.
type opening struct{ end context.CancelCauseFunc }

// openReviewDesk reads what earlier runs have kept. Events for channels that there are no more are dropped.
func openReviewDesk(ctx context.Context, records *record.Store, within time.Duration, channels []string) (*reviewDesk, error) {
	d := &reviewDesk{records: records, within: cmp.Or(within, reviewWithin), channels: channels, wake: make(chan struct{}, 1), all: make(map[string]*review), running: make(map[string][]*opening)}
	names, err := records.Settings(ctx, reviewPrefix)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, found, err := records.Setting(ctx, name)
		if err != nil {
			return nil, err
		}
		r := new(review)
		if err := json.Unmarshal(b, r); err != nil || !found || reviewPrefix+r.ID != name {
			return nil, fmt.Errorf("setting %q: %w", name, errors.Join(err, storage.ErrIntegrity))
		}
		maps.DeleteFunc(r.Untold, func(c string, _ []string) bool { return !slices.Contains(channels, c) })
		d.all[r.ID] = r
		if r.Kind == glassKind {
			d.recent = append(d.recent, r)
		}
	}
	slices.SortFunc(d.recent, func(a, b *review) int { return cmp.Or(a.seen().Compare(b.seen()), strings.Compare(a.ID, b.ID)) })
	signal(d.wake)
	return d, nil
}

// get returns a review.
func (d *reviewDesk) get(id string) (*review, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, found := d.all[id]
	return r, found
}

// list returns the open reviews, or the closed ones, oldest first.
func (d *reviewDesk) list(closed bool) []*review {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []*review
	for _, r := range d.all {
		if r.open() != closed {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *review) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	return out
}

// begin opens a review unless there is one of its id already, durably, and has the privacy officers told.
func (d *reviewDesk) begin(ctx context.Context, r *review) (opened bool, err error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	if _, found := d.get(r.ID); found {
		return false, nil
	}
	if r.Due.IsZero() {
		r.Due = time.Now().UTC().Add(d.within)
	}
	if now := time.Now().UTC(); r.Until.After(now) { // what is over when it is heard of opens nothing, and counts when it was
		r.Seen = now
	}
	r.tell(toldOpened, d.channels)
	return true, d.put(ctx, r)
}

// change alters a review, durably. fn gets a copy, and reports whether it has changed it.
func (d *reviewDesk) change(ctx context.Context, id string, fn func(*review) (bool, error)) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	old, found := d.get(id)
	if !found {
		return storage.ErrNotFound
	}
	r := old.clone()
	if changed, err := fn(r); err != nil || !changed {
		return err
	}
	return d.put(ctx, r)
}

// put keeps a review. The caller holds writing.
func (d *reviewDesk) put(ctx context.Context, r *review) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a review: %w", err)
	}
	if err := d.records.SetSetting(ctx, reviewPrefix+r.ID, b); err != nil {
		return fmt.Errorf("keep a review: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all[r.ID] = r
	if r.Outcome == reviewNotJustified {
		for _, t := range d.running[r.ID] {
			t.end(errGlassJudged)
		}
	}
	if r.Kind == glassKind {
		hourAgo := time.Now().Add(-time.Hour)
		d.recent = slices.DeleteFunc(d.recent, func(x *review) bool {
			return x.ID != r.ID && x.seen().Before(hourAgo) && x.Until.Before(hourAgo)
		})
		if i := slices.IndexFunc(d.recent, func(x *review) bool { return x.ID == r.ID }); i >= 0 {
			d.recent[i] = r
		} else {
			d.recent = append(d.recent, r)
		}
	}
	signal(d.wake)
	return nil
}

// document notes that a document was opened in what a review is about.
func (d *reviewDesk) document(ctx context.Context, id string, doc federation.DocumentID) error {
	return d.change(ctx, id, func(r *review) (bool, error) {
		if slices.Contains(r.Documents, doc) || len(r.Documents) >= reviewDocuments {
			return false, nil
		}
		r.Documents = append(r.Documents, doc)
		return true, nil
	})
}

// emergencies counts those that a trust's staff have declared within the hour before the one of an id, or before now where that is not
// known here: by one user, and in all. Which of two came first is this node's to say: a trust that dates each before the others would never have too many.
func (d *reviewDesk) emergencies(trust federation.TrustID, user, id string) (ofUser, ofTrust int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	before, since := d.all[id], time.Now().Add(-time.Hour)
	if before != nil {
		since = before.seen().Add(-time.Hour)
	}
	for _, r := range d.recent {
		if r.Trust != trust || r.seen().Before(since) || before != nil && !r.heardBefore(before) {
			continue
		}
		ofTrust++
		if sameStaff(r.User, user) {
			ofUser++
		}
	}
	return ofUser, ofTrust
}

// granted returns the newest emergency of a user of this trust for one of these subjects, which are one patient, that is not
// over: neither its time nor by its reviewer's judgement.
func (d *reviewDesk) granted(trust federation.TrustID, user string, subjects []federation.Subject, now time.Time) (*review, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, r := range slices.Backward(d.recent) {
		if r.Granted && r.Trust == trust && r.User == user && now.Before(r.Until) && slices.Contains(subjects, r.Subject) {
			return r, r.Outcome != reviewNotJustified
		}
	}
	return nil, false
}

// attend returns a context that ends when an emergency is judged as not justified, until done is called.
func (d *reviewDesk) attend(ctx context.Context, id string) (_ context.Context, done func()) {
	ctx, end := context.WithCancelCause(ctx)
	t := &opening{end}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running[id] = append(d.running[id], t)
	if r := d.all[id]; r != nil && r.Outcome == reviewNotJustified {
		end(errGlassJudged)
	}
	return ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.running[id] = slices.DeleteFunc(d.running[id], func(x *opening) bool { return x == t }); len(d.running[id]) == 0 {
			delete(d.running, id)
		}
		end(nil)
	}
}

// lapse marks reviews whose time has run out, and returns those that were not marked before.
func (d *reviewDesk) lapse(ctx context.Context, now time.Time) ([]*review, error) {
	var out []*review
	for _, r := range d.list(false) {
		if r.Overdue || r.state(now) != "overdue" {
			continue
		}
		err := d.change(ctx, r.ID, func(r *review) (bool, error) {
			r.Overdue = true
			r.tell(toldOverdue, d.channels)
			return true, nil
		})
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// sameStaff reports whether two staff ids are one person's: they are typed by people.
func sameStaff(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}

package gossip

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// State says how well a peer is known to be alive. Zero is invalid. Do not reorder.
type State uint8

// The states of a peer.
const (
	Unseen   State = iota + 1 // in the roster, not heard of since this node started
	Up                        // heard itself within the window
	Indirect                  // not heard, but other members say that it is alive
	Down                      // not heard, and given up by the members
)

// String returns the state in a word.
func (s State) String() string {
	switch s {
	case Unseen:
		return "unseen"
	case Up:
		return "up"
	case Indirect:
		return "indirect"
	case Down:
		return "down"
	default:
		return "invalid"
	}
}

// Peer is what is known of another node of the region.
type Peer struct {
	State   State
	Since   time.Time         // when State was entered, to within a probe interval
	Heard   time.Time         // last word from the peer itself; zero: none
	Applied uint64            // the peer's newest mark, by its own word; zero: none
	Root    federation.Digest // its state root at Applied
	Version string            // its program's version, by its own word
	Forked  bool              // its root differed from ours at the same index
}

// record is what the table holds of one peer.
type record struct {
	state   State
	since   time.Time
	heard   time.Time
	left    bool // it said that it leaves, and has sent no head since
	said    bool // the members say that it is alive
	marks   []Mark
	version string
	fork    *Fork
}

// table is all that is known of the peers. It calls nothing while it is locked, so that memberlist may call it under its
// own lock.
type table struct {
	log    *slog.Logger
	window time.Duration

	mu      sync.Mutex
	ours    history
	records map[federation.NodeID]*record
}

func newTable(log *slog.Logger, window time.Duration) *table {
	return &table{log: log, window: window, records: make(map[federation.NodeID]*record)}
}

// at returns the record of id, which it makes when there is none. t.mu must be held.
func (t *table) at(id federation.NodeID) *record {
	r := t.records[id]
	if r == nil {
		r = &record{state: Unseen, since: time.Now()}
		t.records[id] = r
	}
	return r
}

// settle moves r to the state that holds at now. t.mu must be held.
func (t *table) settle(r *record, now time.Time) (changed bool) {
	state := r.state
	switch {
	case !r.heard.IsZero() && now.Sub(r.heard) < t.window:
		state = Up
	case r.said:
		state = Indirect
	case r.state != Unseen:
		state = Down
	}
	if state == r.state {
		return false
	}
	r.state, r.since = state, now
	return true
}

// heard notes a word from the peer itself, and reports whether it is back: the word before is older than the window.
func (t *table) heard(id federation.NodeID, now time.Time) (back bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.at(id)
	if r.left { // what a leaving node had under way is not a sign of life
		return false
	}
	back = now.Sub(r.heard) >= t.window
	r.heard = now
	return back
}

// said notes whether the members say that a node is alive.
func (t *table) said(id federation.NodeID, alive bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at(id).said = alive
}

// joined reports whether the members say that a node is alive.
func (t *table) joined(id federation.NodeID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.records[id]
	return r != nil && r.said
}

// head takes in what a peer says of itself.
func (t *table) head(id federation.NodeID, h head, now time.Time) {
	t.mu.Lock()
	r := t.at(id)
	r.version, r.marks = h.Version, h.Marks
	r.left, r.heard = h.Leaving, now
	if h.Leaving {
		r.heard, r.said = time.Time{}, false
	}
	was := r.fork
	r.fork = t.ours.judge(id, r.fork, r.marks, now)
	is := r.fork
	t.mu.Unlock()
	t.report(id, was, is)
}

// observe takes in a mark of our own, and compares it with what the peers said last: one may have been ahead of us.
func (t *table) observe(m Mark, now time.Time) {
	type change struct {
		id      federation.NodeID
		was, is *Fork
	}
	var changes []change
	t.mu.Lock()
	if t.ours.add(m) {
		for id, r := range t.records {
			was := r.fork
			r.fork = t.ours.judge(id, r.fork, r.marks, now)
			if (was == nil) != (r.fork == nil) {
				changes = append(changes, change{id, was, r.fork})
			}
		}
	}
	t.mu.Unlock()
	for _, c := range changes {
		t.report(c.id, c.was, c.is)
	}
}

func (t *table) report(id federation.NodeID, was, is *Fork) {
	switch {
	case was == nil && is != nil:
		t.log.Error("replica state differs from a peer's", slog.String("peer", id.String()), slog.Uint64("index", is.Index),
			slog.String("ours", is.Ours.String()), slog.String("theirs", is.Theirs.String()))
	case was != nil && is == nil:
		t.log.Info("replica state agrees with the peer's again", slog.String("peer", id.String()))
	}
}

// tick settles all records, logs what changed, and forgets nodes that have left the roster.
func (t *table) tick(roster *federation.Roster, now time.Time) {
	var up, other []federation.NodeID
	t.mu.Lock()
	for id, r := range t.records {
		if !roster.Active(id) {
			delete(t.records, id)
			continue
		}
		if t.settle(r, now) {
			if r.state == Up {
				up = append(up, id)
			} else {
				other = append(other, id)
			}
		}
	}
	t.mu.Unlock()
	for _, id := range up {
		t.log.Info("peer is up", slog.String("peer", id.String()))
	}
	for _, id := range other {
		t.log.Warn("peer does not answer", slog.String("peer", id.String()))
	}
}

// peer returns what is known of one node.
func (t *table) peer(id federation.NodeID, now time.Time) Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.records[id]
	if known == nil {
		return Peer{State: Unseen}
	}
	copied := *known // tick alone moves records, so that it sees and logs every change
	r := &copied
	t.settle(r, now)
	p := Peer{State: r.state, Since: r.since, Heard: r.heard, Version: r.version, Forked: r.fork != nil}
	if n := len(r.marks); n > 0 {
		p.Applied, p.Root = r.marks[n-1].Index, r.marks[n-1].Root
	}
	return p
}

// forks returns the forks among active nodes, in the order of their ids.
func (t *table) forks(roster *federation.Roster) []Fork {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Fork
	for id, r := range t.records {
		if r.fork != nil && roster.Active(id) {
			out = append(out, *r.fork)
		}
	}
	slices.SortFunc(out, func(a, b Fork) int { return slices.Compare(a.Peer[:], b.Peer[:]) })
	return out
}

// newest returns our newest marks, for a head.
func (t *table) newest() []Mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ours.newest(headMarks)
}

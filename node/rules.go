package node

import (
	"fmt"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/policy"
)

// ruleLife is how long a look-up of a trust's agreement is good for: agreements take effect and expire by the clock.
const ruleLife = time.Second

// ruleBook keeps each trust's agreement compiled. What it holds is a copy of agreed state: a trust's entry is dropped when
// the region agrees on new rules of that trust.
type ruleBook struct {
	mu      sync.Mutex
	entries map[federation.TrustID]ruleEntry
}

type ruleEntry struct {
	rules     *policy.Agreement // nil: none in force, or not one that can be decided on
	version   uint64
	statement federation.Digest
	until     time.Time
}

func newRuleBook() *ruleBook { return &ruleBook{entries: make(map[federation.TrustID]ruleEntry)} }

// forget drops a trust's entry.
func (b *ruleBook) forget(t federation.TrustID) {
	b.mu.Lock()
	delete(b.entries, t)
	b.mu.Unlock()
}

// forgetAll drops everything.
func (b *ruleBook) forgetAll() {
	b.mu.Lock()
	clear(b.entries)
	b.mu.Unlock()
}

// of returns the compiled agreement of a trust that is in force, nil when there is none. An agreement that does not compile
// counts as none: doubt refuses.
func (b *ruleBook) of(r index.Reader, t federation.TrustID, now time.Time) (*policy.Agreement, uint64, error) {
	b.mu.Lock()
	old, cached := b.entries[t]
	b.mu.Unlock()
	if cached && now.Before(old.until) {
		return old.rules, old.version, nil
	}
	a, found, err := index.AgreementOf(r, t, now)
	if err != nil {
		return nil, 0, fmt.Errorf("agreement of %s: %w", t, err)
	}
	e := ruleEntry{until: now.Add(ruleLife)}
	next, err := index.NextAgreementChange(r, t, now)
	if err != nil {
		return nil, 0, fmt.Errorf("agreement of %s: %w", t, err)
	}
	if !next.IsZero() && next.Before(e.until) {
		e.until = next
	}
	switch {
	case !found:
	case cached && old.statement == a.Statement:
		e.rules, e.version, e.statement = old.rules, old.version, old.statement
	default:
		e.version, e.statement = a.Version, a.Statement
		if e.rules, err = policy.Compile(a.Cedar); err != nil {
			e.rules = nil
		}
	}
	b.mu.Lock()
	b.entries[t] = e
	b.mu.Unlock()
	return e.rules, e.version, nil
}

// refusals returns the objections that this node has accepted and the region has not agreed on yet.
type refusals func(subject federation.Subject) ([]policy.Directive, error)

// facts gathers what a decision about custodian's documents of a patient rests on. Anything that cannot be read leaves the
// facts incomplete, which refuses.
func (b *ruleBook) facts(r index.Reader, roster *federation.Roster, local refusals, q factsQuery) policy.Facts {
	return b.factsWith(r, roster, saidBy(r, local, q.subject), q)
}

// factsWith is facts when what the patient has said is known.
func (b *ruleBook) factsWith(r index.Reader, roster *federation.Roster, w words, q factsQuery) policy.Facts {
	f := policy.Facts{RegionActive: !roster.RegionID.IsZero(), LeaseAge: q.age, LeaseLimit: q.limit}
	if t, ok := roster.Trust(q.requester); ok {
		f.RequesterStanding = t.Standing
	}
	if t, ok := roster.Trust(q.custodian); ok {
		f.CustodianStanding = t.Standing
	}
	var err error
	if f.Agreement, f.AgreementVersion, err = b.of(r, q.custodian, q.now); err != nil {
		return f
	}
	f.Directives, f.LocalRefusals, f.Complete = w.agreed, w.local, w.complete
	return f
}

// words are what a patient has said, the same for all custodians.
type words struct {
	subjects []federation.Subject
	agreed   []policy.Directive
	local    []policy.Directive
	complete bool // all of it could be read
}

func saidBy(r index.Reader, local refusals, subject federation.Subject) (w words) {
	var err error
	if w.subjects, err = index.Linked(r, subject); err != nil {
		return w
	}
	agreed, err := index.DirectivesOf(r, w.subjects)
	if err != nil {
		return w
	}
	w.agreed = make([]policy.Directive, 0, len(agreed))
	for _, d := range agreed {
		w.agreed = append(w.agreed, wish(d.Directive, d.Trust, d.Index))
	}
	for _, s := range w.subjects {
		kept, err := local(s)
		if err != nil {
			return w
		}
		w.local = append(w.local, kept...)
	}
	w.complete = true
	return w
}

// wish returns a directive as decisions look at it; version zero is one that is not agreed on.
func wish(d federation.Directive, by federation.TrustID, version uint64) policy.Directive {
	return policy.Directive{
		ID: d.ID, Effect: d.Effect, Target: d.Target, Version: version, By: by,
		Scope: d.Scope, Except: d.Except, Until: d.Until, Supersedes: d.Supersedes,
	}
}

// factsQuery says for what the facts are wanted.
type factsQuery struct {
	requester, custodian federation.TrustID
	subject              federation.Subject
	now                  time.Time
	age, limit           time.Duration // of the lease
}

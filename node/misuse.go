package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/policy"
	"github.com/ridgeway-exchange/ridgeway/storage/audit"
)

// The rules of misuse. Each opens a review when it sees what it looks for; quotas alone refuse.
//
//	many_patients     one user looked at more than patients_an_hour distinct patients within an hour
//	own_record        staff looked at their own record
//	colleague         staff looked at the record of another member of this trust's staff
//	near_person       staff looked at the record of somebody with their surname or address
//	protected_person  somebody looked at the record of a person who is marked as protected
//	no_relationship   one user asked more than unlinked_an_hour times within an hour without stating a relationship; a fetch is one
//	                  request, over however many streams it comes
//	user_quota        one user has had quota_user distinct patients' documents from here within an hour: no others are released
//	trust_quota       all of a trust have had quota_trust
//
// Who is protected, and whose record is whose, is what 'ridgeway protect' has marked. A trust's own node watches its staff
// wherever they look; a custodian watches everybody whom it releases to. The settings can silence any rule but the quotas.
const (
	ruleManyPatients   = "many_patients"
	ruleOwnRecord      = "own_record"
	ruleColleague      = "colleague"
	ruleNear           = "near_person"
	ruleProtected      = "protected_person"
	ruleNoRelationship = "no_relationship"
	ruleUserQuota      = "user_quota"
	ruleTrustQuota     = "trust_quota"
)

// softRules are those that open a review and refuse nothing: the settings can silence them.
var softRules = []string{ruleManyPatients, ruleOwnRecord, ruleColleague, ruleNear, ruleProtected, ruleNoRelationship}

// The bounds of the rules within an hour, unless the settings say otherwise.
const (
	patientsAnHour = 40
	unlinkedAnHour = 30
	quotaUser      = 100
	quotaTrust     = 1000

	quotaEnds = " Those that were released already can be opened again, others once an hour has passed since the earlier ones. " +
		"In an emergency declare one for this patient; otherwise ask the privacy officer of the trust that holds the document."

	misuseHour = time.Hour
	// misuseRecall is how many audit entries are read at the start to know what was released within the last hour.
	misuseRecall = 200_000
)

// quotaWords are what a user is told of a quota; how high it is, is told where it is reviewed.
var quotaWords = map[string]string{
	ruleUserQuota:  "Documents of as many patients were released to this user within an hour as one user may have." + quotaEnds,
	ruleTrustQuota: "Documents of as many patients were released to this user's trust within an hour as one trust may have." + quotaEnds,
}

// person is a member of staff; without a user it is the whole trust.
type person struct {
	trust federation.TrustID
	user  string
}

// counted is a person as they are counted: ids that differ in case are one person's.
func (p person) counted() person { return person{p.trust, strings.ToLower(p.user)} }

// misuse watches what is done, at both ends. What it counts is in memory, and read back from the audit log.
type misuse struct {
	node   *Node
	limits WatchSettings
	marks  *marks

	mu       sync.Mutex
	released map[person]*seenPatients
	looked   map[person]*seenPatients
	unlinked map[person][]unlinked
	opened   map[suspicion]bool // that have a review; some of them
	swept    time.Time
}

// fetching is what the streams of one fetch have in common; a search has none of it. Who asks chooses the transfer, so that the
// document is part of it: otherwise one transfer could be said for all.
type fetching struct {
	transfer exchange.Transfer
	document federation.DocumentID
}

// unlinked is a request without a relationship.
type unlinked struct {
	at time.Time
	of fetching
}

// counts reports whether a request is not one of those that are known.
func (u unlinked) counts(known []unlinked) bool {
	return u.of.transfer == (exchange.Transfer{}) || !slices.ContainsFunc(known, func(k unlinked) bool { return k.of == u.of })
}

// suspicion is what has one review in a period.
type suspicion struct {
	rule    string
	who     person
	subject federation.Subject
	period  int64 // Unix time of its beginning
}

func newMisuse(ctx context.Context, n *Node) (*misuse, error) {
	kept, err := n.openMarks(ctx)
	return &misuse{
		node: n, limits: n.options.Settings.Watch, marks: kept,
		released: make(map[person]*seenPatients), looked: make(map[person]*seenPatients), unlinked: make(map[person][]unlinked),
		opened: make(map[suspicion]bool),
	}, err
}

// recall counts what the audit log says was released and looked at within the last hour: stopping the node does not give a new
// quota, and the rules go on where they were. It is called before anything else counts.
func (m *misuse) recall(ctx context.Context) error {
	now, read := time.Now(), 0
	defer func() {
		for _, at := range m.unlinked {
			slices.Reverse(at) // they were read from the latest
		}
	}()
	var from audit.Ref
	for {
		page, err := m.node.audit.Search(ctx, audit.Filter{Newest: true}, from, 1000)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			if now.Sub(r.Entry.Time) >= misuseHour {
				return nil
			}
			m.recallEntry(&r.Entry)
		}
		if read += len(page.Records); page.Next == 0 || read >= misuseRecall {
			return nil
		}
		from = page.Next
	}
}

// recallEntry counts an entry as it was counted when what it tells of happened: a search of own staff, a document that own staff
// asked for, a release, and evidence that somebody read about a patient. A transfer that was refused by a quota has no intent here.
func (m *misuse) recallEntry(e *audit.Entry) {
	own := e.Trust == m.node.Trust()
	evidence := e.Kind == audit.Review && e.Outcome == policy.Permit.String()
	if e.Subject.IsZero() || e.User == "" || e.Kind != audit.Intent && (e.Kind != audit.Search || !own) && !evidence {
		return
	}
	who := person{e.Trust, e.User}.counted()
	if e.Kind == audit.Intent && e.Custodian == m.node.Trust() {
		m.count(m.released, person{e.Trust, ""}, e.Subject, e.Time)
		m.count(m.released, who, e.Subject, e.Time)
	}
	m.count(m.looked, who, e.Subject, e.Time)
	if evidence {
		return
	}
	this := unlinked{e.Time, fetching{transferOf(e), e.Document}}
	if most := orDefault(m.limits.UnlinkedAnHour, unlinkedAnHour) + 1; e.Relationship == "" && len(m.unlinked[who]) < most && this.counts(m.unlinked[who]) {
		m.unlinked[who] = append(m.unlinked[who], this)
	}
}

func (m *misuse) count(in map[person]*seenPatients, who person, s federation.Subject, at time.Time) {
	who = who.counted()
	if in[who] == nil {
		in[who] = new(seenPatients)
	}
	in[who].see(s, at)
}

// admit is asked by the custodian before anything is released: it keeps the quotas, and looks at what is released. What the
// glass is broken for is counted and not held up: emergencies have bounds of their own.
func (m *misuse) admit(ctx context.Context, a exchange.Assertion, glass bool) error {
	now := time.Now()
	rule, text := m.quota(a, glass, now)
	if rule != "" && a.Emergency != "" && !a.Export {
		// The ordinary rules permit it, so that the glass was not broken for it; whoever has declared an emergency waits for no quota.
		if _, err := m.node.onEmergency(ctx, a); err == nil {
			rule, text = m.quota(a, true, now)
		}
	}
	if rule != "" {
		who := person{a.Trust, a.User}
		if rule == ruleTrustQuota {
			who.user = ""
		}
		m.suspect(ctx, rule, who, federation.Subject{}, now.Truncate(misuseHour), "%s", text)
		return &exchange.Refusal{Outcome: policy.TooMany, Text: quotaWords[rule], Cause: errors.New(text)}
	}
	m.lookFor(ctx, person{a.Trust, a.User}, a.Subject, a.Relationship, fetching{a.Transfer, a.Document})
	return nil
}

func (m *misuse) quota(a exchange.Assertion, glass bool, now time.Time) (rule, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	for _, q := range []struct {
		rule string
		who  person
		most int
	}{
		{ruleUserQuota, person{a.Trust, a.User}, orDefault(m.limits.QuotaUser, quotaUser)},
		{ruleTrustQuota, person{a.Trust, ""}, orDefault(m.limits.QuotaTrust, quotaTrust)},
	} {
		seen := m.released[q.who.counted()]
		if n := seen.within(now); n >= q.most && !seen.has(a.Subject) && !glass {
			return q.rule, fmt.Sprintf("documents of %d distinct patients were released within an hour; the limit is %d", n, q.most)
		}
	}
	m.count(m.released, person{a.Trust, ""}, a.Subject, now)
	m.count(m.released, person{a.Trust, a.User}, a.Subject, now)
	return "", ""
}

// sweep forgets, now and then, who has not been seen for an hour. The caller holds mu.
func (m *misuse) sweep(now time.Time) {
	if now.Sub(m.swept) < misuseHour/6 {
		return
	}
	m.swept = now
	clear(m.opened)
	for _, in := range []map[person]*seenPatients{m.released, m.looked} {
		for who, seen := range in {
			if seen.within(now) == 0 {
				delete(in, who)
			}
		}
	}
	maps.DeleteFunc(m.unlinked, func(_ person, at []unlinked) bool { return len(at) == 0 || now.Sub(at[len(at)-1].at) >= misuseHour })
}

// look applies the rules to somebody who looks at a patient. It never refuses.
func (m *misuse) look(ctx context.Context, who person, s federation.Subject, relationship string) {
	m.lookFor(ctx, who, s, relationship, fetching{})
}

// lookFor is look for a stream of a fetch.
func (m *misuse) lookFor(ctx context.Context, who person, s federation.Subject, relationship string, of fetching) {
	now := time.Now()
	if n := m.distinct(who, s, now); n > orDefault(m.limits.PatientsAnHour, patientsAnHour) {
		m.suspect(ctx, ruleManyPatients, who, federation.Subject{}, now.Truncate(misuseHour), "%d distinct patients within an hour", n)
	}
	if n := m.without(who, relationship, unlinked{now, of}); n > orDefault(m.limits.UnlinkedAnHour, unlinkedAnHour) {
		m.suspect(ctx, ruleNoRelationship, who, federation.Subject{}, now.Truncate(misuseHour), "%d requests without a relationship within an hour", n)
	}
	m.lookMarked(ctx, who, s, now.Truncate(24*time.Hour))
}

// lookMarked applies the rules about people who bear a mark. What is known of this trust's staff says nothing of others'.
func (m *misuse) lookMarked(ctx context.Context, who person, s federation.Subject, day time.Time) {
	if m.marks.none() {
		return
	}
	subjects, err := m.node.linked(ctx, s)
	if err != nil {
		subjects = []federation.Subject{s} // the marks of this one are known all the same
	}
	ours := who.trust == m.node.Trust()
	for _, k := range m.marks.of(subjects...) {
		switch {
		case k.Kind == markProtected:
			m.suspect(ctx, ruleProtected, who, s, day, "the record of a person marked as protected")
		case !ours:
		case k.Kind == markStaff && samePerson(k.Staff, who.user):
			m.suspect(ctx, ruleOwnRecord, who, s, day, "the record is marked as their own")
		case k.Kind == markStaff:
			m.suspect(ctx, ruleColleague, who, s, day, "the record of a colleague")
		case samePerson(k.Staff, who.user):
			m.suspect(ctx, ruleNear, who, s, day, "the record of somebody with their surname or address")
		}
	}
}

func (m *misuse) distinct(who person, s federation.Subject, now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(now)
	m.count(m.looked, who, s, now)
	return m.looked[who.counted()].within(now)
}

// without counts the requests of the last hour that stated no relationship, this one included; none when it states one.
func (m *misuse) without(who person, relationship string, this unlinked) int {
	if relationship != "" {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	most := orDefault(m.limits.UnlinkedAnHour, unlinkedAnHour) + 1
	who = who.counted()
	at := m.unlinked[who]
	if this.counts(at) {
		at = append(at, this)
	}
	at = at[max(0, len(at)-most):] // no more are needed to tell
	for len(at) > 0 && this.at.Sub(at[0].at) >= misuseHour {
		at = at[1:]
	}
	m.unlinked[who] = at
	return len(at)
}

// suspect opens a review, one for the same suspicion within its period.
func (m *misuse) suspect(ctx context.Context, rule string, who person, s federation.Subject, period time.Time, format string, args ...any) {
	n := m.node
	this := suspicion{rule: rule, who: who, subject: s, period: period.Unix()}
	m.mu.Lock()
	known := m.opened[this]
	m.mu.Unlock()
	if known || slices.Contains(m.limits.Off, rule) {
		return
	}
	text := fmt.Sprintf(format, args...)
	r := &review{
		ID:   reviewID(n.Trust(), rule, string(who.trust), who.counted().user, string(s[:]), period.UTC().Format(time.RFC3339)),
		Kind: rule, User: who.user, Trust: who.trust, Subject: s, Reason: text, At: time.Now().UTC(),
	}
	if _, found := n.reviews.get(r.ID); found {
		m.mu.Lock()
		m.opened[this] = true
		m.mu.Unlock()
		return
	}
	// The request goes on, and may be cut off: what was seen is kept all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	opened, err := n.reviews.begin(ctx, r)
	if err != nil {
		n.logger.Error("a suspicion could not be put up for review", slog.String("rule", rule), slog.Any("error", err))
	}
	if !opened {
		return
	}
	err = n.note(ctx, audit.Entry{
		Time: r.At, Kind: audit.Security, Trust: who.trust, Node: n.ID(), User: who.user, Subject: s, Detail: clipText("review "+r.ID+" ("+rule+"): "+text, audit.MaxDetail),
	})
	if err != nil {
		n.logger.Error("a suspicion could not be written down", slog.String("rule", rule), slog.Any("error", err))
	}
}

package testnet

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/exchange"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// reading is somebody who opens a document over and over, seen on the wire.
type reading struct {
	at    federation.TrustID
	who   *admin.Asker
	id    federation.DocumentID
	wire  *wireTap
	stop  chan struct{}
	ended chan struct{}
}

// flowing is how many bytes a second a document is read with.
const flowing = 100_000

// reads has somebody open a document as long as they may, over a link that makes it last.
func (s *stage) reads(at federation.TrustID, who *admin.Asker, id federation.DocumentID) *reading {
	s.Helper()
	s.must(s.r.SetLink(id.Custodian(), at, LinkOptions{Latency: 5 * time.Millisecond, Rate: flowing, Buffer: 16 << 10}))
	v := &reading{at: at, who: who, id: id, wire: s.watch(id.Custodian(), at), stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(v.ended)
		for {
			if _, err := s.r.Fetch(s.ctx, at, &admin.FetchRequest{Document: string(id), Asker: who}, nil); err != nil {
				s.net.Note("refused", string(at), err.Error())
			}
			select {
			case <-v.stop:
				return
			case <-s.ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return v
}

// flows wants a stream to be under way.
func (s *stage) flows(v *reading, what string) {
	s.Helper()
	if n := v.wire.after(time.Now().Add(-time.Second)); n < flowing/2 {
		s.Errorf("%s: %d bytes a second go to %s of %s", what, n, v.who.GetUser(), v.at)
	}
}

// done ends a reading and gives it a quick link to end on.
func (s *stage) done(all ...*reading) {
	s.Helper()
	for _, v := range all {
		close(v.stop)
		s.must(s.r.SetLink(v.id.Custodian(), v.at, LinkOptions{Latency: 5 * time.Millisecond}))
		<-v.ended
	}
}

// recorded has a patient refuse what the scope covers, at a trust, and returns when the region had acknowledged it.
func (s *stage) recorded(at federation.TrustID, patient string, scope *admin.DirectiveScope) time.Time {
	s.Helper()
	s.until(40*time.Second, "the region to agree on the directive", func() error {
		reply, err := s.r.Node(at).RecordDirective(s.ctx, &admin.RecordDirectiveRequest{
			Patient: patient, Scope: scope, By: "rn1", Evidence: "in person", Confirm: true, Asker: &admin.Asker{User: "rn1", Role: "nurse"},
		})
		if err == nil && !reply.GetCommitted() {
			err = errNotYet
		}
		return err
	})
	return time.Now()
}

// silentFrom wants no document to leave for a reader from an instant on.
func (s *stage) silentFrom(v *reading, instant time.Time, what string) {
	s.Helper()
	if n := v.wire.between(instant, instant.Add(10*time.Second)); n > notADocument {
		s.Errorf("%s: %d bytes left within 10 s after they had to stop", what, n)
	}
	if last := v.wire.lastOver(8 << 10); last.After(instant) {
		s.Errorf("%s: document bytes left %s too late", what, last.Sub(instant))
	}
}

// Ways for a custodian to be apart from those who agree. It reaches whoever reads, but where the cut says otherwise.
var cuts = []string{"healthy", "with the reader alone", "alone", "deaf", "mute"}

// cut takes the custodian away from the quorum, which rest is enough to lead.
func (s *stage) cut(how string, custodian, reader federation.TrustID, rest ...federation.TrustID) {
	s.Helper()
	switch how {
	case "healthy":
	case "with the reader alone":
		s.must(s.r.Partition([]federation.TrustID{custodian, reader}, s.others(custodian, reader)))
	case "alone":
		s.must(s.r.Partition([]federation.TrustID{custodian}, rest))
	case "deaf":
		for _, t := range rest {
			s.net.CutOneWay(string(t), string(custodian))
		}
	case "mute":
		for _, t := range rest {
			s.net.CutOneWay(string(custodian), string(t))
		}
	default:
		s.Fatalf("no such cut: %s", how)
	}
}

// cast returns trusts for a round: who leads, another that votes with it, a custodian, and two who read.
func (s *stage) cast() (leader, second, custodian, reader, other federation.TrustID) {
	s.Helper()
	leader = s.leader()
	all := s.others(leader)
	s.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return leader, all[0], all[1], all[2], all[3]
}

// bound is how long bytes may leave after an acknowledgement.
func bound(how string) time.Duration {
	if how == "healthy" {
		return time.Second
	}
	return lease + time.Second
}

// TestScopedRevocationHoldsWithinTheLease has patients refuse to one trust, one role, for one purpose, one document and one type,
// while somebody whom that covers and somebody whom it does not read at the same custodian, which may be cut off in one of
// several ways. What is covered stops in time; what is not goes on, where the custodian may release at all.
func TestScopedRevocationHoldsWithinTheLease(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(5)}, func(s *stage) {
		scopes := []struct {
			name            string
			scope           func(reader federation.TrustID, covered federation.DocumentID) *admin.DirectiveScope
			covered, spared *admin.Asker // the one at the reader's trust, the other at another
		}{
			{"trust", func(at federation.TrustID, _ federation.DocumentID) *admin.DirectiveScope {
				return &admin.DirectiveScope{Trust: string(at)}
			}, doctor("ann"), doctor("bob")},
			{"role", func(federation.TrustID, federation.DocumentID) *admin.DirectiveScope {
				return &admin.DirectiveScope{Role: "nurse"}
			}, &admin.Asker{User: "ann", Role: "nurse"}, doctor("bob")},
			{"purpose", func(federation.TrustID, federation.DocumentID) *admin.DirectiveScope {
				return &admin.DirectiveScope{Purpose: "COC"}
			}, &admin.Asker{User: "ann", Role: "doctor", Purpose: "COC"}, doctor("bob")},
			{"document", func(_ federation.TrustID, id federation.DocumentID) *admin.DirectiveScope {
				return &admin.DirectiveScope{Document: string(id)}
			}, doctor("ann"), doctor("bob")},
			{"type", func(federation.TrustID, federation.DocumentID) *admin.DirectiveScope {
				return &admin.DirectiveScope{Type: "823681000000100"}
			}, doctor("ann"), doctor("bob")},
		}
		for i, c := range scopes {
			how := cuts[(uint64(i)+s.seed-1)%uint64(len(cuts))]
			what := c.name + ", custodian " + how
			leader, second, custodian, reader, other := s.cast()
			patient := s.patients[i]
			item := s.item(patient, s.content(4<<20))
			item.Type = "823681000000100"
			taken, err := s.r.Take(s.ctx, custodian, item)
			s.must(err)
			sibling := s.published(custodian, patient, 4<<20)
			s.must(s.r.Converged(s.ctx))
			s.pass(s.between(0, 5*time.Second)) // renewals of the lease come at other moments
			covered, spared := s.reads(reader, c.covered, taken.Document), s.reads(other, c.spared, sibling)
			s.pass(2 * time.Second)
			s.flows(covered, what)
			s.flows(spared, what)
			s.cut(how, custodian, reader, leader, second)
			acknowledged := s.recorded(second, patient.NHSNumber, c.scope(reader, taken.Document))
			s.pass(bound(how) + 2*time.Second)
			if how == "healthy" {
				s.flows(spared, what+", what is not covered")
			}
			s.pass(4 * time.Second)
			s.silentFrom(covered, acknowledged.Add(bound(how)), what)
			s.Logf("%s: the last bytes left %s after the acknowledgement", what, covered.wire.last().Sub(acknowledged).Round(time.Millisecond))
			s.must(s.r.Heal())
			s.until(time.Minute, "what is not covered to go on after the heal", func() error {
				n := spared.wire.after(time.Now().Add(-time.Second))
				return want(n > flowing/2, "%s: %d bytes a second", what, n)
			})
			s.silentFrom(covered, acknowledged.Add(bound(how)), what+", healed")
			s.done(covered, spared)
			s.must(s.soon(time.Minute, "equal roots", s.r.Converged))
		}
	})
}

// faultyClock is a machine's three clocks, each of which can stand still or be set.
type faultyClock struct {
	base exchange.Clock

	mu               sync.Mutex
	still            *exchange.Instant // since when those stand still that do
	mono, boot, wall bool              // which
	addMono, addWall time.Duration
	addBoot          time.Duration
}

func (c *faultyClock) Now() exchange.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.base.Now()
	if c.still != nil {
		if c.mono {
			i.Monotonic = c.still.Monotonic
		}
		if c.boot {
			i.Boot = c.still.Boot
		}
		if c.wall {
			i.Wall = c.still.Wall
		}
	}
	return exchange.Instant{Monotonic: i.Monotonic + c.addMono, Boot: i.Boot + c.addBoot, Wall: i.Wall.Add(c.addWall)}
}

func (c *faultyClock) stop(mono, boot, wall bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.base.Now()
	c.still, c.mono, c.boot, c.wall = &now, mono, boot, wall
}

func (c *faultyClock) jump(mono, boot, wall time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addMono, c.addBoot, c.addWall = c.addMono+mono, c.addBoot+boot, c.addWall+wall
}

// TestRevocationHoldsWhateverOneClockSays has the custodian's clocks stand still, leap and go back while it hears nothing of the
// region. A clock that is too slow must not stretch the lease as long as another one of the three goes right.
func TestRevocationHoldsWhateverOneClockSays(t *testing.T) {
	var mu sync.Mutex
	clocks := make(map[federation.TrustID]*faultyClock)
	faults := []struct {
		name  string
		fault func(*faultyClock)
	}{
		{"asleep: the monotonic clock stands still", func(c *faultyClock) { c.stop(true, false, true) }},
		{"paused: only the wall clock goes on", func(c *faultyClock) { c.stop(true, true, false) }},
		{"the wall clock and the boot clock stand still", func(c *faultyClock) { c.stop(false, true, true) }},
		{"the wall clock is set back", func(c *faultyClock) { c.jump(0, 0, -20*time.Second) }},
		{"the wall clock is set forward", func(c *faultyClock) { c.jump(0, 0, 20*time.Second) }},
		{"a pause of half a minute", func(c *faultyClock) { c.jump(30*time.Second, 30*time.Second, 20*time.Second) }},
	}
	o := RegionOptions{Members: members(5), Open: func(t federation.TrustID, o *node.Options) {
		mu.Lock()
		defer mu.Unlock()
		clocks[t] = &faultyClock{base: o.Clock}
		o.Clock = clocks[t]
	}}
	play(t, seeds(1, 1), o, func(s *stage) {
		for i, f := range faults {
			if testing.Short() && i%3 > 0 {
				continue
			}
			leader, second, custodian, reader, _ := s.cast()
			id := s.published(custodian, s.patients[i], 2<<20)
			s.must(s.r.Converged(s.ctx))
			v := s.reads(reader, doctor("ann"), id)
			s.pass(2*time.Second + s.between(0, 3*time.Second))
			s.flows(v, f.name)
			how := cuts[1+i%(len(cuts)-1)]
			s.cut(how, custodian, reader, leader, second)
			mu.Lock()
			clock := clocks[custodian]
			mu.Unlock()
			f.fault(clock)
			acknowledged := s.recorded(second, s.patients[i].NHSNumber, &admin.DirectiveScope{})
			s.pass(bound(how) + 6*time.Second)
			s.silentFrom(v, acknowledged.Add(bound(how)), f.name+", custodian "+how)
			s.Logf("%s: the last bytes left %s after the acknowledgement", f.name, v.wire.lastOver(8<<10).Sub(acknowledged).Round(time.Millisecond))
			clock.mu.Lock()
			clock.still, clock.addWall = nil, 0 // put right
			clock.mu.Unlock()
			s.must(s.r.Heal())
			s.must(s.soon(30*time.Second, "equal roots", s.r.Converged))
			s.done(v)
			s.until(30*time.Second, "the refusal to be the answer", func() error {
				_, err := s.r.Fetch(s.ctx, reader, &admin.FetchRequest{Document: string(id), Asker: doctor("ann")}, nil)
				return want(codeOf(err) == admin.CodeDenied, "%s: %v", f.name, err)
			})
		}
	})
}

// TestRevocationsInAHealthyRegionHoldWithinASecond has a hundred refusals cut a hundred streams, ten at a time.
func TestRevocationsInAHealthyRegionHoldWithinASecond(t *testing.T) {
	play(t, seeds(1, 1), RegionOptions{Members: members(3)}, func(s *stage) {
		const rounds, together = 10, 10
		id := s.published(ryj, s.patients[0], 2<<20)
		s.must(s.r.Converged(s.ctx))
		s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond, Rate: together * 50_000, Buffer: 32 << 10}))
		var late []time.Duration
		for round := range rounds {
			var screens [together]timedWriter
			var ended [together]chan error
			user := func(i int) string { return fmt.Sprintf("u%d-%d", round, i) }
			for i := range together {
				ended[i] = make(chan error, 1)
				go func() {
					_, err := s.r.Fetch(s.ctx, ras, &admin.FetchRequest{Document: string(id), Asker: doctor(user(i))}, &screens[i])
					ended[i] <- err
				}()
			}
			for i := range together {
				s.until(30*time.Second, "a stream to be under way", func() error {
					_, n := screens[i].when()
					return want(n > 0 || len(ended[i]) > 0, "nothing has come")
				})
				if _, n := screens[i].when(); n == 0 {
					s.must(fmt.Errorf("stream %d of round %d ended before anything had come: %w", i, round, <-ended[i]))
				}
			}
			for i := range together {
				acknowledged := s.recorded(s.r.Trusts()[i%3], s.patients[0].NHSNumber, &admin.DirectiveScope{Trust: string(ras), Person: user(i)})
				if err := <-ended[i]; codeOf(err) != admin.CodeDenied {
					s.Errorf("stream %d of round %d ended with %v", i, round, err)
				}
				last, _ := screens[i].when()
				if took := last.Sub(acknowledged); took > time.Second {
					late = append(late, took)
				}
			}
		}
		if len(late) > rounds*together/100 {
			s.Errorf("%d of %d revocations took longer than a second: %v", len(late), rounds*together, late)
		}
		s.must(s.r.SetLink(ryj, ras, LinkOptions{Latency: 5 * time.Millisecond}))
	})
}

package testnet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/ingest"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// TestLeaderCutOffWhilePublishing cuts the leader off when every trust, the leader's own among them, has told it of new
// documents and nobody has an answer. The leader writes the statements into its log, where the next leader's entries take
// their places: what anybody counted as told before the answer is lost. Staff take documents in all the while.
//
//	RYJ  RAS  R1K  RQM  RJ1
//	  '----'---+----'----'
//	           v
//	  held at the leader ── cut ──► in its log, no copy and no answer ── heal ──► not in any log, told again
func TestLeaderCutOffWhilePublishing(t *testing.T) {
	options := func(s *stage) RegionOptions {
		s.gate = &gate{held: make(map[federation.TrustID][]federation.DocumentID), opened: make(chan struct{})}
		return RegionOptions{Members: members(5), Tune: s.gate.build}
	}
	playWith(t, seeds(2, 3), options, func(s *stage) {
		defer s.gate.open()
		leader := s.leader()
		work := s.everybodyTakesIn()
		s.pass(s.between(300*time.Millisecond, 1500*time.Millisecond))
		s.gate.shut(leader)
		s.until(10*time.Second, "a statement of every trust to be with the leader", s.allHeld)
		held := s.gate.list()
		s.inFlight(held)
		s.must(s.r.Isolate(leader))
		entries := s.r.Node(leader).Consensus().LastLog + uint64(len(held))
		s.gate.open()
		s.until(time.Second, "the leader to write down what it was told", func() error {
			st := s.r.Node(leader).Consensus()
			return want(st.LastLog >= entries && st.Commit+uint64(len(held)) <= st.LastLog, "of the log's %d entries, %d are agreed on", st.LastLog, st.Commit)
		})
		rest := s.others(leader)
		s.pass(s.between(2*time.Second, 6*time.Second))
		docs := work.end()
		s.must(s.soon(20*time.Second, "the majority to go on", func(ctx context.Context) error { return s.r.Published(ctx, rest...) }))
		next := s.majorityLeader(leader)
		for _, id := range append(held[leader], docs[leader][len(docs[leader])-1]) {
			if err := s.sees(next, s.ownPatient(leader), id); err == nil {
				s.Errorf("%s, which %s could not tell of, is known to %s", id, leader, next)
			}
		}
		reply, err := s.r.Object(s.ctx, leader, &admin.ObjectRequest{Patient: s.patients[7].NHSNumber})
		s.must(err)
		if reply.GetCommitted() {
			s.Errorf("%s, cut off, says that the region has agreed", leader)
		}
		s.must(s.r.Heal())
		s.must(s.soon(20*time.Second, "the old leader's documents to be published", func(ctx context.Context) error { return s.r.Published(ctx, leader) }))
		s.must(s.soon(10*time.Second, "equal roots after the heal", s.r.Converged))
		for _, at := range s.r.Trusts() {
			for _, by := range []federation.TrustID{leader, next} {
				if err := s.sees(by, s.ownPatient(at), append(held[at], docs[at]...)...); err != nil {
					s.Error(err)
				}
			}
		}
	})
}

// majorityLeader waits until somebody other than this trust leads a majority.
func (s *stage) majorityLeader(but federation.TrustID) (leader federation.TrustID) {
	s.Helper()
	s.must(s.soon(30*time.Second, "another leader", func(ctx context.Context) error {
		return WaitFor(ctx, "another leader", func(ctx context.Context) (err error) {
			if leader, err = s.r.Leader(ctx); err == nil && leader == but {
				err = errNotYet
			}
			return err
		})
	}))
	return leader
}

// gate holds statements that publish when a leader is asked to take them into its log. Until it is shut it is open.
type gate struct {
	mu     sync.Mutex
	at     federation.TrustID // whose log it is before; empty while it is open
	held   map[federation.TrustID][]federation.DocumentID
	opened chan struct{}
}

// build puts the gate before a node's log.
func (g *gate) build(t federation.TrustID, c *consensus.Config) {
	if m, ok := c.Machine.(machine); ok {
		c.Machine = gated{machine: m, gate: g, trust: t}
	}
}

// shut holds what a trust's node is to take into its log from now on.
func (g *gate) shut(at federation.TrustID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = at
}

// open lets go of everything, for good.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at = ""; g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// list returns what is held: of each trust, the documents that its statement publishes.
func (g *gate) list() map[federation.TrustID][]federation.DocumentID {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.held)
}

// pass returns when the gate is open.
func (g *gate) pass(at federation.TrustID, cmd []byte) {
	signed, err := federation.DecodeSigned(cmd)
	if err != nil {
		return // for the ledger to refuse
	}
	said, body, err := open(signed)
	publish, ok := body.(federation.Publish)
	if err != nil || !ok {
		return
	}
	g.mu.Lock()
	if g.at != at {
		g.mu.Unlock()
		return
	}
	opened := g.opened
	for _, p := range publish.Pointers {
		g.held[said.Trust] = append(g.held[said.Trust], p.Document)
	}
	g.mu.Unlock()
	<-opened
}

// machine is all that a node's state machine is to its replica.
type machine interface {
	consensus.Machine
	consensus.Vetter
	consensus.Preparer
	consensus.ScanPrefixer
}

// gated is a machine behind a gate.
type gated struct {
	machine
	gate  *gate
	trust federation.TrustID
}

// Vet waits at the gate.
func (m gated) Vet(cmd []byte) error {
	m.gate.pass(m.trust, cmd)
	return m.machine.Vet(cmd)
}

// allHeld wants the leader to have been told by every trust.
func (s *stage) allHeld() error {
	held := s.gate.list()
	return want(len(held) == len(s.r.Trusts()), "%d trusts' statements are held", len(held))
}

// inFlight wants no trust to know what it has told as published, and none to count it as told.
func (s *stage) inFlight(held map[federation.TrustID][]federation.DocumentID) {
	s.Helper()
	for at, docs := range held {
		st, err := s.r.Node(at).Status(s.ctx, &admin.StatusRequest{})
		s.must(err)
		if waits := st.GetOutbox(); waits < uint64(len(docs)) {
			s.Errorf("%s has no answer about %d documents, and %d wait in its outbox", at, len(docs), waits)
		}
		for _, by := range s.r.Trusts() {
			found, err := s.r.Locate(s.ctx, by, s.ownPatient(at).NHSNumber)
			s.must(err)
			for _, d := range found.GetDocuments() {
				if by != at && slices.Contains(docs, federation.DocumentID(d.GetDocument())) {
					s.Errorf("%s knows of %s, which the region has not agreed on", by, d.GetDocument())
				}
			}
		}
	}
}

// ownPatient returns the patient of whom a trust's staff take documents in.
func (s *stage) ownPatient(at federation.TrustID) synth.Patient {
	return s.patients[slices.Index(s.r.Trusts(), at)]
}

// crew is staff of all trusts who take documents in, each at their own pace.
type crew struct {
	busy sync.WaitGroup
	stop chan struct{}

	mu   sync.Mutex
	docs map[federation.TrustID][]federation.DocumentID
}

// everybodyTakesIn sets the staff of all trusts to work, on forty documents each.
func (s *stage) everybodyTakesIn() *crew {
	c := &crew{stop: make(chan struct{}), docs: make(map[federation.TrustID][]federation.DocumentID)}
	for _, at := range s.r.Trusts() {
		pace := s.between(60*time.Millisecond, 180*time.Millisecond)
		items := make([]ingest.Item, 40)
		for i := range items {
			items[i] = s.item(s.ownPatient(at), s.content(300+i))
		}
		c.busy.Go(func() {
			for _, item := range items {
				receipt, err := s.r.Take(s.ctx, at, item)
				if err != nil {
					s.Errorf("%s cannot take in: %v", at, err)
					return
				}
				c.mu.Lock()
				c.docs[at] = append(c.docs[at], receipt.Document)
				c.mu.Unlock()
				select {
				case <-c.stop:
					return
				case <-time.After(pace):
				}
			}
		})
	}
	return c
}

// end ends the work and returns what was taken in.
func (c *crew) end() map[federation.TrustID][]federation.DocumentID {
	close(c.stop)
	c.busy.Wait()
	return c.docs
}

package testnet

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	lease = 10 * time.Second // the default of a node
	// notADocument is how many bytes two nodes may say to each other while nothing is released between them: gossip, raft,
	// requests and refusals. A stream under way sends that much in a third of a second.
	notADocument = 64 << 10
)

// wireTap notes what goes over one direction of a link.
type wireTap struct {
	mu       sync.Mutex
	passages []Passage
}

// watch taps the direction from one trust to another.
func (s *stage) watch(from, to federation.TrustID) *wireTap {
	w := &wireTap{}
	s.net.Tap(string(from), string(to), func(p Passage) {
		w.mu.Lock()
		w.passages = append(w.passages, p)
		w.mu.Unlock()
	})
	return w
}

// after returns how many bytes were handed to the link after an instant.
func (w *wireTap) after(t time.Time) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.passages {
		if p.At.After(t) {
			n += p.Size
		}
	}
	return n
}

// between is after up to another instant.
func (w *wireTap) between(from, to time.Time) int { return w.after(from) - w.after(to) }

// last returns when the last burst worth a document went over the link: the end of the last 100 ms in which more than 4 KiB did.
func (w *wireTap) last() time.Time { return w.lastOver(4 << 10) }

// lastOver is last for a burst of more than so many bytes.
func (w *wireTap) lastOver(burst int) (at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum, first := 0, 0
	for i, p := range w.passages {
		sum += p.Size
		for w.passages[first].At.Before(p.At.Add(-100 * time.Millisecond)) {
			sum -= w.passages[first].Size
			first++
		}
		if sum > burst {
			at = w.passages[i].At
		}
	}
	return at
}

// timedWriter remembers when the last byte came.
type timedWriter struct {
	mu   sync.Mutex
	last time.Time
	n    int64
}

func (w *timedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.n = time.Now(), w.n+int64(len(b))
	return len(b), nil
}

func (w *timedWriter) when() (time.Time, int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.n
}

// viewer opens a document again and again, as long as it may.
func (s *stage) viewer(at federation.TrustID, id federation.DocumentID, to io.Writer, stop <-chan struct{}) {
	for {
		_, err := s.r.Fetch(s.ctx, at, &admin.FetchRequest{Document: string(id)}, to)
		if err != nil {
			s.net.Note("refused", string(at), err.Error())
		}
		select {
		case <-stop:
			return
		case <-s.ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestRevocationHoldsWithinTheLease has a patient object while their document is streamed by a custodian that may be cut off
// from the region at that moment, in one of several ways. Once the objection is acknowledged, bytes leave for at most one
// lease and a second, measured on the link to the requester; for a second at most when the region is healthy.
func TestRevocationHoldsWithinTheLease(t *testing.T) {
	play(t, seeds(2, 5), RegionOptions{Members: members(5)}, func(s *stage) {
		custodian, requester := rqm, rj1
		rest := []federation.TrustID{ryj, ras, r1k}
		id := s.published(custodian, s.patients[0], 6<<20)
		s.must(s.r.Converged(s.ctx))
		s.pass(s.between(0, 5*time.Second)) // renewals of the lease come at other moments
		s.must(s.r.SetLink(custodian, requester, LinkOptions{Latency: 5 * time.Millisecond, Rate: 200_000, Buffer: 32 << 10}))
		wire, screen := s.watch(custodian, requester), &timedWriter{}
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			s.viewer(requester, id, screen, stop)
		}()
		s.pass(s.between(2*time.Second, 4*time.Second))
		if n := wire.after(time.Now().Add(-time.Second)); n < 100_000 {
			s.Fatalf("the stream sends %d bytes a second", n)
		}

		bound := lease + time.Second
		cut := func() {}
		switch s.seed % 5 {
		case 1: // healthy
			bound = time.Second
		case 2: // the custodian and the requester alone
			cut = func() { s.must(s.r.Partition([]federation.TrustID{custodian, requester}, rest)) }
		case 3: // the custodian alone, but for the requester, who is with the majority and passes nothing on
			cut = func() { s.must(s.r.Partition([]federation.TrustID{custodian}, rest)) }
		case 4: // it can be heard and hears nothing
			cut = func() {
				for _, t := range rest {
					s.net.CutOneWay(string(t), string(custodian))
				}
			}
		case 0: // it hears and cannot be heard
			cut = func() {
				for _, t := range rest {
					s.net.CutOneWay(string(custodian), string(t))
				}
			}
		}
		before := s.dice.IntN(2) == 0
		if before {
			cut()
			s.pass(s.between(0, 2*time.Second))
		} else {
			late := s.between(0, 30*time.Millisecond) // while the region agrees
			time.AfterFunc(late, cut)
		}
		at := rest[s.dice.IntN(len(rest))]
		var reply *admin.ObjectReply
		s.until(30*time.Second, "the majority to agree on the objection", func() (err error) {
			if reply == nil {
				reply, err = s.r.Object(s.ctx, at, &admin.ObjectRequest{Patient: s.patients[0].NHSNumber})
			}
			if err == nil && !reply.GetCommitted() {
				reply = nil
				err = errNotYet
			}
			return err
		})
		acknowledged := time.Now()
		s.pass(bound + 20*time.Second)
		instant := acknowledged.Add(bound)
		last, _ := screen.when()
		s.Logf("case %d, cut before: %v: the last bytes left %s and arrived %s after the acknowledgement", s.seed%5, before,
			wire.last().Sub(acknowledged).Round(time.Millisecond), last.Sub(acknowledged).Round(time.Millisecond))
		if n := wire.between(instant, instant.Add(10*time.Second)); n > notADocument {
			s.Errorf("%d bytes left within 10 s, later than %s after the objection was acknowledged", n, bound)
		}
		if wire.last().After(instant) || last.After(instant.Add(500*time.Millisecond)) {
			s.Errorf("document bytes left later than %s after the objection was acknowledged", bound)
		}
		close(stop)
		<-ended
		s.must(s.r.Heal())
		s.must(s.r.SetLink(custodian, requester, LinkOptions{Latency: 5 * time.Millisecond}))
		s.must(s.soon(10*time.Second, "equal roots", s.r.Converged))
		s.fetch(requester, id, admin.CodeDenied)
	})
}

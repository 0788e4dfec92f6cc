package index

import (
	"context"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// soloRegion is a region of one replica, which agrees at once.
type soloRegion struct {
	*testRegion
	read consensus.Consistency // of the last View
}

func (s *soloRegion) View(_ context.Context, c consensus.Consistency, fn func(consensus.Reader) error) error {
	s.read = c
	return fn(s.store)
}

func (s *soloRegion) Submit(_ context.Context, cmd []byte, _ consensus.Priority) (consensus.Result, error) {
	response, err := s.apply(cmd)
	return consensus.Result{Index: s.index, Response: EncodeResponse(response)}, err
}

func TestATrustSpeaksInOneChain(t *testing.T) {
	s := &soloRegion{testRegion: grown(t, Config{})}
	line := &Line{Trust: "RAX", Region: s, Now: func() time.Time { return s.now }}
	var before federation.Place
	var last federation.Signed
	for i := range 3 {
		place, err := line.Place(t.Context())
		if err != nil || s.read != consensus.Linearizable() {
			t.Fatalf("place read as %+v, %v", s.read, err)
		}
		if i > 0 && (place.Seq != before.Seq+1 || place.Prev != last.ID()) {
			t.Errorf("statement %d goes to %d behind %s, the one before was %d, %s", i, place.Seq, place.Prev, before.Seq, last.ID())
		}
		last, err = federation.Compose(place, federation.Publish{Pointers: []federation.Pointer{pointerOf("RAX", alice, 100+i)}}, s.trust("RAX").statement)
		if err != nil {
			t.Fatal(err)
		}
		before = place
		for again, want := range []Outcome{Accepted, Duplicate} {
			response, at, err := line.Say(t.Context(), last.Encode(), consensus.Bulk)
			if err != nil || response.Outcome != want || at != s.index {
				t.Errorf("statement %d said for time %d: %+v at %d of %d, %v", i, again+1, response, at, s.index, err)
			}
		}
	}
}

package index

import (
	"context"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

// PublishBudget is how many bytes of encoded pointers go into one statement, with room for the rest of it.
const PublishBudget = federation.MaxStatement - 4096

// Region is what a Line needs of this node's replica; *consensus.Replica is one.
type Region interface {
	Submit(ctx context.Context, cmd []byte, p consensus.Priority) (consensus.Result, error)
	View(ctx context.Context, c consensus.Consistency, fn func(consensus.Reader) error) error
}

// Line is how one trust speaks to the region: one statement after the other, since they are one chain. Nobody else speaks for the
// trust meanwhile. A statement carries many pointers for the price of one: it is signed once, verified once at each replica and
// written once to each log. So what comes while one is on its way waits for the next. All fields are required.
type Line struct {
	Trust  federation.TrustID
	Region Region
	Now    func() time.Time
}

// Place returns the place of the trust's next statement. The region is asked, so that a node which is behind itself does not sign
// a second statement with a number that is taken.
func (l *Line) Place(ctx context.Context) (federation.Place, error) {
	place := federation.Place{Trust: l.Trust, At: l.Now().UTC()}
	err := l.Region.View(ctx, consensus.Linearizable(), func(r consensus.Reader) error {
		seq, digest, err := Head(r, l.Trust)
		place.Seq, place.Prev = seq+1, digest
		return err
	})
	if err != nil {
		return federation.Place{}, fmt.Errorf("read the head of the chain: %w", err)
	}
	return place, nil
}

// Say submits a signed statement, and returns the region's answer and the statement's place in the log. After an error the same
// bytes may be said again: what was accepted before is answered with Duplicate.
func (l *Line) Say(ctx context.Context, envelope []byte, p consensus.Priority) (Response, uint64, error) {
	result, err := l.Region.Submit(ctx, envelope, p)
	if err != nil {
		return Response{}, 0, err
	}
	response, err := DecodeResponse(result.Response)
	return response, result.Index, err
}

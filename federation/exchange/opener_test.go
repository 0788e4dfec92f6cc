package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// opening is a store that appends chunks to the caller's buffer and does not look at their digests.
type opening struct{ *store }

func (o opening) AppendOpened(ctx context.Context, dst []byte, d federation.Digest) ([]byte, error) {
	b, err := o.Chunk(ctx, d)
	if err != nil {
		return dst, err
	}
	return append(dst, b...), nil
}

// Whoever gets a chunk computes its digest, a peer as well as own staff, so that the store need not.
func TestOpenedChunksAreComparedByWhoGetsThem(t *testing.T) {
	content := noise(9*mib+3, 8)
	for _, damaged := range []bool{false, true} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("damaged %v, own staff %v", damaged, own), func(t *testing.T) {
				w := newWorld(t, func(w *world, c *CustodianConfig, _ *ClientConfig) { c.Chunks = opening{w.store} })
				q := requestFor(w.publish(content))
				q.Bulk = true
				third := content[2*federation.ChunkSize : 3*federation.ChunkSize]
				if damaged {
					bad := slices.Clone(third)
					bad[100] ^= 4
					w.store.chunks[federation.Sum(third)] = bad
				}
				var got []byte
				fetch := w.client.Fetch
				if own {
					fetch = w.custodian.Open
				}
				_, err := fetch(context.Background(), q, func(s Segment) error { got = append(got, s.Data...); return nil })
				if damaged && (!errors.Is(err, ErrIntegrity) || !bytes.Equal(got, content[:2*federation.ChunkSize])) {
					t.Errorf("%d bytes and %v; want the two chunks before the damaged one, and ErrIntegrity", len(got), err)
				}
				if !damaged && (err != nil || !bytes.Equal(got, content)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
	}
}

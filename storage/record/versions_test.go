package record

import (
	"errors"
	"slices"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// TestDamageToOneVersionLeavesTheOthersReadable: what is known of the chain is told, and that it may not be all.
//
//	v1 <- v2 <- v3
func TestDamageToOneVersionLeavesTheOthersReadable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row    byte
		at, of int
		want   []int
	}{
		"description of the one before": {rowDocument, 1, 2, []int{1}},
		"state of the one before":       {rowState, 1, 2, []int{1}},
		"state of the one after":        {rowState, 1, 0, []int{1}},
		"the first":                     {rowDocument, 0, 2, []int{1, 0}},
		"nothing that is needed":        {rowDocument, 2, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			ids := make([]federation.DocumentID, 3)
			for i := range ids {
				d := letter(i + 1)
				if i > 0 {
					d.Supersedes = ids[i-1]
				}
				ids[i] = add(t, s, patient, d)
			}
			remove(t, s, documentKey(c.row, ids[c.at].Key()))
			others, all, err := s.Versions(ctx, ids[c.of])
			var want []federation.DocumentID
			for _, i := range c.want {
				want = append(want, ids[i])
			}
			whole := c.want == nil
			if whole {
				want = []federation.DocumentID{ids[1], ids[2]}
			}
			if err != nil || all != whole || !slices.Equal(others, want) {
				t.Errorf("got %v, %v, %v, want %v, %v", others, all, err, want, whole)
			}
			if _, _, err := s.Versions(ctx, ids[c.at]); !errors.Is(err, storage.ErrIntegrity) {
				t.Errorf("the damaged one: %v", err)
			}
		})
	}
}

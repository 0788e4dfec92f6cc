package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
	"github.com/ridgeway-exchange/ridgeway/storage/record"
)

// reviewsOnly is a node that has its reviews and nothing else.
func reviewsOnly(t *testing.T, channels ...*channel) *Node {
	t.Helper()
	n := &Node{logger: slog.New(slog.DiscardHandler), membership: membership{Trust: "RYJ"}, channels: channels}
	space, err := storage.NewSpace(storage.SpaceConfig{Dir: t.TempDir(), Logger: n.logger, Statfs: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 39, nil }})
	if err != nil {
		t.Fatal(err)
	}
	n.records, err = record.Open(t.Context(), record.Options{
		Dir: t.TempDir(), Trust: "RYJ", Sealer: storage.NewSealer([32]byte{1}), SubjectKey: [32]byte{2}, IDKey: [32]byte{3}, Logger: n.logger, Space: space, Small: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.records.Close(); err != nil {
			t.Error(err)
		}
	})
	var names []string
	for _, c := range channels {
		c.wake = make(chan struct{}, 1)
		names = append(names, c.name)
	}
	if n.reviews, err = openReviewDesk(t.Context(), n.records, 0, names); err != nil {
		t.Fatal(err)
	}
	return n
}

// One channel hangs and one fails; the third tells of every review, the oldest first, and what the others have not told waits.
func TestChannelThatHangsOrFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	told := make(chan string)
	n := reviewsOnly(
		t, &channel{name: "hangs", send: func(ctx context.Context, _ Notice) error { <-ctx.Done(); return ctx.Err() }},
		&channel{name: "fails", send: func(context.Context, Notice) error { return errors.New("down") }},
		&channel{name: "works", send: func(ctx context.Context, x Notice) error {
			select {
			case told <- x.Review:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}},
	)
	now := time.Now()
	for id, age := range map[string]time.Duration{"RYJ-2": 2 * time.Minute, "RYJ-1": time.Minute, "RYJ-3": 3 * time.Minute} {
		if _, err := n.reviews.begin(t.Context(), &review{ID: id, Kind: glassKind, Subject: federation.Subject{1}, At: now.Add(-age)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.notify(ctx)
	}()
	for _, want := range []string{"RYJ-3", "RYJ-2", "RYJ-1"} {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told of %s, want %s", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("not told of %s", want)
		}
	}
	eventually(t, "nothing waits for the one that works", func() bool { _, _, waits := n.reviews.untold("works"); return !waits })
	failing := n.channels[1]
	eventually(t, "the failure to be noted", func() bool { _, waiting, why := failing.trouble(n.reviews); return waiting == 3 && why != nil })
	if id, event, waits := n.reviews.untold("hangs"); !waits || id != "RYJ-3" || event != toldOpened {
		t.Errorf("the one that hangs is to tell of %q %s", id, event)
	}
	cancel()
	<-ended
}

package consensus

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func newIdleQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), flush: make(chan struct{}, 1), hurried: make(map[*byte]struct{})}
}

func TestLargeBulkCommandsGoOneAtATimeAndUrgentOnesPass(t *testing.T) {
	q := newIdleQueue()
	first := &proposal{data: make([]byte, bulkWindowBytes+1), priority: Bulk}
	second := &proposal{data: make([]byte, bulkWindowBytes+1), priority: Bulk}
	urgent := &proposal{data: make([]byte, 100), priority: Urgent}
	q.bulk = []*proposal{first, second}
	if got := q.pop(); got != first {
		t.Fatal("a command that is larger than the window does not go at all")
	}
	if got := q.pop(); got != nil {
		t.Fatal("a second large command goes before the first has come back")
	}
	q.urgent = []*proposal{urgent}
	if got := q.pop(); got != urgent {
		t.Fatal("an urgent command waits for a bulk one")
	}
	q.out, q.outSize = 0, 0
	if got := q.pop(); got != second {
		t.Fatal("a large command does not go once the one before has come back")
	}
}

func TestSmallBulkCommandsGoTogether(t *testing.T) {
	q := newIdleQueue()
	for range bulkWindow + 1 {
		q.bulk = append(q.bulk, &proposal{data: make([]byte, 300), priority: Bulk})
	}
	n := 0
	for q.pop() != nil {
		n++
	}
	if n != bulkWindow {
		t.Fatalf("%d of them went, want %d", n, bulkWindow)
	}
}

func TestFollowersAreToldOfUrgentCommitsOnly(t *testing.T) {
	q := newIdleQueue()
	urgent := &proposal{data: []byte{entryCommand, 1}, priority: Urgent}
	bulk := &proposal{data: []byte{entryCommand, 2}, priority: Bulk}
	q.urgent, q.bulk = []*proposal{urgent}, []*proposal{bulk}
	for q.pop() != nil {
	}
	flushed := func(logs ...*raft.Log) bool {
		q.committed(logs)
		select {
		case <-q.flush:
			return true
		default:
			return false
		}
	}
	switch {
	case flushed(&raft.Log{}, &raft.Log{Data: bulk.data}, &raft.Log{Data: bytes.Clone(urgent.data)}):
		t.Fatal("followers are told of what is not urgent")
	case !flushed(&raft.Log{Data: bulk.data}, &raft.Log{Data: urgent.data}):
		t.Fatal("followers are not told of an urgent commit")
	case flushed(&raft.Log{Data: urgent.data}):
		t.Fatal("followers are told twice")
	}
}

func TestVotersKnowOfAPromotionWhenItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		leader := g.leader(all...)
		g.open(4)
		if err := leader.AddVoter(g.context(10*time.Second), testID(4)); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if s := r.Status(); len(s.Voters) != 4 {
				t.Errorf("%s knows %d voters, want 4", r.config.ID, len(s.Voters))
			}
		}
	})
}

func TestPromotionDoesNotWaitForAVoterThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		away, leader := g.follower(all)
		g.open(4)
		g.net.Isolate(away.config.ID, true)
		began := time.Now()
		if err := leader.AddVoter(g.context(time.Minute), testID(4)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("it took %s", took)
		}
	})
}

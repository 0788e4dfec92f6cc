package consensus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
)

func TestMinorityHasNoQuorumButKeepsLocalReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		g.tune = func(c *Config) { c.CommandTimeout = time.Second }
		all := g.start(3)
		result := g.set(all[0], "k", "1")
		if err := all[2].WaitApplied(g.context(5*time.Second), result.Index); err != nil {
			t.Fatal(err)
		}
		g.net.Isolate(testID(3), true)
		g.until("the leader to be missed", func() bool { return all[2].Status().Leader == "" })

		begin := time.Now()
		_, err := all[2].Submit(context.Background(), []byte("set k 2"), Bulk)
		if !errors.Is(err, ErrNoQuorum) || time.Since(begin) > 2*time.Second {
			t.Fatalf("submit in the minority: %v after %s, want ErrNoQuorum within a second", err, time.Since(begin))
		}
		if err := all[2].View(context.Background(), Linearizable(), func(Reader) error { return nil }); !errors.Is(err, ErrNoQuorum) {
			t.Fatalf("linearizable read in the minority: %v", err)
		}
		g.want(all[2], Local(), "k", "1")
		g.set(all[1], "k", "3")
		g.net.Isolate(testID(3), false)
		g.want(all[2], Linearizable(), "k", "3")
	})
}

func TestDeposedLeaderNeverServesAStaleLinearizableRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegion(t)
		all := g.start(3)
		old := g.leader(all...)
		g.set(old, "k", "old")
		g.want(old, Linearizable(), "k", "old") // it is ready for read indexes of its term
		g.net.Isolate(old.config.ID, true)
		var rest []*Replica
		for _, r := range all {
			if r != old {
				rest = append(rest, r)
			}
		}
		type read struct {
			value string
			err   error
		}
		reads := make(chan read, 1)
		g.set(g.leader(rest...), "k", "new")
		go func() {
			v, err := get(context.Background(), old, Linearizable(), "k")
			reads <- read{v, err}
		}()
		g.net.Isolate(old.config.ID, false)
		if r := <-reads; r.err == nil && r.value != "new" {
			t.Fatalf("read %q after new was acknowledged", r.value)
		}
	})
}

// never is after everything else.
const never = 1 << 60

type registerOp struct {
	write bool
	value string
}

// history is checked by porcupine: one register, writes of unknown outcome may take effect at any later time.
func checkHistory(t *testing.T, ops []porcupine.Operation) {
	t.Helper()
	model := porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			in := input.(registerOp)
			if in.write {
				return true, in.value
			}
			return output.(string) == state.(string), state
		},
	}
	// A write of unknown outcome that nobody read may come after everything else: it cannot hide or make a violation.
	read := map[string]bool{}
	for _, op := range ops {
		if v, ok := op.Output.(string); ok {
			read[v] = true
		}
	}
	ops = slices.DeleteFunc(ops, func(op porcupine.Operation) bool {
		in := op.Input.(registerOp)
		return in.write && op.Return == never && !read[in.value]
	})
	switch porcupine.CheckOperationsTimeout(model, ops, 5*time.Second) {
	case porcupine.Illegal:
		t.Errorf("history of %d operations is not linearizable", len(ops))
	case porcupine.Unknown:
		t.Logf("history of %d operations could not be decided in time", len(ops))
	case porcupine.Ok:
		t.Logf("history of %d operations is linearizable", len(ops))
	}
}

func TestHistoryUnderPartitionsIsLinearizable(t *testing.T) {
	var ops []porcupine.Operation
	synctest.Test(t, func(t *testing.T) { ops = partitionedHistory(t) })
	if len(ops) < 20 {
		t.Errorf("only %d operations", len(ops))
	}
	checkHistory(t, ops) // in real time: its time limit would never come in the bubble
}

func TestPorcupineSeesAStaleRead(t *testing.T) {
	ops := []porcupine.Operation{
		{ClientId: 1, Input: registerOp{true, "a"}, Call: 1, Return: 2},
		{ClientId: 1, Input: registerOp{true, "b"}, Call: 3, Return: 4},
		{ClientId: 2, Input: registerOp{}, Output: "a", Call: 5, Return: 6},
	}
	fake := &testing.T{}
	checkHistory(fake, ops)
	if !fake.Failed() {
		t.Error("a stale read passed")
	}
}

// partitionedHistory has clients write and read one key at all replicas while one after the other is cut off.
func partitionedHistory(t *testing.T) []porcupine.Operation {
	g := newRegion(t)
	g.tune = func(c *Config) { c.CommandTimeout = 400 * time.Millisecond }
	all := g.start(3)
	g.set(all[0], "k", "start")
	var clock atomic.Int64 // in virtual time much happens at one instant: count instead
	var mu sync.Mutex
	ops := []porcupine.Operation{{ClientId: 99, Input: registerOp{true, "start"}, Call: -2, Return: -1}}
	ctx, cancel := context.WithTimeout(context.Background(), 2500*time.Millisecond)
	defer cancel()
	var clients sync.WaitGroup
	for client := range 5 {
		clients.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(client)))
			for n := 0; ctx.Err() == nil && n < 60; n++ {
				r := all[rnd.IntN(3)]
				op := porcupine.Operation{ClientId: client, Call: clock.Add(1)}
				if rnd.IntN(2) == 0 {
					value := fmt.Sprintf("%d.%d", client, n)
					op.Input = registerOp{true, value}
					_, err := r.Submit(ctx, []byte("set k "+value), Bulk)
					if errors.Is(err, ErrNoQuorum) {
						continue // certainly not done
					}
					op.Return = clock.Add(1)
					if err != nil {
						op.Return = never // at any time from now on
						op.ClientId = 1000 + client*100 + n
					}
				} else {
					value, err := get(ctx, r, Linearizable(), "k")
					if err != nil {
						continue
					}
					op.Input, op.Output, op.Return = registerOp{}, value, clock.Add(1)
				}
				mu.Lock()
				ops = append(ops, op)
				mu.Unlock()
			}
		})
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		victim := testID(1 + rnd.IntN(3))
		g.net.Isolate(victim, true)
		<-ticker.C
		g.net.Isolate(victim, false)
		<-ticker.C
	}
	clients.Wait()
	g.until("everybody to agree after the last heal", func() bool {
		return all[0].View(g.context(time.Second), Linearizable(), func(Reader) error { return nil }) == nil
	})
	return ops
}

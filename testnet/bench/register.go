package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
)

const (
	opRegister = "register pointers, 1,000 a statement, 3 voters, signed, durable"
	opSingle   = "register one pointer, 64 clients"

	publishers = 8  // where a load is wanted, or an index filled
	speakers   = 32 // as many as etcd has clients
	batchSize  = 1000
)

// benchRegister has several trusts publish in batches, through all three voters, until all have applied everything.
func benchRegister(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.group(ctx, speakers, 0)
	if err != nil {
		return nil, err
	}
	defer clean()
	peer, stop, why := e.etcd(ctx)
	defer stop()
	n, next := e.few(192_000, 32_000), 0
	ours := func(ctx context.Context) (float64, error) {
		each := n / speakers
		work := make([][]federation.Pointer, speakers)
		for i, t := range r.trusts {
			work[i] = pointersOf(t.id, next+i*each, each, 1<<20)
		}
		next += n
		began := time.Now()
		err := r.publish(ctx, work, batchSize)
		return float64(n) / time.Since(began).Seconds(), err
	}
	var theirs sample
	if peer != nil {
		theirs = func(ctx context.Context) (float64, error) { return peer.batched(ctx, e.few(100_000, 8_000)) }
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opRegister, Unit: "/s"}.compared(mine, their, "etcd", false).atLeast(3, 60_000, ">= 3 x etcd, >= 60,000/s")
	line = line.noted("32 trusts, each waiting for its own statement, spread over the voters; applied by all three; etcd: 100 puts of 300 B a transaction, 32 clients").noted("%s", reason(why))
	return []row{line}, err
}

// benchSingle has 64 clients publish one pointer at a time, each told when the region has agreed on its own. They are spread over
// three trusts, one at each voter, as etcd's are over its members. What arrives at a trust while its last statement is on its
// way shares the next one: signed, kept in a synced file as a node keeps it in its outbox, and submitted. A document's own record at
// its trust is not written; intake measures that.
func benchSingle(ctx context.Context, e *env) ([]row, error) {
	const clients = 64
	defer asProcesses()()
	r, clean, err := e.group(ctx, 3, 0)
	if err != nil {
		return nil, err
	}
	defer clean()
	counters, shut, err := e.counters(ctx, r)
	if err != nil {
		return nil, err
	}
	defer shut()
	peer, stop, why := e.etcd(ctx)
	defer stop()
	next := 0
	var took, statements series
	ours := func(ctx context.Context) (float64, error) {
		base, before := next, r.statements(ctx)
		next += 1 << 20
		rate, calls, err := during(e.last(), clients, func(client, call int) error {
			at := counters[client%len(counters)]
			return at.publish(ctx, pointerOf(at.trust.id, subjectOf(base+client), base+call*clients+client))
		})
		took, statements = append(took, calls...), append(statements, float64(len(calls))/max(r.statements(ctx)-before, 1))
		return rate, errors.Join(err, r.settled(ctx))
	}
	var theirs sample
	if peer != nil {
		theirs = func(ctx context.Context) (float64, error) { return peer.single(ctx, clients, e.last()) }
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opSingle, Unit: "/s"}.compared(mine, their, "etcd", false).atLeast(2, 0, ">= 2 x etcd")
	line = line.noted("three trusts, one at each voter; what arrives while a statement is on its way shares the next: %.0f to one", statements.median())
	return []row{line.noted("99 of 100 within %s", figure(max(took.quantile(0.99), 0.01), "ms")).noted("%s", reason(why))}, err
}

// counters opens a counter at each voter's trust. The function returned closes them.
func (e *env) counters(ctx context.Context, r *rig) (all []*counter, shut func(), err error) {
	dir, err := e.temp("counters")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	shut = func() {
		cancel()
		running.Wait()
		_ = os.RemoveAll(dir)
	}
	for i, m := range r.replicas {
		c, err := newCounter(r.trusts[i], m.Replica, filepath.Join(dir, string(r.trusts[i].id)))
		if err != nil {
			shut()
			return nil, nil, err
		}
		all = append(all, c)
		running.Go(func() { _ = c.run(ctx) }) // its file is removed
	}
	return all, shut, nil
}

// statements returns how many statements the region has accepted.
func (r *rig) statements(ctx context.Context) float64 {
	n := 0.0
	_ = r.replicas[0].View(ctx, consensus.Linearizable(), func(rd consensus.Reader) error { // only a note in the table
		c, err := index.CountsOf(rd)
		n = float64(c.Statements)
		return err
	})
	return n
}

// group founds three voters in a temporary folder.
func (e *env) group(ctx context.Context, trusts int, election time.Duration) (*rig, func(), error) {
	dir, err := e.temp("group")
	if err != nil {
		return nil, nil, err
	}
	r, err := newRig(ctx, rigOptions{dir: dir, replicas: 3, trusts: trusts, tune: func(c *consensus.Config) {
		if election > 0 {
			c.Heartbeat, c.Election = election, election
		}
		if e.quick {
			c.Heartbeat, c.Election = 2*time.Second, 2*time.Second // other work on the machine must not elect
		}
	}})
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, func() {
		_ = r.close() // what was measured has been measured
		_ = os.RemoveAll(dir)
	}, nil
}

// publish has each trust publish its pointers, one statement after the other, and waits until all replicas have them.
func (r *rig) publish(ctx context.Context, work [][]federation.Pointer, batch int) error {
	err := each(len(work), func(i int) error {
		to := r.replicas[i%len(r.replicas)].Replica
		for pointers := work[i]; len(pointers) > 0; {
			now := pointers[:min(batch, len(pointers))]
			pointers = pointers[len(now):]
			if err := r.trusts[i].tell(ctx, to, federation.Publish{Pointers: now}, consensus.Bulk); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, r.settled(ctx))
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

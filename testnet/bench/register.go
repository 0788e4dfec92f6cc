package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
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

// benchSingle has 64 trusts publish one pointer at a time.
func benchSingle(ctx context.Context, e *env) ([]row, error) {
	const clients = 64
	r, clean, err := e.group(ctx, clients, 0)
	if err != nil {
		return nil, err
	}
	defer clean()
	peer, stop, why := e.etcd(ctx)
	defer stop()
	next := 0
	ours := func(ctx context.Context) (float64, error) {
		base := next
		next += 1 << 20
		rate, _, err := during(e.last(), clients, func(client, call int) error {
			t := r.trusts[client]
			p := pointerOf(t.id, subjectOf(base+client), base+call*clients+client)
			return t.tell(ctx, r.replicas[client%len(r.replicas)].Replica, federation.Publish{Pointers: []federation.Pointer{p}}, consensus.Bulk)
		})
		return rate, errors.Join(err, r.settled(ctx))
	}
	var theirs sample
	if peer != nil {
		theirs = func(ctx context.Context) (float64, error) { return peer.single(ctx, clients, e.last()) }
	}
	mine, their, err := e.alternate(ctx, ours, theirs)
	line := row{Operation: opSingle, Unit: "/s"}.compared(mine, their, "etcd", false).atLeast(2, 0, ">= 2 x etcd")
	return []row{line.noted("a signed statement for each, 64 trusts spread over the voters").noted("%s", reason(why))}, err
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

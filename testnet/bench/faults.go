package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	opFailover     = "failover: leader silenced to the next committed write"
	opFailoverTail = "failover, the slowest"
	opPlanned      = "planned stop: leadership handed on to the next committed write"
	opRevoke       = "revocation acknowledged to applied at every custodian, bulk publishing under way, 99 of 100"
	opRevokeAck    = "revocation said to acknowledged, meanwhile, 99 of 100"
)

// benchFailover takes leaders away, with the election timeout of production.
func benchFailover(ctx context.Context, e *env) ([]row, error) {
	dir, err := e.temp("group")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := newRig(ctx, rigOptions{dir: dir, replicas: 3, trusts: 1, silence: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.close() }()
	var lost, planned series
	for range e.few(max(3*e.runs, 5), 2) {
		took, err := r.lose(ctx)
		if err != nil {
			return nil, err
		}
		lost = append(lost, took.Seconds())
		if took, err = r.handOn(ctx); err != nil {
			return nil, err
		}
		planned = append(planned, milliseconds(took))
	}
	half := row{Operation: opFailover, Unit: "s"}.compared(lost, nil, "", true)
	worst := row{Operation: opFailoverTail, Unit: "s", Ours: lost.quantile(1)}
	stop := row{Operation: opPlanned, Unit: "ms"}.compared(planned, nil, "", true)
	return []row{
		half.judged("p50 <= 1.3 s", half.Ours <= 1.3).noted("%d times; 500 ms timeouts, 4 writers at a follower that try for 100 ms each", len(lost)),
		worst.judged("p99 <= 3 s", worst.Ours <= 3),
		stop.judged("<= 50 ms", stop.Ours <= 50).noted("slowest %s", figure(planned.quantile(1), "ms")),
	}, nil
}

// lose silences the leader and returns how long it takes until something said afterwards is committed.
func (r *rig) lose(ctx context.Context) (time.Duration, error) {
	leader, err := r.leader(ctx)
	if err != nil {
		return 0, err
	}
	other := r.besides(leader)
	leader.socket.silent.Store(true)
	began := time.Now()
	took, err := r.written(ctx, other, began)
	leader.socket.silent.Store(false)
	if err != nil {
		return 0, err
	}
	healing, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return took, r.settled(healing)
}

// handOn has the leader transfer its leadership.
func (r *rig) handOn(ctx context.Context) (time.Duration, error) {
	leader, err := r.leader(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := leader.Transfer(ctx); err != nil {
		return 0, err
	}
	took, err := r.written(ctx, r.besides(leader), began)
	return took, errors.Join(err, r.settled(ctx))
}

func (r *rig) besides(m *replica) *replica {
	for _, other := range r.replicas {
		if other != m {
			return other
		}
	}
	return nil
}

// written returns how long after began the first write is committed that several clients of a replica try to make.
func (r *rig) written(ctx context.Context, at *replica, began time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var once sync.Once
	var took time.Duration
	_ = each(4, func(int) error { // that the others fail is how they end
		for ctx.Err() == nil {
			try, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			_, err := at.Submit(try, r.charter, consensus.Urgent) // a repetition: it changes nothing, and is committed like any other
			stop()
			if err == nil {
				once.Do(func() { took = time.Since(began) })
				cancel()
			}
		}
		return nil
	})
	if took == 0 {
		return 0, errors.New("nothing was committed in 30 s")
	}
	return took, nil
}

// benchRevoke has one trust record objections while the others publish in bulk.
func benchRevoke(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.group(ctx, publishers+1, 0)
	if err != nil {
		return nil, err
	}
	defer clean()
	loading, stop := context.WithCancel(ctx)
	load := make(chan int, 1)
	go func() { load <- r.load(loading) }()
	began := time.Now()
	var acked, enforced series
	for i := range e.few(60*e.runs, 20) {
		told, everywhere, err := r.object(ctx, r.trusts[publishers], i)
		if err != nil {
			stop()
			<-load
			return nil, err
		}
		acked, enforced = append(acked, milliseconds(told)), append(enforced, milliseconds(everywhere))
	}
	took := time.Since(began)
	stop()
	published := <-load
	late := row{Operation: opRevoke, Unit: "ms", Ours: enforced.quantile(0.99)}
	ack := row{Operation: opRevokeAck, Unit: "ms", Ours: acked.quantile(0.99)}
	return []row{
		late.judged("p99 <= 100 ms", late.Ours <= 100).noted("%d objections, half within %s; %s pointers a second meanwhile", len(enforced),
			figure(max(enforced.median(), 0.01), "ms"), thousands(int64(float64(published)/took.Seconds()))),
		ack.noted("half within %s", figure(acked.median(), "ms")),
	}, nil
}

// object records an objection at a follower. It returns how long it took to be acknowledged, and how long after that the
// last replica applied it.
func (r *rig) object(ctx context.Context, t *speaker, i int) (told, everywhere time.Duration, err error) {
	d := federation.Directive{Subject: subjectOf(1<<20 + i), Effect: federation.Object, By: "staff"}
	if _, err := rand.Read(d.ID[:]); err != nil {
		return 0, 0, err
	}
	cmd, err := t.say(d)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := accept(ctx, r.replicas[i%len(r.replicas)].Replica, cmd, consensus.Urgent); err != nil {
		return 0, 0, err
	}
	acked := time.Now()
	for _, m := range r.replicas {
		for {
			m.mu.Lock()
			at, ok := m.directive[d.Subject]
			m.mu.Unlock()
			if ok {
				everywhere = max(everywhere, at.Sub(acked))
				break
			}
			if time.Since(acked) > 10*time.Second {
				return 0, 0, fmt.Errorf("objection %d was not applied within 10 s", i)
			}
			pause(ctx, 200*time.Microsecond)
		}
	}
	return acked.Sub(began), everywhere, nil
}

// load publishes until ctx ends and returns how many pointers that were.
func (r *rig) load(ctx context.Context) int {
	var mu sync.Mutex
	total := 0
	_ = each(publishers, func(i int) error { // it ends by being cancelled
		t := r.trusts[i]
		for from := i << 24; ctx.Err() == nil; from += batchSize {
			if err := t.tell(ctx, r.replicas[i%len(r.replicas)].Replica, federation.Publish{Pointers: pointersOf(t.id, from, batchSize, 1<<20)}, consensus.Bulk); err != nil {
				return err
			}
			mu.Lock()
			total += batchSize
			mu.Unlock()
		}
		return nil
	})
	return total
}

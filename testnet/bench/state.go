package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ridgeway-exchange/ridgeway/testnet"
)

const (
	opMemory   = "anonymous memory of a node with the index"
	opDisk     = "the region's copy on disk, bytes a pointer"
	opRestart  = "restart, clean, until a locate is answered"
	opCrash    = "restart after kill -9 while publishing"
	opObserver = "a new observer catches up, pointers a second"
	opReaders  = "anonymous memory of a node, 64 remote readers of 1 GiB"
	mebibyte   = 1 << 20
)

// benchState restarts a node with the large index and looks at what it takes.
func benchState(ctx context.Context, e *env) ([]row, error) {
	_, large, err := e.prepare(ctx)
	if err != nil {
		return nil, err
	}
	var clean, crashed, memory series
	start := func(to *series) (*child, error) {
		began := time.Now()
		c, err := startChild("node", large.data)
		if err == nil {
			*to = append(*to, time.Since(began).Seconds())
		}
		return c, err
	}
	for range e.runs {
		c, err := start(&clean)
		if err != nil {
			return nil, err
		}
		used, err := e.settledMemory(c)
		if err := errors.Join(err, c.quit()); err != nil {
			return nil, err
		}
		memory = append(memory, used/mebibyte)
	}
	size, err := folderSize(filepath.Join(large.data, "region"))
	if err != nil {
		return nil, err
	}
	for range e.runs {
		filler, err := startChild("fill", large.data)
		if err != nil {
			return nil, err
		}
		pause(ctx, e.last()/2)
		filler.stop(syscall.SIGKILL)
		c, err := start(&crashed)
		if err != nil {
			return nil, err
		}
		c.stop(syscall.SIGKILL)
	}
	at := fmt.Sprintf("%s pointers", thousands(int64(large.pointers)))
	use := row{Operation: opMemory, Unit: "MiB"}.compared(memory, nil, "", true)
	disk := row{Operation: opDisk, Unit: "B"}.compared(series{float64(size) / float64(large.pointers)}, nil, "", true)
	first, second := row{Operation: opRestart, Unit: "s"}.compared(clean, nil, "", true), row{Operation: opCrash, Unit: "s"}.compared(crashed, nil, "", true)
	return []row{
		use.judged("<= 1 GiB at 10 million", use.Ours <= 1024).noted("%s", at),
		disk.judged("<= 250 B (2.5 GB at 10 million)", disk.Ours <= 250).noted("%s, %d MiB: log, state, signed statements", at, size>>20),
		first.judged("<= 5 s at 10 million", first.Ours <= 5).noted("%s; a new process", at),
		second.judged("<= 15 s at 10 million", second.Ours <= 15).noted("%s", at),
	}, nil
}

// settledMemory has the node answer locates for a while and returns what it holds then.
func (e *env) settledMemory(c *child) (float64, error) {
	for i := range e.few(2000, 50) {
		if _, err := c.ask("locate %s", number(i)); err != nil {
			return 0, err
		}
	}
	return c.anonymous()
}

// pause waits, for load to do its work.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// benchObserver has new observers take over the large index.
func benchObserver(ctx context.Context, e *env) ([]row, error) {
	_, large, err := e.prepare(ctx)
	if err != nil {
		return nil, err
	}
	in, err := large.inside()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.close() }()
	if err := in.lead(ctx); err != nil {
		return nil, err
	}
	var rates series
	for i := range min(e.runs, e.few(5, 1)) {
		rate, err := e.observe(ctx, in, large.pointers, i)
		if err != nil {
			return nil, err
		}
		rates = append(rates, rate)
	}
	line := row{Operation: opObserver, Unit: "/s"}.compared(rates, nil, "", false)
	return []row{line.judged(">= 50,000/s", line.Ours >= 50_000).noted("%s pointers, every signature checked", thousands(int64(large.pointers)))}, nil
}

func (e *env) observe(ctx context.Context, in *inside, pointers, i int) (float64, error) {
	dir, err := e.temp("observer")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	o, err := in.rig.open(replicaOptions{dir: filepath.Join(dir, "region"), key: keyOf("observer", i)})
	if err != nil {
		return 0, err
	}
	defer func() { _ = o.close() }()
	at := in.Status().Commit
	if err := in.AddObserver(ctx, o.id); err != nil {
		return 0, err
	}
	waiting, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	err = testnet.WaitFor(waiting, "the observer to catch up", func(context.Context) error {
		if s := o.Status(); s.Applied < at {
			return fmt.Errorf("it is at %d of %d", s.Applied, at)
		}
		return nil
	})
	rate := float64(pointers) / time.Since(began).Seconds()
	return rate, errors.Join(err, in.Remove(ctx, o.id))
}

// benchReaders has two other nodes fetch a large document 32 times each at once, and watches the custodian's memory.
func benchReaders(ctx context.Context, e *env) ([]row, error) {
	const size, different = 1 << 30, 256
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	id, err := keep(ctx, r.Node(custodian), 1, "large.pdf", size, pattern{size: size, blocks: different, seed: 5})
	if err == nil {
		err = settle(ctx, r)
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	var nodes []*child
	defer func() {
		for _, c := range nodes {
			c.stop(syscall.SIGKILL)
		}
	}()
	for _, t := range r.Trusts() {
		c, err := startChild("node", r.Data(t))
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, c)
	}
	var peaks series
	settled := time.Now()
	pause(ctx, 3*time.Second) // a leader, and a lease
	for _, c := range nodes[1:] {
		if _, err := c.ask("drain %s 32", id); err != nil {
			return nil, err
		}
	}
	for range e.runs {
		peak := 0.0
		for began := time.Now(); time.Since(began) < e.last(); pause(ctx, 50*time.Millisecond) {
			used, err := nodes[0].anonymous()
			if err != nil {
				return nil, err
			}
			peak = max(peak, used)
		}
		peaks = append(peaks, peak/mebibyte)
	}
	line := row{Operation: opReaders, Unit: "MiB"}.compared(peaks, nil, "", true)
	line.Ours = peaks.quantile(1)
	note := fmt.Sprintf("the highest of %s", time.Since(settled).Round(time.Second))
	for i, what := range []string{"", "a reader of 32"} {
		if used, err := nodes[i].anonymous(); err == nil && what != "" {
			note += fmt.Sprintf("; %s has %.0f MiB", what, used/mebibyte)
		}
	}
	return []row{line.judged("<= 256 MiB", line.Ours <= 256).noted("%s%s", note, complaints(nodes))}, nil
}

// complaints are the last words of children that said anything.
func complaints(nodes []*child) string {
	out := ""
	for _, c := range nodes {
		if text := c.log.String(); text != "" {
			out += "; " + text[max(len(text)-120, 0):]
		}
	}
	return out
}

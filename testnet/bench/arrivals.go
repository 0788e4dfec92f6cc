package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// lead is how long before the first arrival all clients are ready.
const lead = 200 * time.Millisecond

// arriving calls fn for requests that arrive at n clients, evenly spread so that there are rate of them a second. When each arrives is
// settled before the first one: whoever is slow finds the next ones waiting. A call is counted from when its request was due, whatever
// held it up: the machine, the runtime, or the calls before it.
//
// What arrives is the kernel's word that a client's next request is due, through a timer that is a file: it is waited for as a socket
// is, and costs the processors nothing beside. Timers of the runtime are good to a millisecond only, and a process that sent requests
// through pipes took so much of two processors, ahead of all others, that it was what was measured (DESIGN.md).
func arriving(d time.Duration, n int, rate float64, fn func(client, call int) error) (series, error) {
	p := plan{began: monotonic() + lead, every: time.Duration(float64(n) / rate * float64(time.Second)), lasts: d}
	timers := make([]*os.File, n)
	var err error
	for i := range timers {
		if timers[i], err = p.timer(i, n); err != nil {
			return nil, errors.Join(err, closeAll(timers[:i]))
		}
	}
	all := make([]series, n)
	err = each(n, func(client int) error {
		var err error
		all[client], err = p.serve(timers[client], p.first(client, n), func(call int) error { return fn(client, call) })
		return err
	})
	return slices.Concat(all...), errors.Join(err, closeAll(timers))
}

// plan is when requests are due, on the clock of monotonic.
type plan struct {
	began time.Duration
	every time.Duration // between two requests of one client
	lasts time.Duration // what would be due later is not
}

// first is when a client's first request is due: the clients take turns.
func (p *plan) first(client, clients int) time.Duration {
	return p.began + p.every*time.Duration(client)/time.Duration(clients)
}

// timer returns a file that can be read when a client's requests are due, and then tells how many have become so.
func (p *plan) timer(client, clients int) (*os.File, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timer")
	at := unix.ItimerSpec{Interval: unix.NsecToTimespec(int64(p.every)), Value: unix.NsecToTimespec(int64(p.first(client, clients)))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set a timer: %w", err), f.Close())
	}
	return f, nil
}

// serve is one client: it answers a request at a time, and returns how long each took from when it was due, in milliseconds.
func (p *plan) serve(r io.Reader, due time.Duration, fn func(call int) error) (series, error) {
	var took series
	var came [8]byte
	for call := 0; ; {
		if _, err := io.ReadFull(r, came[:]); err != nil {
			return took, err
		}
		for range binary.NativeEndian.Uint64(came[:]) {
			if due-p.began >= p.lasts {
				return took, nil
			}
			if err := fn(call); err != nil {
				return took, err
			}
			took = append(took, milliseconds(monotonic()-due))
			due, call = due+p.every, call+1
		}
	}
}

// monotonic is the clock that the timers go by.
func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // there is one
	return time.Duration(ts.Nano())
}

func closeAll(files []*os.File) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

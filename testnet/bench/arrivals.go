package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lead is how long before the first arrival both ends are ready.
const lead = 200 * time.Millisecond

// arriving calls fn for requests that arrive from a process of their own, through a pipe for each client, evenly spread so that there
// are rate of them a second. When each arrives is settled before the first one: whoever is slow finds the next ones waiting. A call is
// counted from when its request was due, whatever held it up: its sender, the machine, or the calls before it.
//
// Requests are not made by timers of this process. Those are good to a millisecond, as the runtime waits for the network in whole
// ones, so that each lets a handful of clients go at once.
func arriving(d time.Duration, n int, rate float64, fn func(client, call int) error) (series, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, childArg, "arrivals", strconv.Itoa(n), fmt.Sprint(rate), d.String())
	var pipes, theirs []*os.File
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, closeAll(pipes), closeAll(theirs))
		}
		pipes, theirs = append(pipes, r), append(theirs, w)
	}
	cmd.ExtraFiles = theirs
	p, err := spawn(cmd)
	if err = errors.Join(err, closeAll(theirs)); err != nil {
		return nil, errors.Join(err, closeAll(pipes))
	}
	all := make([]series, n)
	err = each(n, func(client int) error {
		var err error
		all[client], err = serveArrivals(pipes[client], client, fn)
		return err
	})
	err = errors.Join(err, closeAll(pipes))
	<-p.done
	return slices.Concat(all...), errors.Join(err, p.err)
}

// serveArrivals is one client's connection: it answers a request at a time and returns how long each took, in milliseconds.
func serveArrivals(r io.Reader, client int, fn func(client, call int) error) (series, error) {
	var took series
	var due [8]byte
	for call := 0; ; call++ {
		if _, err := io.ReadFull(r, due[:]); errors.Is(err, io.EOF) {
			return took, nil
		} else if err != nil {
			return took, err
		}
		if err := fn(client, call); err != nil {
			return took, err
		}
		took = append(took, milliseconds(monotonic()-time.Duration(binary.LittleEndian.Uint64(due[:]))))
	}
}

// monotonic is the clock that both ends of the pipes share.
func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // there is one
	return time.Duration(ts.Nano())
}

// childArrivals is the process that requests arrive from: clients, rate and how long; the clients' pipes come after its own three files.
func childArrivals(args []string) error {
	if len(args) != 3 {
		return errors.New("arrivals: clients, rate and how long")
	}
	n, err := strconv.Atoi(args[0])
	rate, err2 := strconv.ParseFloat(args[1], 64)
	d, err3 := time.ParseDuration(args[2])
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	var pipes []*os.File
	for i := range n {
		pipes = append(pipes, os.NewFile(uintptr(3+i), "pipe"))
	}
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	// Users have processors of their own: whoever may goes ahead of what is measured. Who may not is late at times, which counts.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 2}, 0)
	return errors.Join(send(pipes, rate, d), closeAll(pipes))
}

// send writes to the pipes in turn, at the moment at which each request is due, that moment.
func send(pipes []*os.File, rate float64, d time.Duration) error {
	began := monotonic() + lead
	var stamp [8]byte
	for i := 0; ; i++ {
		after := time.Duration(float64(i) / rate * float64(time.Second))
		if after >= d {
			return nil
		}
		due := began + after
		ts := unix.NsecToTimespec(int64(due))
		for monotonic() < due {
			if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		}
		binary.LittleEndian.PutUint64(stamp[:], uint64(due))
		if _, err := pipes[i%len(pipes)].Write(stamp[:]); err != nil {
			return err
		}
	}
}

func closeAll(files []*os.File) error {
	var err error
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

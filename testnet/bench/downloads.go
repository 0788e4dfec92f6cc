package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

const (
	opDownloads = "anonymous memory of the portal's node, 200 browsers read a remote document of 500 MB"
	opReleasing = "the same of the custodian's node"

	downloadSize = 500 << 20
	slowest      = 64 << 10 // bytes a second of a browser on a bad line
)

// reading is what the browsers of benchDownloads do.
type reading struct {
	bytes, failed atomic.Int64
	begun         atomic.Int64 // browsers that have received something
	last          atomic.Pointer[error]
	each          []progress
}

// progress is what one browser has got.
type progress struct {
	slow  bool
	bytes atomic.Int64
	pause atomic.Int64 // longest that it waited for more, in nanoseconds
}

// benchDownloads has 200 browsers at one portal download a large document that another trust holds, a quarter of them over bad
// lines, and watches the memory of both nodes. All are under way at once; whoever has the whole document begins again.
func benchDownloads(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.region(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer clean()
	id, err := keep(ctx, r.Node(custodian), 1, "large.pdf", downloadSize, pattern{size: downloadSize, blocks: 256, seed: 5})
	if err == nil {
		err = settle(ctx, r)
	}
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	h, err := openHouse(r)
	defer h.close()
	if err != nil {
		return nil, err
	}
	browsers := e.few(200, 20)
	var windows []*window
	for i := range min(atDesks, browsers) {
		d, err := signOn(ctx, h.origin, []string{"a.okafor", "j.price"}[i%2])
		if err != nil {
			return nil, err
		}
		at, err := d.open(ctx, number(1))
		if err != nil {
			return nil, err
		}
		for range browsers / min(atDesks, browsers) {
			w := d.window()
			w.path = at + "/documents/" + string(id) + "/file"
			windows = append(windows, w)
		}
	}
	reading := &reading{each: make([]progress, len(windows))}
	for i := range reading.each {
		reading.each[i].slow = i%4 == 3
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = each(len(windows), func(i int) error { // what fails is counted
			defer windows[i].close()
			reading.keepOn(ctx, windows[i], &reading.each[i])
			return nil
		})
	}()
	rows, err := e.watch(ctx, h, reading, browsers)
	stop()
	<-done
	return rows, err
}

// keepOn downloads over and over.
func (r *reading) keepOn(ctx context.Context, w *window, got *progress) {
	first := true
	for ctx.Err() == nil {
		asked := time.Now()
		resp, err := w.do(ctx, http.MethodGet, w.path, nil)
		for err == nil {
			var n int64
			if n, err = io.CopyN(io.Discard, resp.Body, slowest); n > 0 && first {
				first = false
				r.begun.Add(1)
			}
			r.bytes.Add(n)
			got.bytes.Add(n)
			got.pause.Store(max(got.pause.Load(), int64(time.Since(asked))))
			if got.slow {
				pause(ctx, time.Second)
			}
			asked = time.Now()
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if ctx.Err() == nil && !errors.Is(err, io.EOF) {
			r.failed.Add(1)
			r.last.Store(&err)
			pause(ctx, time.Second)
		}
	}
}

// watch looks at the memory of both nodes for -runs times a while, from when every browser has received something.
func (e *env) watch(ctx context.Context, h *house, reading *reading, browsers int) ([]row, error) {
	began := time.Now()
	for reading.begun.Load() < int64(browsers) && time.Since(began) < time.Minute {
		pause(ctx, 100*time.Millisecond)
	}
	late := time.Since(began)
	began, from := time.Now(), reading.bytes.Load()
	peaks := make([]series, 2)
	for range e.runs {
		var peak [2]float64
		for began := time.Now(); time.Since(began) < 2*e.last(); pause(ctx, 50*time.Millisecond) {
			for i := range peak {
				used, err := h.nodes[i].anonymous()
				if err != nil {
					return nil, err
				}
				peak[i] = max(peak[i], used/mebibyte)
			}
		}
		for i := range peak {
			peaks[i] = append(peaks[i], peak[i])
		}
	}
	rate := float64(reading.bytes.Load()-from) / 1e6 / time.Since(began).Seconds()
	note := fmt.Sprintf("the highest of %s; %d of %d browsers had their first bytes after %s, %.0f MB/s to all together, %d downloads broke off",
		time.Since(began).Round(time.Second), reading.begun.Load(), browsers, late.Round(100*time.Millisecond), rate, reading.failed.Load())
	note += reading.shares()
	if last := reading.last.Load(); last != nil {
		note += fmt.Sprintf(", the last: %v", *last)
	}
	var rows []row
	for i, op := range []string{opDownloads, opReleasing} {
		line := row{Operation: op, Unit: "MiB"}.compared(peaks[i], nil, "", true)
		line.Ours = peaks[i].quantile(1)
		rows = append(rows, line.judged("<= 512 MiB, and all are served", line.Ours <= 512 && reading.begun.Load() == int64(browsers)).noted("%.0f MiB in the first part, %.0f in the last", peaks[i][0], peaks[i][len(peaks[i])-1]).noted("%s", note))
		note = ""
	}
	return rows, nil
}

// shares says how evenly what came was shared out.
func (r *reading) shares() string {
	var got [2]series
	var longest time.Duration
	for i := range r.each {
		kind := 0
		if r.each[i].slow {
			kind = 1
		}
		got[kind] = append(got[kind], float64(r.each[i].bytes.Load())/1e6)
		longest = max(longest, time.Duration(r.each[i].pause.Load()))
	}
	return fmt.Sprintf("; a fast one got %.1f to %.1f MB, half of them over %.1f, one on a bad line %.1f to %.1f; nobody waited longer than %s for more",
		slices.Min(got[0]), slices.Max(got[0]), got[0].quantile(0.5), slices.Min(got[1]), slices.Max(got[1]), longest.Round(100*time.Millisecond))
}

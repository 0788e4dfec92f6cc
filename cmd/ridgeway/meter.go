package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter shows how long work goes on: a bar on a terminal, a line every few seconds elsewhere. It writes to standard error.
type meter struct {
	a       *app
	what    string
	total   int64
	bytes   bool
	done    int64
	held    int64 // not drawn yet
	bar     *progressbar.ProgressBar
	started time.Time
	next    time.Time
}

const (
	meterPause = 5 * time.Second
	// meterStart is how long a bar waits: what came within a few microseconds would make it show a speed that nothing has.
	meterStart = 300 * time.Millisecond
)

// meter returns a meter of total steps, or of bytes; total is -1 when not known.
func (a *app) meter(what string, total int64, bytes bool) *meter {
	m := &meter{a: a, what: what, total: total, bytes: bytes, started: time.Now()}
	m.next = m.started.Add(meterPause)
	if onTerminal(a.err) && !a.json {
		m.bar = newBar(what, total, bytes, a.err)
	}
	return m
}

func newBar(what string, total int64, bytes bool, to io.Writer) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth())
}

func (m *meter) add(n int64) {
	m.done += n
	if m.bar != nil {
		if m.held += n; time.Since(m.started) < meterStart {
			return
		}
		n, m.held = m.held, 0
		_ = m.bar.Add64(n) // a bar that cannot be drawn must not stop the work
		return
	}
	if now := time.Now(); now.After(m.next) && !m.a.json {
		m.next = now.Add(meterPause)
		m.a.note("%s: %s of %s", m.what, m.count(m.done), m.count(m.total))
	}
}

func (m *meter) count(n int64) string {
	switch {
	case n < 0:
		return "?"
	case m.bytes:
		return size(n)
	default:
		return fmt.Sprint(n)
	}
}

// stop takes an unfinished bar off the screen, so that what is said next stands on a line of its own. A nil meter is fine.
func (m *meter) stop() {
	if m != nil && m.bar != nil && !m.bar.IsFinished() {
		_ = m.bar.Clear()
	}
}

func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	opLossy      = "bulk release, 20 ms round trip, 400 Mbit/s, %s loss"
	opLossySmall = "64 KiB documents, 16 in flight, 20 ms round trip, 0.5 % loss"
)

// benchLossy runs two nodes in two network namespaces with a lossy path between them, and the same path under one TLS/TCP
// and one bare QUIC connection.
func benchLossy(ctx context.Context, e *env) ([]row, error) {
	w, err := newWAN(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.close() }()
	p, err := newPair(e, w)
	if err != nil {
		return nil, err
	}
	defer p.close()
	large, small, err := p.documents(e.few(256, 16), e.few(400, 32))
	if err != nil {
		return nil, err
	}
	seconds := e.few(8, 2)
	bulk := func(context.Context) (float64, error) { return p.reader.number("rate %s %d", large, seconds) }
	tcp := func(context.Context) (float64, error) { return p.wireB.number("tls %d", seconds) }
	var rows []row
	for _, loss := range []float64{0.005, 0.02} {
		w.setLoss(loss)
		if _, err := p.reader.number("rate %s %d", large, 2); err != nil { // the loss has been seen
			return rows, err
		}
		mine, their, err := e.alternate(ctx, bulk, tcp)
		if err != nil {
			return rows, err
		}
		fast, err := p.wireB.number("bbr %d", seconds)
		if err != nil {
			return rows, err
		}
		line := row{Operation: fmt.Sprintf(opLossy, figure(loss*100, "%")), Unit: "MB/s"}.compared(mine, their, "one TLS/TCP connection, CUBIC", false)
		rows = append(rows, line.atLeast(5, 0, ">= 5 x one TLS/TCP connection").noted("one TLS/TCP connection with BBR: %s", figure(fast, "MB/s")))
	}
	w.setLoss(0.005)
	n := e.few(400, 32)
	mine, their, err := e.alternate(ctx, func(context.Context) (float64, error) {
		took, err := p.reader.number("small 16 %s", strings.Join(small, " "))
		return float64(n) / took, err
	}, func(context.Context) (float64, error) {
		took, err := p.wireB.number("quic %d 16 65536", e.few(200, 32))
		return float64(e.few(200, 32)) / took, err
	})
	line := row{Operation: opLossySmall, Unit: "/s"}.compared(mine, their, "one QUIC connection", false)
	return append(rows, line.atLeast(5, 0, ">= 5 x one QUIC connection").noted("decided and audited")), err
}

// number asks a child for a figure.
func (c *child) number(format string, args ...any) (float64, error) {
	text, err := c.ask(format, args...)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}

// pair is two nodes and two ends of plain connections, one of each in either namespace.
type pair struct {
	custodian, reader, wireA, wireB *child
	dir                             string
}

func newPair(e *env, w *wan) (*pair, error) {
	dir, err := e.temp("lossy")
	if err != nil {
		return nil, err
	}
	p := &pair{dir: dir}
	steps := []func() error{
		func() (err error) {
			p.custodian, err = w.child(0, "found", filepath.Join(dir, string(custodian)), wanA+":7400")
			return err
		},
		func() error {
			invitation, err := p.custodian.ask("invite %s", reader)
			if err == nil {
				p.reader, err = w.child(1, "join", filepath.Join(dir, string(reader)), wanB+":7400", invitation)
			}
			return err
		},
		func() (err error) { p.wireA, err = w.child(0, "wire", wanA); return err },
		func() (err error) { p.wireB, err = w.child(1, "wire", wanA); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			p.close()
			return nil, err
		}
	}
	_, err = p.wireA.ask("serve")
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// documents has the custodian take in one large document of so many MiB, and small ones, and waits until the reader knows them.
func (p *pair) documents(mib, n int) (large string, small []string, err error) {
	if large, err = p.custodian.ask("keep 1 %d", mib<<20); err != nil {
		return "", nil, err
	}
	text, err := p.custodian.ask("keep %d %d", n, 64<<10)
	if err != nil {
		return "", nil, err
	}
	small = strings.Fields(text)
	if _, err := p.reader.ask("wait %s %s", large, small[len(small)-1]); err != nil {
		return "", nil, err
	}
	return large, small, nil
}

func (p *pair) close() {
	for _, c := range []*child{p.custodian, p.reader, p.wireA, p.wireB} {
		if c == nil {
			continue
		}
		if err := c.quit(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			c.stop(syscall.SIGKILL)
		}
	}
	_ = os.RemoveAll(p.dir)
}

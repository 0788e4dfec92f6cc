package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

const (
	opLists     = "portal, 200 clinicians, a page every 5 s: a list of 1,000 documents, 95 of 100"
	opScans     = "the same: first page of a remote scan of 200 pages, 95 of 100"
	opListsOnly = "portal, 200 clinicians, a list of 1,000 documents every 5 s and nothing else, 95 of 100"
	opRush      = "the same every 2 s, 95 of 100"

	atDesks   = 20 // sessions: a user has ten at most, and there are two
	pageGoal  = 500
	pageEvery = 5 * time.Second
	rushEvery = 2 * time.Second
)

// benchPortal has 200 people work at the portal of one of four trusts. Each node is a process of its own; the clinicians, with
// their connections and the reading of pages, are this one.
func benchPortal(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.regionOf(ctx, "Central", "North")
	if err != nil {
		return nil, err
	}
	defer clean()
	patients, err := e.fillWard(ctx, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	house, err := openHouse(r)
	defer house.close()
	if err != nil {
		return nil, err
	}
	clinicians := e.few(200, 20)
	var desks []*desk
	for i := range min(atDesks, clinicians) {
		d, err := signOn(ctx, house.origin, []string{"a.okafor", "j.price"}[i%2])
		if err != nil {
			return nil, err
		}
		desks = append(desks, d)
	}
	var rows []row
	if err := house.profile(e, true); err != nil {
		return nil, err
	}
	for _, m := range []struct {
		op string
		w  ward
	}{
		{opLists, ward{pace: pageEvery, rounds: e.few(6, 2), scans: true}},
		{opListsOnly, ward{pace: pageEvery, rounds: e.few(4, 1)}},
		{opRush, ward{pace: rushEvery, rounds: e.few(6, 1)}},
	} {
		m.w.patients = patients
		measured, err := house.measure(ctx, m.op, m.w, desks, clinicians)
		if err != nil {
			return rows, err
		}
		rows = append(rows, measured...)
	}
	return rows, house.profile(e, false)
}

// measure has clinicians work in a ward, and returns how long they waited for lists, and for scans where there are some, with what a
// page has cost each process.
func (h *house) measure(ctx context.Context, op string, w ward, desks []*desk, clinicians int) ([]row, error) {
	before := h.spent()
	lists, scans, err := w.work(ctx, desks, clinicians)
	if err != nil {
		return nil, err
	}
	used := h.spent()
	loads := float64(len(lists) + len(scans))
	at := func(i int) float64 { return (used[i] - before[i]) * 1000 / loads }
	rows := []row{pageRow(op, lists).noted(
		"of %d, median %.0f ms, 99 of 100 %.0f ms; CPU a page: portal's node %.1f ms, the three others %.1f ms, clinicians %.1f ms",
		len(lists), lists.median(), lists.quantile(0.99), at(0), at(1), at(2))}
	if len(scans) > 0 {
		rows = append(rows, pageRow(opScans, scans).noted("of %d, median %.0f ms, 99 of 100 %.0f ms; page and picture", len(scans), scans.median(), scans.quantile(0.99)))
	}
	return rows, nil
}

// pageRow judges how long 95 of 100 pages took at most.
func pageRow(op string, took series) row {
	r := row{Operation: op, Unit: "ms"}.compared(took, nil, "", true)
	r.Ours, r.Samples = took.quantile(0.95), nil
	return r.judged("<= 500 ms", r.Ours <= pageGoal)
}

// regionOf is region with more trusts.
func (e *env) regionOf(ctx context.Context, more ...string) (*testnet.Region, func(), error) {
	dir, err := e.temp("region")
	if err != nil {
		return nil, nil, err
	}
	o := e.regionOptions(dir, nil)
	o.Members = o.Members[:2]
	for i, name := range more {
		o.Members = append(o.Members, testnet.Member{Trust: federation.TrustID(fmt.Sprintf("R%dK", i+1)), Name: name})
	}
	founding, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := testnet.NewRegion(founding, o)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, func() {
		_ = r.Close() // what was measured has been measured
		_ = os.RemoveAll(dir)
	}, nil
}

// fillWard has all trusts take in letters of a few patients, 1,000 documents of each, and another trust than the portal's one
// scan of 200 pages of each.
func (e *env) fillWard(ctx context.Context, r *testnet.Region) ([]ailing, error) {
	people := synth.New(7).Patients(e.few(4, 2))
	out := make([]ailing, len(people))
	letters := e.few(999, 40)
	trusts := r.Trusts()
	for k, p := range people {
		scan, err := r.TakeDocument(ctx, custodian, p, synth.New(7).CaseNote(p, e.few(200, 5)))
		if err != nil {
			return nil, err
		}
		out[k] = ailing{p.NHSNumber, string(scan.Document)}
	}
	var next atomic.Int64
	err := each(16, func(int) error {
		for {
			n := int(next.Add(1) - 1)
			if n >= letters*len(people) {
				return nil
			}
			i, p := n/len(people), people[n%len(people)]
			title := fmt.Sprintf("Clinic letter %d", i)
			if _, err := r.TakeDocument(ctx, trusts[i%len(trusts)], p, synth.Document{
				Name: "l.txt", ContentType: "text/plain", Type: synth.Code{Code: "823681000000100"}, Category: synth.Code{Code: "823651000000106"}, Specialty: synth.Code{Code: fmt.Sprint(300 + i%40)},
				Title: title, Author: fmt.Sprintf("Dr %d", i%70), Date: time.Date(2000+i%25, 5, 1, 0, 0, i, 0, time.UTC), Confidentiality: "N", Bytes: func() []byte { return []byte(title + p.NHSNumber) },
			}); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, settle(ctx, r)
}

// house is a region whose nodes are processes. The first is that with the portal.
type house struct {
	nodes  []*child
	origin string
}

// openHouse starts the nodes of a region that has been closed, and waits until documents can be released.
func openHouse(r *testnet.Region) (*house, error) {
	h := &house{nodes: []*child{nil}}
	for _, t := range r.Trusts() {
		mode := "node"
		if t == reader {
			mode = "portal"
		}
		c, err := startChild(mode, r.Data(t))
		if err != nil {
			return h, err
		}
		if t != reader {
			h.nodes = append(h.nodes, c)
			continue
		}
		h.nodes[0] = c
		if h.origin, err = c.ask("origin"); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *house) close() {
	for _, c := range h.nodes {
		if c != nil {
			c.stop(syscall.SIGKILL)
		}
	}
}

// spent returns the seconds of a core that the portal's node, the other nodes and this process have used.
func (h *house) spent() [3]float64 {
	var out [3]float64
	for i, c := range h.nodes {
		out[min(i, 1)] += cpuOf(strconv.Itoa(c.cmd.Process.Pid))
	}
	out[2] = cpuOf("self")
	return out
}

// cpuOf reads what a process has used of the cores, in seconds: fields 14 and 15 of its stat, in hundredths.
func cpuOf(process string) float64 {
	text := firstLine("/proc/" + process + "/stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64) // the kernel writes numbers
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// profile begins a profile of the portal's node beside that of this process, where one was asked for, or ends it.
func (h *house) profile(e *env, begin bool) error {
	if e.profile == "" {
		return nil
	}
	word := "profile " + e.profile + ".node"
	if !begin {
		word = "profile"
	}
	_, err := h.nodes[0].ask("%s", word)
	return err
}

// portalSettings let the personas of a demonstration work at a node's portal, as much as they want.
func portalSettings(s *node.Settings) {
	s.Portal = node.PortalSettings{Listen: "127.0.0.1:0", Personas: node.DemoPersonas()}
}

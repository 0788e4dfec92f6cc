package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/consensus"
	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/federation/index"
	"github.com/ridgeway-exchange/ridgeway/node"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

const (
	opLocate      = "locate 40 documents of a patient, 16 clients"
	opLocateHalf  = "locate at half that load, 99 of 100 calls"
	opLocateDue   = "the same, from when each was due to when it was answered"
	opLocateMay   = "the same, filtered by policy"
	opLocateNoted = "the same, filtered, and the search audited and synced first"
	opLocateMany  = "locate 100 documents of a patient, filtered by policy, audited and synced, one client"
	locators      = 16
	manyDocuments = 100
)

// searcher is a running node and the patients in its index.
type searcher struct {
	node     *node.Node
	patients int
	subjects []federation.Subject
	numbers  []string
	rooms    [locators][]federation.Pointer // each client's, as the node lends its own searches one
}

// searcher starts the node of a prepared folder.
func (p *prepared) searcher(ctx context.Context) (*searcher, error) {
	in, err := p.inside()
	if err != nil {
		return nil, err
	}
	s := &searcher{patients: p.patients}
	for i := range s.rooms {
		s.rooms[i] = make([]federation.Pointer, 0, index.DefaultPage+1)
	}
	for i := range p.patients {
		s.subjects = append(s.subjects, in.subject(i))
		s.numbers = append(s.numbers, number(i))
	}
	if err = in.enrich(ctx, p, manyDocuments); err == nil {
		err = in.merged(ctx)
	}
	if err := errors.Join(err, in.close()); err != nil {
		return nil, err
	}
	if s.node, err = p.open(ctx); err != nil {
		return nil, err
	}
	return s, s.warm(ctx)
}

// warm waits until the node is what it is in service, and reads once through a part of the index.
func (s *searcher) warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := range min(s.patients, 5000) {
		if err := s.plain(ctx, i%locators, i); err != nil {
			return err
		}
	}
	_, err := search(ctx, s.node, &admin.LocateRequest{Patient: s.numbers[0]})
	return err
}

// pick spreads the calls of the clients over the patients.
func (s *searcher) pick(client, call int) int {
	return int((uint64(client)<<32 + uint64(call)) * 0x9e3779b97f4a7c15 >> 24 % uint64(s.patients))
}

// plain is a locate without a decision.
func (s *searcher) plain(ctx context.Context, client, call int) error {
	subject := s.subjects[s.pick(client, call)]
	return s.node.Agreed(ctx, consensus.Local(), func(r consensus.Reader) error {
		page, err := index.Locate(r, index.Query{Subject: subject, Room: s.rooms[client]})
		if err == nil && len(page.Pointers) != perPatient {
			err = fmt.Errorf("located %d documents", len(page.Pointers))
		}
		return err
	})
}

// filtered is a locate of what a user may know of.
func (s *searcher) filtered(ctx context.Context, client, call int) error {
	return s.users(ctx, client, call, s.node.Filtered)
}

// noted is the locate that a user is given.
func (s *searcher) noted(ctx context.Context, client, call int) error {
	return s.users(ctx, client, call, s.node.Locate)
}

func (s *searcher) users(ctx context.Context, client, call int, locate func(context.Context, *admin.LocateRequest) (*admin.LocateReply, error)) error {
	reply, err := locate(ctx, &admin.LocateRequest{Patient: s.numbers[s.pick(client, call)]})
	if err == nil && len(reply.GetDocuments()) != perPatient {
		err = fmt.Errorf("a user sees %d documents", len(reply.GetDocuments()))
	}
	return err
}

// many is filtered for the one patient who has more documents than the others.
func (s *searcher) many(ctx context.Context) error {
	reply, err := s.node.Locate(ctx, &admin.LocateRequest{Patient: number(s.patients), Limit: manyDocuments})
	if err == nil && len(reply.GetDocuments()) != manyDocuments {
		err = fmt.Errorf("a user sees %d documents", len(reply.GetDocuments()))
	}
	return err
}

// measure returns a sample of calls a second.
func (e *env) measure(fn func(ctx context.Context, client, call int) error) sample {
	return func(ctx context.Context) (float64, error) {
		rate, _, err := during(e.last(), locators, func(client, call int) error { return fn(ctx, client, call) })
		return rate, err
	}
}

func benchLocate(ctx context.Context, e *env) ([]row, error) {
	_, large, err := e.prepare(ctx)
	if err != nil {
		return nil, err
	}
	peer, stop, why := e.postgres(ctx, e.pointers())
	defer stop()
	s, err := large.searcher(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var theirs sample
	if peer != nil {
		theirs = func(ctx context.Context) (float64, error) { return peer.locate(ctx, locators, e.last()) }
	}
	mine, their, err := e.alternate(ctx, e.measure(s.plain), theirs)
	if err != nil {
		return nil, err
	}
	size := thousands(int64(e.pointers())) + " pointers"
	plain := row{Operation: opLocate, Unit: "/s"}.compared(mine, their, "PostgreSQL", false).atLeast(2, 0, ">= 2 x PostgreSQL").noted("%s, local copy, in process", size).noted("%s", reason(why))
	rows := []row{plain}
	half, err := e.halfLoad(func(client, call int) error { return s.plain(ctx, client, call) }, plain.Ours, plain.Theirs)
	if err != nil {
		return rows, err
	}
	rows = append(rows, half...)
	may, again, err := e.alternate(ctx, e.measure(s.filtered), e.measure(s.plain))
	if err != nil {
		return rows, err
	}
	filtered := row{Operation: opLocateMay, Unit: "/s"}.compared(may, again, "unfiltered", false)
	rows = append(rows, filtered.judged("within 2 x of unfiltered", filtered.Ratio >= 0.5).noted("what a user may know of, with totals and sites; not written down"))
	noted, again, err := e.alternate(ctx, e.measure(s.noted), e.measure(s.plain))
	if err != nil {
		return rows, err
	}
	rows = append(rows, row{Operation: opLocateNoted, Unit: "/s"}.compared(noted, again, "unfiltered", false).noted("as users are given it"))
	many, err := e.manyDocuments(ctx, s)
	if err != nil {
		return rows, err
	}
	return append(rows, many), nil
}

// manyDocuments measures a single user's search for a patient with many documents.
func (e *env) manyDocuments(ctx context.Context, s *searcher) (row, error) {
	var typical, tail series
	for range e.runs {
		_, took, err := during(e.last(), 1, func(int, int) error { return s.many(ctx) })
		if err != nil {
			return row{}, err
		}
		typical, tail = append(typical, took.median()), append(tail, took.quantile(0.99))
	}
	r := row{Operation: opLocateMany, Unit: "ms"}.compared(typical, nil, "", true)
	return r.judged("<= 2 ms", r.Ours <= 2).noted("99 of 100 within %s", figure(tail.median(), "ms")), nil
}

func (s *searcher) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = s.node.Close(ctx) // only read from
}

var errNoFigure = errors.New("the peer printed no figure")

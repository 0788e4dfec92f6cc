package policy

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
)

// MaxExamples is how many examples of what is gained and lost an Impact has at most.
const MaxExamples = 60

// Case is one request to try under two agreements. Facts.Agreement is not looked at.
type Case struct {
	Request Request
	Facts   Facts
	Was     *Document // what Request.Document was before, where labels change and not the agreement; nil: the same
}

// Impact is what changes when one agreement takes the place of another.
type Impact struct {
	Cases    int // requests that were tried
	Decided  int // decisions that were made: two for each
	Before   int // permitted under the agreement before
	After    int // permitted under the agreement after
	Gained   Tally
	Lost     Tally
	Examples []Example // each of another group, and together as unlike as can be; the largest group first

	groups map[groupKey]*group
}

// Tally counts requests that went from refused to permitted, or the other way.
type Tally struct {
	Total           int
	Action          map[string]int // see, open, open_break_glass
	Role            map[string]int
	Purpose         map[string]int
	Trust           map[string]int
	Type            map[string]int // of the document; "" where it has none
	Confidentiality map[string]int
}

// Example is one request that is decided otherwise, with both decisions in full. It stands for a group: all that go the same way
// for the same role, trust, purpose and type, by the same rules.
type Example struct {
	Request       Request
	Gained        bool
	Before, After Decision // reasons of the agreement after have version 0: it is a draft
	Count         int      // of the group
}

// Simulate decides every case under both agreements, on all processors, and says who gains and who loses what. A nil
// agreement permits nothing. The result does not depend on how the work was shared out. It returns the context's error
// when that ends first; the cases are then not all counted.
func Simulate(ctx context.Context, before, after *Agreement, cases iter.Seq[Case]) (Impact, error) {
	const size = 256
	type batch struct {
		first int
		cases []Case
	}
	work := make(chan batch)
	workers := make([]Impact, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			before, same := before.apart(), before == after
			after := after.apart()
			if same {
				after = before
			}
			for b := range work {
				for j := range b.cases {
					workers[i].try(before, after, &b.cases[j], b.first+j)
				}
			}
		})
	}
	next := batch{cases: make([]Case, 0, size)}
	send := func() bool {
		select {
		case work <- next:
			next = batch{next.first + len(next.cases), make([]Case, 0, size)}
			return true
		case <-ctx.Done():
			return false
		}
	}
	for c := range cases {
		if next.cases = append(next.cases, c); len(next.cases) == size && !send() {
			break
		}
	}
	if len(next.cases) > 0 && ctx.Err() == nil {
		send()
	}
	close(work)
	wg.Wait()
	var all Impact
	for i := range workers {
		all.merge(&workers[i])
	}
	all.choose(before, after)
	if ctx.Err() != nil {
		return all, fmt.Errorf("simulate: %w", errors.Join(ctx.Err(), context.Cause(ctx)))
	}
	return all, nil
}

// decideBoth decides one case under both agreements.
func decideBoth(before, after *Agreement, c *Case) (was, is Decision) {
	facts, request := c.Facts, c.Request
	if c.Was != nil {
		request.Document = *c.Was
	}
	facts.Agreement = before
	was = Decide(request, facts)
	if after != before {
		facts.Agreement, facts.AgreementVersion = after, 0
	}
	return was, Decide(c.Request, facts)
}

// try decides one case both ways.
func (x *Impact) try(before, after *Agreement, c *Case, number int) {
	was, is := decideBoth(before, after, c)
	x.Cases++
	x.Decided += 2
	if was.Permitted() {
		x.Before++
	}
	if is.Permitted() {
		x.After++
	}
	switch {
	case was.Permitted() == is.Permitted():
		return
	case is.Permitted():
		x.Gained.count(&c.Request)
	default:
		x.Lost.count(&c.Request)
	}
	x.group(c, was, is, number)
}

// actionOf returns the action of the agreement that the request is about in the end.
func actionOf(r *Request) string { return ActionOf(*r) }

// ActionOf names what a request asks for, as an Impact counts it.
func ActionOf(r Request) string {
	if r.BreakGlass {
		return actionGlass
	}
	return r.Action.String()
}

func (t *Tally) count(r *Request) {
	if t.Total == 0 {
		t.Action, t.Role, t.Purpose = map[string]int{}, map[string]int{}, map[string]int{}
		t.Trust, t.Type, t.Confidentiality = map[string]int{}, map[string]int{}, map[string]int{}
	}
	t.Total++
	t.Action[actionOf(r)]++
	t.Role[r.User.Role]++
	t.Purpose[r.Purpose]++
	t.Trust[string(r.User.Trust)]++
	t.Type[r.Document.Type]++
	t.Confidentiality[r.Document.Confidentiality.String()]++
}

func (t *Tally) merge(o *Tally) {
	if o.Total == 0 {
		return
	}
	if t.Total == 0 {
		*t = *o
		return
	}
	t.Total += o.Total
	for _, pair := range [][2]map[string]int{{t.Action, o.Action}, {t.Role, o.Role}, {t.Purpose, o.Purpose}, {t.Trust, o.Trust}, {t.Type, o.Type}, {t.Confidentiality, o.Confidentiality}} {
		for k, n := range pair[1] {
			pair[0][k] += n
		}
	}
}

func (x *Impact) merge(o *Impact) {
	x.Cases += o.Cases
	x.Decided += o.Decided
	x.Before += o.Before
	x.After += o.After
	x.Gained.merge(&o.Gained)
	x.Lost.merge(&o.Lost)
	if x.groups == nil {
		x.groups = o.groups
		return
	}
	for key, g := range o.groups {
		x.join(key, g)
	}
}

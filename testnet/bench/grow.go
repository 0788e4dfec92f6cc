package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const (
	opRegisterGrowth = "cost of growth: register, 3 voters, %s pointers"
	opRegisterWay    = "cost of growth: register, 3 voters, up to %s pointers"
	opLocateGrowth   = "cost of growth: locate, %s pointers"
	opReleaseGrowth  = "cost of growth: release to another trust, first byte of 100 KB, %s pointers"
)

// grown are the sizes that are compared: a hundred thousand pointers, a million and, with -full, ten million.
func (e *env) grown() []int {
	var sizes []int
	for n := e.few(100_000, 2_000); n <= e.pointers(); n *= 10 {
		sizes = append(sizes, n)
	}
	return sizes
}

// benchGrown locates and releases with an index of each size.
func benchGrown(ctx context.Context, e *env) ([]row, error) {
	small, large, err := e.prepare(ctx)
	if err != nil {
		return nil, err
	}
	indexes := []*prepared{small, large}
	if e.full {
		least, err := e.prepareOne(ctx, nil, e.grown()[0])
		if err != nil {
			return nil, err
		}
		indexes = append([]*prepared{least}, indexes...)
	}
	return e.growUse(ctx, indexes)
}

// compareSizes makes a row of each size, judged against the smallest.
func compareSizes(operation, unit string, sizes []int, seen []series, smaller bool) []row {
	var rows []row
	for i, s := range seen {
		r := row{Operation: fmt.Sprintf(operation, thousands(int64(sizes[i]))), Unit: unit}
		if i == 0 {
			rows = append(rows, r.compared(s, nil, "", smaller))
			continue
		}
		r = r.compared(s, seen[0], thousands(int64(sizes[0]))+" pointers", smaller)
		rows = append(rows, r.judged("within 1.5 x", r.Ratio >= 1/1.5))
	}
	return rows
}

// growing is a region of three voters that takes in more and more.
type growing struct {
	*rig
	there int
}

// add publishes n pointers and returns how many a second.
func (g *growing) add(ctx context.Context, n int) (float64, error) {
	each := max(n/speakers, 1)
	work := make([][]federation.Pointer, speakers)
	for i, t := range g.trusts {
		work[i] = pointersOf(t.id, g.there+i*each, each, 1<<20)
	}
	g.there += speakers * each
	began := time.Now()
	err := g.publish(ctx, work, batchSize)
	return float64(speakers*each) / time.Since(began).Seconds(), err
}

// reach has it take in what is missing of size, and returns how many a second.
func (g *growing) reach(ctx context.Context, size, slice int) (float64, error) {
	from, seconds := g.there, 0.0
	for g.there < size {
		before := g.there
		rate, err := g.add(ctx, min(slice, size-g.there))
		if err != nil {
			return 0, err
		}
		seconds += float64(g.there-before) / rate
	}
	return float64(g.there-from) / seconds, nil
}

// benchGrow has three voters register from nothing to the largest size, and compares on the way with three that were just founded.
func benchGrow(ctx context.Context, e *env) ([]row, error) {
	r, clean, err := e.group(ctx, speakers, 0)
	if err != nil {
		return nil, err
	}
	defer clean()
	large := growing{rig: r}
	slice, sizes := e.few(192_000, 6_400), e.grown()
	young := func(ctx context.Context) (float64, error) {
		r, clean, err := e.group(ctx, speakers, 0)
		if err != nil {
			return 0, err
		}
		defer clean()
		g := growing{rig: r}
		if _, err := g.reach(ctx, sizes[0], slice); err != nil {
			return 0, err
		}
		return g.add(ctx, slice)
	}
	var rows []row
	for _, size := range sizes[1:] {
		on, err := large.reach(ctx, size, slice)
		if err != nil {
			return rows, err
		}
		mine, base, err := e.alternate(ctx, func(ctx context.Context) (float64, error) { return large.add(ctx, slice) }, young)
		if err != nil {
			return rows, err
		}
		// What comes rarely, as the merging of many tables does, is in the way there rather than in a few slices.
		least := thousands(int64(sizes[0])) + " pointers"
		way := row{Operation: fmt.Sprintf(opRegisterWay, thousands(int64(size))), Unit: "/s"}.compared(series{on}, base, least, false)
		line := row{Operation: fmt.Sprintf(opRegisterGrowth, thousands(int64(size))), Unit: "/s"}.compared(mine, base, least, false)
		rows = append(rows, way.judged("within 1.5 x", way.Ratio >= 1/1.5).noted("all of the way from the size before, once"), line.judged("within 1.5 x", line.Ratio >= 1/1.5).noted("%s more each time", thousands(int64(slice))))
	}
	return rows, nil
}

// growUse locates and releases with indexes of all sizes, in turns.
func (e *env) growUse(ctx context.Context, indexes []*prepared) ([]row, error) {
	var sizes []int
	var searchers []*searcher
	for _, p := range indexes {
		s, err := p.searcher(ctx)
		if err != nil {
			return nil, err
		}
		defer s.close()
		sizes, searchers = append(sizes, p.pointers), append(searchers, s)
	}
	seen := make([]series, len(searchers))
	for run := range e.runs {
		for k := range searchers {
			i := (run + k) % len(searchers)
			rate, err := e.measure(searchers[i].plain)(ctx)
			if err != nil {
				return nil, err
			}
			seen[i] = append(seen[i], rate)
		}
	}
	rows := compareSizes(opLocateGrowth, "/s", sizes, seen, false)
	more, err := e.growRelease(ctx, sizes, searchers)
	return append(rows, more...), err
}

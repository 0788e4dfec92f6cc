package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Labelled is a document under one set of labels: as its custodian decides on it, and as lists are filtered by its pointer.
type Labelled struct {
	Held, Listed Document
}

// Relabelled is a number of documents of one custodian whose labels change alike, and which an agreement cannot tell apart.
type Relabelled struct {
	Before, After Labelled
	Facts         Facts // of the patient; the standing of trusts and the lease are taken to be in order
	Count         int
}

// Class names what the agreement and the patient's directives can tell of a document: two of the same patient, or of patients who
// have said nothing, with the same class are decided on alike. A nil agreement permits nothing whatever a document is.
func (a *Agreement) Class(d Document, said []Directive) string {
	if len(said) > 0 {
		return string(d.ID) // what was said can look at anything
	}
	var key documentKey
	if a != nil {
		key = a.documentKey(&d)
	}
	return fmt.Sprintf("%+v %v %s", key, d.Restricted(), faultOf(&d))
}

// Relabel decides who could see and open documents before and after a change of their labels: for every role, for the trusts and
// purposes that the agreement or a directive names and one that stands for all others, and in the situations that the agreement
// asks about. The tallies and the examples count documents: each once in all and once for each value, however many requests for it
// are decided otherwise; it can be gained by some and lost by others. It returns the context's error when that ends first.
func Relabel(ctx context.Context, own federation.TrustID, now time.Time, agreement *Agreement, all []Relabelled) (Impact, error) {
	m, _, _ := matrixOf(own, now, agreement)
	workers := make([]Impact, min(runtime.GOMAXPROCS(0), len(all)))
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				workers[w].relabel(m, &all[i], agreement, i)
			}
		})
	}
	wg.Wait()
	var out Impact
	for w := range workers {
		out.merge(&workers[w])
	}
	out.choose(agreement, agreement)
	if ctx.Err() != nil {
		return out, fmt.Errorf("simulate: %w", errors.Join(ctx.Err(), context.Cause(ctx)))
	}
	return out, nil
}

// relabel tries all requests for documents that change alike, the number-th of their kind.
func (x *Impact) relabel(m matrix, d *Relabelled, agreement *Agreement, number int) {
	facts := d.Facts
	facts.RequesterStanding, facts.CustodianStanding, facts.RegionActive = federation.Active, federation.Active, true
	facts.LeaseAge, facts.LeaseLimit, facts.Agreement = 0, MaxLease, agreement
	one := trial{seen: make(map[groupKey]bool)}
	tried := 0
	for c := range m.askers(m.trustsWith(facts.Directives), facts) {
		for _, c.Request.Action = range []Action{See, Open} {
			for _, c.Request.BreakGlass = range []bool{false, true}[:c.Request.Action] {
				tried++
				x.relabelled(c, d, agreement, number<<24+tried, &one)
			}
		}
	}
	x.Cases += d.Count
	x.Decided += 2 * tried
	x.Gained.weigh(&one.gained, d.Count)
	x.Lost.weigh(&one.lost, d.Count)
}

// relabelled tries one request under both sets of labels.
func (x *Impact) relabelled(c Case, d *Relabelled, agreement *Agreement, number int, one *trial) {
	c.Request.Document, c.Was = d.After.Held, &d.Before.Held
	if c.Request.Action == See {
		c.Request.Document, c.Was = d.After.Listed, &d.Before.Listed
	}
	was, is := decideBoth(agreement, agreement, &c)
	switch {
	case was.Permitted() == is.Permitted():
		return
	case c.Request.BreakGlass && !was.Glass && !is.Glass:
		return // permitted to those who may open it anyway, which has been counted
	case is.Permitted():
		one.gained.count(&c.Request)
	default:
		one.lost.count(&c.Request)
	}
	if key := groupOf(&c.Request, was, is); !one.seen[key] { // several situations of one request are one document all the same
		one.seen[key] = true
		x.join(key, &group{d.Count, c, number})
	}
}

// trial is what changes for documents that change alike.
type trial struct {
	gained, lost Tally // the values for which something changes
	seen         map[groupKey]bool
}

// weigh adds count for each value that the other has.
func (t *Tally) weigh(o *Tally, count int) {
	for _, values := range []map[string]int{o.Action, o.Role, o.Purpose, o.Trust, o.Type, o.Confidentiality} {
		for v := range values {
			values[v] = count
		}
	}
	o.Total = min(o.Total, 1) * count
	t.merge(o)
}

// trustsWith returns the trusts to try where a patient has said something: those that it names too, before the one that stands for
// all others.
func (m *matrix) trustsWith(said []Directive) []federation.TrustID {
	named := map[federation.TrustID]bool{}
	for i := range said {
		for _, s := range append([]federation.Scope{said[i].Scope}, said[i].Except...) {
			if s.Trust != "" && !slices.Contains(m.trusts, s.Trust) {
				named[s.Trust] = true
			}
		}
	}
	last := len(m.trusts) - 1
	return slices.Concat(m.trusts[:last], slices.SortedFunc(maps.Keys(named), cmp.Compare[federation.TrustID]), m.trusts[last:])
}

// ReadLabel returns the label of HL7 v3-ActCode that text means, in whatever case. What is not one is an error that lists those
// there are.
func ReadLabel(text string) (string, error) {
	code := strings.ToUpper(strings.TrimSpace(text))
	if knownSensitivity(code) {
		return code, nil
	}
	all := make([]string, 0, len(sensitivityTable))
	for _, s := range sensitivityTable {
		all = append(all, s.Code)
	}
	slices.Sort(all)
	return "", fmt.Errorf("%q is no sensitivity label: it is one of %s: %w", text, strings.Join(all, ", "), ErrLabel)
}

// ReadLegalClass returns the legally restricted class that text means, in whatever case.
func ReadLegalClass(text string) (string, error) {
	code := strings.ToUpper(strings.TrimSpace(text))
	var all []string
	for _, c := range legalTable {
		if c.Code == code {
			return code, nil
		}
		all = append(all, c.Code)
	}
	return "", fmt.Errorf("%q is no legally restricted class: it is one of %s: %w", text, strings.Join(all, ", "), ErrLabel)
}

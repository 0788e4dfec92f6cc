package tour

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/testnet"
	"github.com/ridgeway-exchange/ridgeway/testnet/synth"
)

// MinTrusts and MaxTrusts bound how many trusts a tour has.
const (
	MinTrusts = 3
	MaxTrusts = 50
)

// Options say what to walk through.
type Options struct {
	Region    testnet.RegionOptions // Members and Seed are set by the tour
	Trusts    int                   // MinTrusts to MaxTrusts
	Patients  int                   // at least 1
	Documents int                   // of all patients, the case note not counted; at least 1
	Pages     int                   // of the case note; 0 is 200
	Seed      uint64
	Reopen    bool              // the folder holds the region of an earlier tour
	Tell      func(line string) // is told what happens, line by line; may be nil
}

// Step is one step of a tour and how it went.
type Step struct {
	Name         string  `json:"name"`
	OK           bool    `json:"ok"`
	Milliseconds float64 `json:"milliseconds"`
	Detail       string  `json:"detail"`
}

// Tour is a walk under way.
type Tour struct {
	o       Options
	region  *testnet.Region
	trusts  []federation.TrustID
	steps   []Step
	people  []synth.Patient
	source  *synth.Source
	focus   synth.Patient // whose record the tour follows
	taken   []held
	note    held // the case note
	content []byte
}

// held is a document that was taken in.
type held struct {
	id      federation.DocumentID
	trust   federation.TrustID
	patient synth.Patient
	doc     synth.Document
	size    int
}

// step is a thing to do, told in a sentence.
type step struct {
	name, title string
	run         func(ctx context.Context) (detail string, err error)
}

// ErrStep is returned when a step did not hold.
var ErrStep = errors.New("a step did not hold")

// Start founds the region and walks all steps. The region stays up, and is the caller's to close, even when a step failed;
// it is nil when it could not be founded. It fails with ErrStep.
func Start(ctx context.Context, o Options) (*Tour, error) {
	if o.Trusts < MinTrusts || o.Trusts > MaxTrusts || o.Patients < 1 || o.Documents < 1 {
		return nil, fmt.Errorf("a tour has %d to %d trusts, and at least one patient and one document", MinTrusts, MaxTrusts)
	}
	if o.Pages == 0 {
		o.Pages = 200
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	o.Region.Members, o.Region.Seed = Members(o.Trusts), o.Seed
	t := &Tour{o: o, source: synth.New(o.Seed)}
	for _, m := range o.Region.Members {
		t.trusts = append(t.trusts, m.Trust)
	}
	t.people = t.source.Patients(o.Patients)
	t.focus = t.people[0]
	plan := t.plan()
	for i, s := range plan {
		started := time.Now()
		o.Tell(fmt.Sprintf("%d. %s", i+1, s.title))
		detail, err := s.run(ctx)
		took := time.Since(started)
		ms := float64(took.Microseconds()) / 1000
		if err != nil {
			t.steps = append(t.steps, Step{Name: s.name, Milliseconds: ms, Detail: err.Error()})
			for _, rest := range plan[i+1:] {
				t.steps = append(t.steps, Step{Name: rest.name, Detail: "not reached"})
			}
			o.Tell(fmt.Sprintf("   did NOT hold, after %s: %v", round(took), err))
			return t, fmt.Errorf("%s: %w: %w", s.name, ErrStep, err)
		}
		t.steps = append(t.steps, Step{Name: s.name, OK: true, Milliseconds: ms, Detail: detail})
		for _, line := range wrap(detail, 74) {
			o.Tell("   " + line)
		}
		o.Tell(fmt.Sprintf("   (%s)", round(took)))
	}
	return t, nil
}

// Steps returns how the steps went, in order.
func (t *Tour) Steps() []Step { return t.steps }

// Region returns the region; nil when it could not be founded.
func (t *Tour) Region() *testnet.Region { return t.region }

// Patient returns whose record the tour followed.
func (t *Tour) Patient() synth.Patient { return t.focus }

// CaseNote returns the id of the case note and who holds it.
func (t *Tour) CaseNote() (federation.DocumentID, federation.TrustID) { return t.note.id, t.note.trust }

// Close stops the region.
func (t *Tour) Close() error {
	if t.region == nil {
		return nil
	}
	return t.region.Close()
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > 10*time.Millisecond:
		return d.Round(time.Millisecond)
	default:
		return d.Round(10 * time.Microsecond)
	}
}

package tour

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

// defaultPages is how long the case note is.
const defaultPages = 200

// Options say what to walk through.
type Options struct {
	Region    testnet.RegionOptions // Members and Seed are set by the tour
	Trusts    int                   // MinTrusts to MaxTrusts
	Patients  int                   // at least 1
	Documents int                   // of all patients, the case note not counted; at least 1
	Pages     int                   // of the case note, at least 2; 0 is 200
	Seed      uint64
	Reopen    bool              // the folder holds the region of an earlier tour
	Tell      func(line string) // is told what happens, in lines of at most Width characters; may be nil
}

// Step is one step of a tour and how it went.
type Step struct {
	Name         string  `json:"name"`
	OK           bool    `json:"ok"`
	Milliseconds float64 `json:"milliseconds"`
	Detail       string  `json:"detail"` // what was seen, or why it did not hold, or "not reached"
}

// Tour is a walk under way. It belongs to one goroutine.
type Tour struct {
	o      Options
	region *testnet.Region
	trusts []federation.TrustID
	steps  []Step
	people []synth.Patient
	source *synth.Source

	focus   synth.Patient      // whose record the tour follows
	reader  federation.TrustID // whose clinician reads it
	desk    federation.TrustID // where the patient objects
	note    held               // the case note
	content []byte             // of note
	taken   []held
}

// held is a document that was taken in.
type held struct {
	id      federation.DocumentID
	trust   federation.TrustID
	patient synth.Patient
	doc     synth.Document
	file    string // below the trust's folder of records
}

// step is a thing to do, told in a sentence.
type step struct {
	name, title string
	run         func(ctx context.Context) (detail string, err error)
}

// ErrStep is returned when a step did not hold.
var ErrStep = errors.New("a step did not hold")

// Start founds the region and walks all steps. The region stays up, and is the caller's to close with Close, even when a step
// failed. It fails with ErrStep; any other error says what is wrong with the options, and then the Tour is nil.
func Start(ctx context.Context, o Options) (*Tour, error) {
	if o.Trusts < MinTrusts || o.Trusts > MaxTrusts || o.Patients < 1 || o.Documents < 1 || o.Pages < 0 || o.Pages == 1 {
		return nil, fmt.Errorf("a tour has %d to %d trusts, at least one patient and one document, and a case note of at least 2 pages", MinTrusts, MaxTrusts)
	}
	if o.Pages == 0 {
		o.Pages = defaultPages
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
	t.focus, t.reader, t.desk = t.people[0], t.trusts[1], t.trusts[2]
	t.tellMembers()
	plan := t.plan()
	for i, s := range plan {
		if err := t.walk(ctx, i+1, s); err != nil {
			for _, rest := range plan[i+1:] {
				t.steps = append(t.steps, Step{Name: rest.name, Detail: "not reached"})
			}
			return t, err
		}
	}
	return t, nil
}

// walk takes one step.
func (t *Tour) walk(ctx context.Context, number int, s step) error {
	t.o.Tell("")
	t.tell(fmt.Sprintf("%2d. ", number), s.title)
	started := time.Now()
	detail, err := s.run(ctx)
	spent := time.Since(started)
	done := Step{Name: s.name, OK: err == nil, Milliseconds: float64(spent.Microseconds()) / 1000, Detail: detail}
	if err != nil {
		done.Detail = err.Error()
		word := "This did NOT hold"
		if ctx.Err() != nil {
			word = "Stopped before it was done"
		}
		t.tell("    ", fmt.Sprintf("%s, after %s.", word, took(spent)))
		err = fmt.Errorf("step %d, %s: %w: %w", number, s.name, ErrStep, err)
	} else {
		t.tell("    ", detail)
		t.tell("    ", fmt.Sprintf("[%s]", took(spent)))
	}
	t.steps = append(t.steps, done)
	return err
}

// tell tells text in lines that begin with prefix, or as much white space.
func (t *Tour) tell(prefix, text string) {
	for _, line := range wrap(text, Width-1-len(prefix)) {
		t.o.Tell(prefix + line)
		prefix = fmt.Sprintf("%*s", len(prefix), "")
	}
}

// Steps returns how the steps went, in order.
func (t *Tour) Steps() []Step { return t.steps }

// Patient returns whose record the tour followed.
func (t *Tour) Patient() synth.Patient { return t.focus }

// Reader returns the trust whose clinician read the record, and its data folder.
func (t *Tour) Reader() (federation.TrustID, string) { return t.reader, t.region.Data(t.reader) }

// CaseNote returns the id of the case note.
func (t *Tour) CaseNote() federation.DocumentID { return t.note.id }

// Holder returns the trust that holds the case note, its data folder, and the folder with the files that it took in.
func (t *Tour) Holder() (trust federation.TrustID, data, records string) {
	return t.note.trust, t.region.Data(t.note.trust), t.records(t.note.trust)
}

// records is the folder with the files that a trust takes in.
func (t *Tour) records(id federation.TrustID) string {
	return filepath.Join(t.o.Region.Dir, "records", string(id))
}

// Close stops the region.
func (t *Tour) Close() error {
	if t.region == nil {
		return nil
	}
	return t.region.Close()
}

// other returns a running trust that is none of those given; the last of them when there is no other.
func (t *Tour) other(than ...federation.TrustID) federation.TrustID {
	for _, id := range t.region.Up() {
		taken := false
		for _, x := range than {
			taken = taken || x == id
		}
		if !taken {
			return id
		}
	}
	return than[len(than)-1]
}

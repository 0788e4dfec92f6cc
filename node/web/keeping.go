package web

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// Keeping is what the node keeps for clinicians' pages: what each user was shown, how they like their lists, and who the
// patients of this trust are.
type Keeping interface {
	// Visit keeps what a user is shown of a patient, and returns what it was at the visit before; the zero Visit when there was
	// none.
	Visit(ctx context.Context, patient, user string, shown Visit) (Visit, error)
	// Views returns the views that a user has saved, in order.
	Views(ctx context.Context, user string) ([]View, error)
	// KeepViews keeps a user's views in place of those before.
	KeepViews(ctx context.Context, user string, views []View) error
	// Person returns what this trust was told of who a patient is; the zero Person when nothing, or nothing that by may know of.
	Person(ctx context.Context, patient string, by *admin.Asker) (Person, error)
	// FindPersons returns this trust's own patients of a family name who were born on a day, and what is like the given name
	// where there is one, as far as by may know of them. That it was asked by somebody is written down first.
	FindPersons(ctx context.Context, q Person, by *admin.Asker) ([]Person, error)
}

// Sharing is what the region has agreed on about documents being shared.
type Sharing interface {
	// Terms returns under which agreement of its custodian a document is shared.
	Terms(ctx context.Context, document string) (Terms, error)
}

// Terms are what a document is shared under: a version of its custodian's agreement, and since when that is in force. The zero
// Terms are not known.
type Terms struct {
	Version uint64
	Since   time.Time
}

// Person is who a patient is. What is not known is empty.
type Person struct {
	Number        string // ten digits
	Family, Given string
	Born          string // year-month-day
	Sex           string // FHIR administrative gender
}

// Name is the person's name as the NHS writes it on screens: FAMILY, Given.
func (p Person) Name() string {
	return strings.Trim(strings.ToUpper(p.Family)+", "+p.Given, ", ")
}

// born returns the day of birth; the zero time when it is not known.
func (p Person) born() time.Time {
	t, err := time.Parse(time.DateOnly, p.Born)
	if err != nil {
		return time.Time{}
	}
	return t
}

// age is how old the person is on a day, in full years, and in months below two years.
func (p Person) age(now time.Time) string {
	born := p.born()
	if born.IsZero() || born.After(now) {
		return ""
	}
	months := (now.Year()-born.Year())*12 + int(now.Month()) - int(born.Month())
	if now.Day() < born.Day() {
		months--
	}
	if months < 24 {
		return plural(months, "month")
	}
	return plural(months/12, "year")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return countOf(n) + " " + what + "s"
}

// View is a way to narrow a list down that a user has given a name.
type View struct{ Name, Query string }

const (
	maxViews    = 20
	maxViewName = 40 // characters
	markLen     = 4
)

// Visit is what a user was shown of a patient, and when. The zero Visit never was.
type Visit struct {
	At    time.Time
	Marks []byte // four bytes of a digest of each document, in order
}

// NewVisit returns a visit at which these documents were listed.
func NewVisit(at time.Time, documents []string) Visit {
	marks := make([]uint32, len(documents))
	for i, d := range documents {
		marks[i] = markOf(d)
	}
	slices.Sort(marks)
	v := Visit{At: at, Marks: make([]byte, 0, markLen*len(marks))}
	for _, m := range slices.Compact(marks) {
		v.Marks = binary.BigEndian.AppendUint32(v.Marks, m)
	}
	return v
}

// Has reports whether a document was listed. One of four thousand million times it is mistaken for another.
func (v Visit) Has(document string) bool {
	want := markOf(document)
	n := len(v.Marks) / markLen
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		if binary.BigEndian.Uint32(v.Marks[mid*markLen:]) < want {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < n && binary.BigEndian.Uint32(v.Marks[lo*markLen:]) == want
}

func markOf(document string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(document)) // a hash never fails
	return h.Sum32()
}

package synth

import (
	"fmt"
	"strings"
	"time"
)

// MaxPatients is the largest number of patients of one source: one in eleven numbers has no valid check digit.
const MaxPatients = 900_000

// Source invents the patients and documents of one seed.
type Source struct{ seed uint64 }

// New returns the source of a seed.
func New(seed uint64) *Source { return &Source{seed: seed} }

// Patient is a person who does not exist.
type Patient struct {
	Index     int // place in Patients, from 0
	NHSNumber string
	Title     string // Mr, Mrs, ...
	Given     string
	Family    string
	Sex       string // "female" or "male"
	Born      time.Time
	Address   []string
	Postcode  string
	Practice  string // the surgery, which does not exist either
}

// Name returns the name as a letter's heading has it: FAMILY, Given (Title).
func (p Patient) Name() string {
	return fmt.Sprintf("%s, %s (%s)", strings.ToUpper(p.Family), p.Given, p.Title)
}

// SpacedNumber returns the NHS number as people read it: 3, 3 and 4 digits.
func (p Patient) SpacedNumber() string {
	return p.NHSNumber[:3] + " " + p.NHSNumber[3:6] + " " + p.NHSNumber[6:]
}

// Patients returns the first n patients of the source, at most MaxPatients. Their NHS numbers differ.
func (s *Source) Patients(n int) []Patient {
	n = min(max(n, 0), MaxPatients)
	out := make([]Patient, 0, n)
	for step := uint64(0); len(out) < n; step++ {
		if number, ok := s.number(step); ok {
			out = append(out, s.patient(len(out), number))
		}
	}
	return out
}

// number returns the step-th candidate of the 999 range. The stride has no factor in common with 1,000,000, so no number comes twice.
func (s *Source) number(step uint64) (string, bool) {
	const span, stride = 1_000_000, 618_033
	body := (newDice(s.seed, "numbers").next()%span + step*stride) % span
	digits := []byte("9990000000")
	for i := 8; i > 2; i-- {
		digits[i] += byte(body % 10)
		body /= 10
	}
	sum := 0
	for i, c := range digits[:9] {
		sum += int(c-'0') * (10 - i)
	}
	check := (11 - sum%11) % 11
	if check == 10 {
		return "", false
	}
	digits[9] += byte(check)
	full := string(digits)
	return full, full != "9999999999"
}

func (s *Source) patient(index int, number string) Patient {
	d := newDice(s.seed, "patient", uint64(index))
	p := Patient{Index: index, NHSNumber: number, Family: pick(d, familyNames()), Sex: "female"}
	given, titles := femaleNames(), []string{"Mrs", "Ms", "Miss", "Mrs", "Ms", "Dr"}
	if d.chance(49) {
		p.Sex, given, titles = "male", maleNames(), []string{"Mr", "Mr", "Mr", "Mr", "Dr"}
	}
	p.Given, p.Title = pick(d, given), pick(d, titles)
	// More of the old than of the young, as in a hospital.
	age := max(d.n(95), d.n(95))
	p.Born = time.Date(today().Year()-age-1, time.Month(1+d.n(12)), 1+d.n(28), 0, 0, 0, 0, time.UTC)
	if age < 16 {
		p.Title = "Miss"
		if p.Sex == "male" {
			p.Title = "Master"
		}
	}
	p.Address = []string{fmt.Sprintf("%d %s", 1+d.n(180), pick(d, streets())), pick(d, towns())}
	// ZZ99 is the NHS's own pseudo postcode district: nobody lives there.
	p.Postcode = fmt.Sprintf("ZZ99 %d%c%c", d.n(10), 'A'+rune(d.n(26)), 'A'+rune(d.n(26)))
	p.Practice = pick(d, practices())
	return p
}

// today is the day on which the invented records end. It is fixed so that bytes do not change overnight.
func today() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }

package record

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/text/unicode/norm"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// Person is who one of this trust's own patients is, as far as it was told. Every field may be empty.
type Person struct {
	Family, Given string // at most 128 bytes each
	Born          string // year-month-day, such as 1950-02-28
	Sex           string // FHIR administrative gender: male, female, other, unknown
}

const (
	personVersion = 1
	bornLayout    = "2006-01-02"
	maxPersons    = 200 // of one name and day of birth
	blindLen      = 16
)

// IsZero reports whether nothing is known of the person.
func (p Person) IsZero() bool { return p == Person{} }

// Check reports what is wrong with p. It fails with ErrPerson.
func (p Person) Check() error {
	for _, name := range []string{p.Family, p.Given} {
		if len(name) > maxPerson || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || !federation.TextRune(r) }) {
			return fmt.Errorf("%w: a name has at most %d bytes of text in one line", ErrPerson, maxPerson)
		}
		if name != "" && FoldName(name) == "" {
			return fmt.Errorf("%w: the name %q has no letters", ErrPerson, name)
		}
	}
	if p.Born != "" {
		born, err := time.Parse(bornLayout, p.Born)
		if err != nil || born.Year() < 1850 {
			return fmt.Errorf("%w: %q is not a date of birth: write it as 1950-02-28", ErrPerson, p.Born)
		}
	}
	switch p.Sex {
	case "", "male", "female", "other", "unknown":
		return nil
	default:
		return fmt.Errorf("%w: sex is one of male, female, other, unknown, not %q", ErrPerson, p.Sex)
	}
}

// Contradicts says how other cannot be the same person; empty when it can. Dates of birth must agree. One of the names may be
// another, since people change them, but not both. What one of the two does not say contradicts nothing.
func (p Person) Contradicts(other Person) string {
	if p.Born != "" && other.Born != "" && p.Born != other.Born {
		return fmt.Sprintf("the date of birth is %s, not %s", p.Born, other.Born)
	}
	if p.Family != "" && other.Family != "" && p.Given != "" && other.Given != "" && FoldName(p.Family) != FoldName(other.Family) && FoldName(first(p.Given)) != FoldName(first(other.Given)) {
		return fmt.Sprintf("the name is %s %s, not %s %s", p.Given, p.Family, other.Given, other.Family)
	}
	return ""
}

func first(given string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(given), " ")
	return word
}

// with returns p with what other says besides, or instead.
func (p Person) with(other Person) Person {
	for _, f := range []struct {
		to   *string
		from string
	}{{&p.Family, other.Family}, {&p.Given, other.Given}, {&p.Born, other.Born}, {&p.Sex, other.Sex}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	return p
}

// FoldName writes a name so that spellings of it are the same: capital letters without accents, spaces, hyphens and apostrophes.
func FoldName(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, norm.NFKD.String(name))
}

// Blind returns a keyed digest of some words, for the name of a row that must not tell them. Without the node's key nobody can
// try out what they are.
func (s *Store) Blind(words ...string) [blindLen]byte {
	kept := hmac.New(sha256.New, s.id[:])
	kept.Write([]byte("ridgeway blind v1"))
	mac := hmac.New(sha256.New, kept.Sum(nil))
	var e federation.Encoder
	for _, w := range words {
		e.Text(w)
	}
	mac.Write(e.Bytes())
	return [blindLen]byte(mac.Sum(nil))
}

func (s *Store) personKey(p Person) (blind [blindLen]byte, ok bool) {
	if p.Family == "" || p.Born == "" {
		return blind, false
	}
	return s.Blind("person", FoldName(p.Family), p.Born), true
}

// SetPerson adds to what is known of a patient, durably, and returns what was known before. Empty fields change nothing. It
// fails with ErrPerson when p is not acceptable, or contradicts what is known; then nothing is changed.
func (s *Store) SetPerson(ctx context.Context, patient NHSNumber, p Person) (before Person, err error) {
	if err := p.Check(); err != nil {
		return Person{}, err
	}
	subject := s.Subject(patient)
	if known, err := s.Person(ctx, subject); err == nil && known.Contradicts(p) == "" && known.with(p) == known {
		return known, nil // as nearly always: nothing to write
	}
	err = s.update(ctx, 1024, func(txn *badger.Txn, _ *totals) error {
		var err error
		if before, err = s.person(txn, subject); err != nil {
			return err
		}
		if why := before.Contradicts(p); why != "" {
			return fmt.Errorf("%w: as this trust knows the patient, %s", ErrPerson, why)
		}
		after := before.with(p)
		if after == before {
			return nil
		}
		if old, ok := s.personKey(before); ok {
			if err := txn.Delete(key(rowNamed, old[:], subject[:])); err != nil {
				return err
			}
		}
		if blind, ok := s.personKey(after); ok {
			if err := txn.Set(key(rowNamed, blind[:], subject[:]), nil); err != nil {
				return err
			}
		}
		if err := s.remember(txn, subject, patient); err != nil {
			return err
		}
		return s.put(txn, key(rowPerson, subject[:]), after.encode())
	})
	return before, err
}

// Person returns what is known of a patient; the zero Person when nothing is.
func (s *Store) Person(ctx context.Context, subject federation.Subject) (p Person, err error) {
	err = s.view(ctx, func(txn *badger.Txn) error {
		p, err = s.person(txn, subject)
		return err
	})
	return p, err
}

func (s *Store) person(txn *badger.Txn, subject federation.Subject) (Person, error) {
	plain, found, err := s.get(txn, key(rowPerson, subject[:]))
	if err != nil || !found {
		return Person{}, err
	}
	return decodePerson(plain)
}

// Named is a person who was found by name.
type Named struct {
	Person
	Number NHSNumber
}

// FindPersons returns the patients of a family name who were born on a day, at most 200, however the name is spelt.
func (s *Store) FindPersons(ctx context.Context, family, born string) (out []Named, err error) {
	blind, ok := s.personKey(Person{Family: family, Born: born})
	if !ok {
		return nil, nil
	}
	err = s.view(ctx, func(txn *badger.Txn) error {
		prefix := key(rowNamed, blind[:])
		it := txn.NewIterator(badger.IteratorOptions{Prefix: prefix})
		defer it.Close()
		for it.Seek(prefix); it.Valid() && len(out) < maxPersons; it.Next() {
			subject := federation.Subject(it.Item().Key()[len(prefix):])
			p, err := s.person(txn, subject)
			if err != nil {
				return err
			}
			if k, ok := s.personKey(p); !ok || k != blind {
				return fmt.Errorf("a person is listed under a name that is not theirs: %w", storage.ErrIntegrity)
			}
			digits, err := s.must(txn, key(rowNumber, subject[:]))
			if err != nil {
				return err
			}
			n, err := ParseNHSNumber(string(digits))
			if err != nil || s.Subject(n) != subject {
				return fmt.Errorf("the number kept for a patient is not theirs: %w", storage.ErrIntegrity)
			}
			out = append(out, Named{p, n})
		}
		return nil
	})
	return out, err
}

func (p Person) encode() []byte {
	var e federation.Encoder
	e.U8(personVersion)
	for _, text := range []string{p.Family, p.Given, p.Born, p.Sex} {
		e.Text(text)
	}
	return e.Bytes()
}

func decodePerson(b []byte) (Person, error) {
	d := federation.NewDecoder("person", b)
	if v := d.U8(); d.Err() == nil && v != personVersion {
		return Person{}, fmt.Errorf("person version %d: %w", v, federation.ErrVersion)
	}
	p := Person{Family: d.Text(maxPerson), Given: d.Text(maxPerson), Born: d.Text(maxCode), Sex: d.Text(maxCode)}
	return p, damaged(d.Finish())
}

// scrubNamed looks for the person who is listed under a name.
func (s *Store) scrubNamed(txn *badger.Txn, r *ScrubReport, k []byte) error {
	subject := federation.Subject(k[1+blindLen:])
	p, err := s.person(txn, subject)
	if err == nil {
		if blind, ok := s.personKey(p); !ok || string(blind[:]) != string(k[1:1+blindLen]) {
			err = fmt.Errorf("a person is listed under a name that is not theirs: %w", storage.ErrIntegrity)
		}
	}
	return r.found(Fault{Subject: subject}, err)
}

// scrubPerson reads what is known of a person and looks for the list that they are in.
func (s *Store) scrubPerson(txn *badger.Txn, r *ScrubReport, k []byte) error {
	subject := federation.Subject(k[1:])
	p, err := s.person(txn, subject)
	if err == nil {
		if blind, ok := s.personKey(p); ok {
			var there bool
			if there, err = exists(txn, key(rowNamed, blind[:], subject[:])); err == nil && !there {
				err = fmt.Errorf("a person is missing in the list of their name: %w", storage.ErrIntegrity)
			}
		}
	}
	return r.found(Fault{Subject: subject}, err)
}

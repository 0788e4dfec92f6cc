package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

func numbered(t *testing.T, text string) NHSNumber {
	t.Helper()
	n, err := ParseNHSNumber(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPersonIsFoundByNameAndBirth(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	a, b := numbered(t, "9990000018"), numbered(t, "9990000026")
	obrien := Person{Family: "O'Brien-Møller", Given: "Siân Jane", Born: "1950-02-28", Sex: "female"}
	if before, err := s.SetPerson(t.Context(), a, obrien); err != nil || !before.IsZero() {
		t.Fatalf("%+v, %v", before, err)
	}
	if _, err := s.SetPerson(t.Context(), b, Person{Family: "Obrien Møller", Given: "Sean", Born: "1950-02-28"}); err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{"O'Brien-Møller", "o brien møller", "OBRIEN MØLLER"} {
		found, err := s.FindPersons(t.Context(), family, "1950-02-28")
		if err != nil || len(found) != 2 {
			t.Errorf("%s: %v, %v", family, found, err)
		}
	}
	for _, other := range []Person{{Family: "Brien", Born: "1950-02-28"}, {Family: "O'Brien-Møller", Born: "1950-02-27"}, {Family: "O'Brien-Møller"}} {
		if found, err := s.FindPersons(t.Context(), other.Family, other.Born); err != nil || len(found) != 0 {
			t.Errorf("%+v finds %v, %v", other, found, err)
		}
	}
	// After a change of name the person is found by the new one alone.
	if before, err := s.SetPerson(t.Context(), a, Person{Family: "Zephyr"}); err != nil || before != obrien {
		t.Fatalf("%+v, %v", before, err)
	}
	if found, err := s.FindPersons(t.Context(), "Zephyr", "1950-02-28"); err != nil || len(found) != 1 || found[0].Number != a || found[0].Given != "Siân Jane" {
		t.Errorf("by the new name: %v, %v", found, err)
	}
	if found, err := s.FindPersons(t.Context(), "O'Brien-Møller", "1950-02-28"); err != nil || len(found) != 1 {
		t.Errorf("by the old name: %v, %v", found, err)
	}
	clean(t, s)
	closeStore(t, s)
	// Nothing on the disk names anybody.
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, word := range []string{"Zephyr", "ZEPHYR", "Brien", "1950-02-28", "9990000018"} {
			if bytes.Contains(content, []byte(word)) {
				t.Errorf("%s holds %q", path, word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestContradictionsAreRefused(t *testing.T) {
	s := fresh(t)
	n := numbered(t, "9990000018")
	known := Person{Family: "Hart", Given: "Ann Mary", Born: "1950-02-28", Sex: "female"}
	if _, err := s.SetPerson(t.Context(), n, known); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p    Person
		says string // empty: taken
	}{
		"other birth":       {Person{Born: "1950-02-27"}, "the date of birth is 1950-02-28, not 1950-02-27"},
		"other person":      {Person{Family: "Byrne", Given: "Joan"}, "Hart, not Joan Byrne"},
		"no date":           {Person{Born: "28/02/1950"}, "write it as 1950-02-28"},
		"no sex":            {Person{Sex: "F"}, "male, female, other, unknown"},
		"name of a line":    {Person{Family: "Hart\nBob"}, "one line"},
		"name of no letter": {Person{Family: "---"}, "no letters"},
		"the same":          {known, ""}, "spelt otherwise": {Person{Family: "HART", Given: "ann"}, ""}, "nothing": {Person{}, ""},
	} {
		_, err := s.SetPerson(t.Context(), n, c.p)
		if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, ErrPerson) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.says))) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	if got, err := s.Person(t.Context(), s.Subject(n)); err != nil || got.Born != known.Born || got.Sex != known.Sex {
		t.Errorf("after all: %+v, %v", got, err)
	}
}

func TestScrubFindsPersonsAmiss(t *testing.T) {
	s := fresh(t)
	n := numbered(t, "9990000018")
	p := Person{Family: "Hart", Born: "1950-02-28"}
	if _, err := s.SetPerson(t.Context(), n, p); err != nil {
		t.Fatal(err)
	}
	subject, blind := s.Subject(n), s.Blind("person", "HART", "1950-02-28")
	other := s.Blind("person", "BYRNE", "1950-02-28")
	for name, spoil := range map[string]func(txn *badger.Txn) error{
		"missing in the list":  func(txn *badger.Txn) error { return txn.Delete(key(rowNamed, blind[:], subject[:])) },
		"under another's name": func(txn *badger.Txn) error { return txn.Set(key(rowNamed, other[:], subject[:]), nil) },
	} {
		raw(t, s, spoil)
		r, err := s.Scrub(t.Context(), nil)
		if err != nil || len(r.Faults) == 0 {
			t.Errorf("%s: %v, %v", name, r.Faults, err)
		}
	}
	if _, err := s.FindPersons(t.Context(), "Byrne", "1950-02-28"); err == nil {
		t.Error("a person is found under another's name")
	}
}

func FuzzPerson(f *testing.F) {
	f.Add(Person{Family: "Hart", Given: "Ann", Born: "1950-02-28", Sex: "female"}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePerson(b)
		if err != nil {
			return
		}
		if again, err := decodePerson(p.encode()); err != nil || again != p {
			t.Errorf("%+v becomes %+v, %v", p, again, err)
		}
	})
}

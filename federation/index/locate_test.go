package index

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// Pages are read while a trust publishes and withdraws: what was there all the time comes once, whatever the page size and
// however the patient's subjects are linked.
func TestPagesAreCompleteWithoutRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := founded(t, Config{}, 1)
		subjects := []federation.Subject{alice, bob, {0xC}}
		n := rapid.IntRange(1, 25).Draw(t, "documents")
		stay := map[federation.DocumentID]int{}
		for i := range n {
			p := pointerOf("RYJ", rapid.SampledFrom(subjects).Draw(t, "subject"), i)
			p.Date = p.Date.AddDate(0, 0, rapid.IntRange(0, 3).Draw(t, "day")) // many of one minute
			if rapid.Bool().Draw(t, "sealed") {
				p.Confidentiality = federation.Restricted
				p = p.Seal()
			}
			r.accept("RYJ", publication(p))
			stay[p.Document] = 0
		}
		r.accept("RYJ", federation.Link{Prior: alice, Survivor: bob})
		r.accept("RYJ", federation.Link{Prior: bob, Survivor: federation.Subject{0xC}})
		want := locateAll(t, r.store, alice)
		q := Query{Subject: alice, Limit: rapid.IntRange(1, 7).Draw(t, "limit")}
		var got []federation.Pointer
		for {
			page, err := Locate(r.store, q)
			if err != nil || len(page.Pointers) > q.Limit {
				t.Fatalf("%d pointers, %v", len(page.Pointers), err)
			}
			for _, p := range page.Pointers {
				if _, ok := stay[p.Document]; ok {
					got = append(got, p)
				}
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
			other := 100 + rapid.IntRange(0, 40).Draw(t, "other")
			r.accept("RYJ", publication(pointerOf("RYJ", rapid.SampledFrom(subjects).Draw(t, "other subject"), other)))
			r.accept("RYJ", federation.Withdraw{Documents: []federation.DocumentID{documentOf("RYJ", 100+rapid.IntRange(0, 40).Draw(t, "gone"))}})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pages (-want +got):\n%s", diff)
		}
	})
}

func TestQueriesThatCannotBeAnsweredAreRefused(t *testing.T) {
	r := founded(t, Config{}, 1)
	for name, q := range map[string]Query{"no subject": {}, "negative": {Subject: alice, Limit: -1}, "too many": {Subject: alice, Limit: MaxPage + 1}} {
		if _, err := Locate(r.store, q); !errors.Is(err, ErrQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCursorsAreTakenAsTheyWereMadeOnly(t *testing.T) {
	r := founded(t, Config{}, 1)
	r.accept("RYJ", publication(pointerOf("RYJ", alice, 1), pointerOf("RYJ", alice, 2)))
	page, err := Locate(r.store, Query{Subject: alice, Limit: 1})
	if err != nil || page.Next == "" || page.Next != After(alice, page.Pointers[0]) {
		t.Fatalf("%q, %v", page.Next, err)
	}
	if _, err := Locate(r.store, Query{Subject: bob, Cursor: page.Next}); !errors.Is(err, ErrCursor) {
		t.Errorf("another patient's query: %v", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(page.Next))
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		for what, b := range map[string][]byte{"changed": changed, "cut": raw[:i]} {
			if i == 0 && what == "cut" {
				continue // the beginning
			}
			if _, err := Locate(r.store, Query{Subject: alice, Cursor: Cursor(base64.RawURLEncoding.EncodeToString(b))}); !errors.Is(err, ErrCursor) {
				t.Errorf("byte %d %s: %v", i, what, err)
			}
		}
	}
	for _, c := range []Cursor{page.Next + "A", page.Next + "=", "!", "AQ"} {
		if _, err := Locate(r.store, Query{Subject: alice, Cursor: c}); !errors.Is(err, ErrCursor) {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(string(After(alice, pointerOf("RYJ", alice, 1))))
	f.Fuzz(func(t *testing.T, s string) {
		at, err := Cursor(s).position(alice)
		if err != nil && !errors.Is(err, ErrCursor) {
			t.Fatal(err)
		}
		if err == nil && len(at) > 0 {
			if _, _, ok := splitPlace(at); !ok {
				t.Fatalf("position %x", at)
			}
		}
	})
}

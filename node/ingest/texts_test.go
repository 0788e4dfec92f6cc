package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// TestTextsAreThoseThatAPointerHolds takes in what is as long as a document's pointer can say, and refuses one byte more where the
// field can be named: no later step could publish it.
func TestTextsAreThoseThatAPointerHolds(t *testing.T) {
	dir := drop(t, map[string]string{"a.txt": "a"})
	local := func(n int) string { return "local:" + strings.Repeat("x", n-len("local:")) }
	text := func(n int) string { return strings.Repeat("é", n/2) + strings.Repeat("x", n%2) }
	for _, c := range []struct {
		name  string
		limit int
		of    func(bytes int) string
	}{
		{"title", federation.MaxTitle, text},
		{"author", federation.MaxAuthor, text},
		{"type", federation.MaxCode, local},
		{"category", federation.MaxCode, local},
		{"specialty", federation.MaxCode, func(n int) string { return strings.Repeat("9", n) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &store{}
			row := func(value string) Result {
				t.Helper()
				row := map[string]string{"title": "T", "type": "373942005", c.name: value}
				m, err := ParseManifest(strings.NewReader("file,patient,date,title,type,author,category,specialty\n" +
					strings.Join([]string{"a.txt", "9991234560", "2024-03-31", row["title"], row["type"], row["author"], row["category"], row["specialty"]}, ",") + "\n"))
				if err != nil {
					t.Fatal(err)
				}
				report, err := Run(t.Context(), config(s), dir, m)
				if err != nil {
					t.Fatal(err)
				}
				return report.Results[0]
			}
			if r := row(c.of(c.limit)); r.Outcome != TakenIn {
				t.Fatalf("%d bytes: %+v", c.limit, r)
			}
			i := s.items[0]
			p := federation.Pointer{
				Subject: federation.Subject{1}, Document: federation.NewDocumentID("RYJ", federation.DocumentKey{1}), Confidentiality: federation.Normal, Manifest: federation.Digest{1},
				Type: i.Type, Category: i.Category, Specialty: i.Specialty, Title: i.Title, Author: i.Author, Date: i.Date, Status: federation.Current,
			}
			if _, err := federation.DecodePointer("RYJ", federation.EncodePointer(p)); err != nil {
				t.Errorf("%d bytes were taken in, and cannot be published: %v", c.limit, err)
			}
			if r, want := row(c.of(c.limit+1)), fmt.Sprintf("the %s has %d bytes, at most %d", c.name, c.limit+1, c.limit); r.Code != CodeField || r.Reason != want {
				t.Errorf("%d bytes: %+v, want %q", c.limit+1, r, want)
			}
		})
	}
}

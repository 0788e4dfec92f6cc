package node

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

func TestFetchesByPageShareOneBudget(t *testing.T) {
	t.Parallel()
	n := settledNode(t, nil)
	id := string(takeLetters(t, n, 0, 1)[0])
	fetch := func() (string, error) {
		got, _, err := collect(t, n, &admin.FetchRequest{Document: id, Pages: "1-"})
		return string(got), err
	}
	// What others hold leaves nothing for this one.
	if !n.cutting.TryAcquire(assembleLimit) {
		t.Fatal("the budget is not whole at first")
	}
	if _, err := fetch(); admin.CodeOf(err) != admin.CodeUnavailable || !strings.Contains(err.Error(), "try again") {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	n.cutting.Release(assembleLimit)
	if got, err := fetch(); err != nil || got != "letter 0" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, _, err := collect(t, n, &admin.FetchRequest{Document: id, Pages: "2"}); admin.CodeOf(err) != admin.CodeBadInput || !strings.Contains(err.Error(), "has one page") {
		t.Errorf("a page that is not there: %v", err)
	}
	if !n.cutting.TryAcquire(assembleLimit) {
		t.Error("a fetch that has ended keeps some of the budget")
	}
}

func TestPagesNeedWholeChunks(t *testing.T) {
	const c = federation.ChunkSize
	part := federation.Part{Size: 10*c + 5, PageCount: 4, Pages: []federation.Page{
		{Extents: []federation.Extent{{Offset: 0, Length: 8}, {Offset: c - 1, Length: 2}}},
		{Extents: []federation.Extent{{Offset: 0, Length: 8}, {Offset: c, Length: 1}}},
		{Extents: []federation.Extent{{Offset: 10 * c, Length: 5}}},
		{},
	}}
	for _, c := range []struct {
		pages []int
		want  int64
	}{{[]int{1}, 2 * c}, {[]int{1, 2}, 2 * c}, {[]int{2}, 2 * c}, {[]int{3}, c}, {[]int{1, 3}, 3 * c}, {[]int{4}, 10*c + 5}, {[]int{9}, 10*c + 5}} {
		if got := bytesFor(part, c.pages); got != c.want {
			t.Errorf("pages %v: got %d bytes, want %d", c.pages, got, c.want)
		}
	}
}

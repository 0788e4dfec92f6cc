package gossip

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

func someHead() head {
	h := head{Leaving: true, Version: "1.2.3"}
	for i := range uint64(headMarks) {
		h.Marks = append(h.Marks, Mark{Index: 10 + i, Root: federation.Sum([]byte{byte(i)})})
	}
	return h
}

func TestHeadComesBack(t *testing.T) {
	for _, h := range []head{{}, someHead()} {
		got, err := decodeHead(h.encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(h, got); d != "" {
			t.Error(d)
		}
	}
}

func TestHeadIsRefused(t *testing.T) {
	good := someHead().encode()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	same := head{Marks: []Mark{{Index: 5}, {Index: 5}}}.encode()
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, federation.ErrMalformed},
		{"another version", change(0, 2), federation.ErrVersion},
		{"unknown flag", change(1, 0x80), federation.ErrMalformed},
		{"long text", change(2, 65), federation.ErrMalformed},
		{"too many marks", append(head{}.encode()[:3], append([]byte{9}, make([]byte, 9*40)...)...), federation.ErrMalformed},
		{"cut short", good[:len(good)-1], federation.ErrMalformed},
		{"longer", append(bytes.Clone(good), 0), federation.ErrMalformed},
		{"marks that do not rise", same, federation.ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decodeHead(c.b); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzHead(f *testing.F) {
	f.Add(someHead().encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b)
		if err == nil && !bytes.Equal(h.encode(), b) {
			t.Errorf("%x comes back as %x", b, h.encode())
		}
	})
}

func TestHistoryForgetsTheOldest(t *testing.T) {
	var h history
	for i := range uint64(5 * historyMarks) {
		if !h.add(Mark{Index: i + 1, Root: federation.Digest{byte(i + 1)}}) {
			t.Fatalf("mark %d was not kept", i+1)
		}
	}
	if h.add(Mark{Index: 7}) {
		t.Error("an old mark was kept")
	}
	if _, ok := h.root(1); ok {
		t.Error("the first mark is still there")
	}
	for i := uint64(4*historyMarks + 1); i <= 5*historyMarks; i++ {
		if root, ok := h.root(i); !ok || root != (federation.Digest{byte(i)}) {
			t.Fatalf("mark %d: got %v, %t", i, root, ok)
		}
	}
	if len(h.marks) > 2*historyMarks {
		t.Errorf("%d marks kept", len(h.marks))
	}
}

func TestForkKeepsTheFirstDifference(t *testing.T) {
	h := history{marks: []Mark{{Index: 1}, {Index: 2}, {Index: 3}}}
	now := time.Now()
	f := h.judge(nodeID(2), nil, []Mark{{Index: 2, Root: federation.Digest{1}}, {Index: 3, Root: federation.Digest{2}}}, now)
	if f == nil || f.Index != 2 {
		t.Fatalf("got %+v, want a fork at 2", f)
	}
	if got := h.judge(nodeID(2), f, []Mark{{Index: 1}}, now); got != f {
		t.Errorf("a root from before the fork ended it: %+v", got)
	}
	if got := h.judge(nodeID(2), f, []Mark{{Index: 3}}, now); got != nil {
		t.Errorf("the same root after the fork: got %+v, want none", got)
	}
}

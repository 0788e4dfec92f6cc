package node

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/node/web"
)

// countedReader is a file that comes, and how much of it was taken.
type countedReader struct {
	from io.Reader
	took int
}

func (r *countedReader) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.took += n
	return n, err
}

func TestFullDiskTakesNothingOfAnUpload(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 38)
	n := startNode(t, func(o *Options) {
		o.Statfs = func(string) (uint64, uint64, error) { return 1 << 40, free.Load(), nil }
	})
	letter := strings.Repeat("a letter about nobody\n", 400_000) // several batches
	for _, c := range []struct {
		name string
		free uint64
		size int64
		code admin.Code
	}{
		{"larger than what is free", 1 << 38, 1 << 39, admin.CodeDiskFull},
		{"of unknown size, on a disk that is nearly full", 1 << 30, 0, admin.CodeDiskFull},
		{"with room", 1 << 38, int64(len(letter)), ""},
	} {
		free.Store(c.free)
		content := &countedReader{from: strings.NewReader(letter)}
		_, err := n.TakeUpload(t.Context(), &web.Upload{
			Form: web.Particulars{Patient: "9434765919", Type: "373942005", Title: "Letter", Date: "2026-03-01", Confidentiality: "N", Author: "Dr A"},
			Name: "letter.txt", Size: c.size, By: &admin.Asker{User: "s.lindqvist", Role: "records-staff", Purpose: "PATADMIN"},
		}, content)
		if c.code == "" {
			if err != nil || content.took != len(letter) {
				t.Errorf("%s: %d bytes were taken, %v", c.name, content.took, err)
			}
			continue
		}
		if admin.CodeOf(err) != c.code || !strings.Contains(err.Error(), "make room") || content.took != 0 {
			t.Errorf("%s: %d bytes were taken, %v", c.name, content.took, err)
		}
	}
}

func TestFullDiskSaysWhatWasNotDone(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1 << 39)
	n := startNode(t, func(o *Options) {
		o.Statfs = func(string) (uint64, uint64, error) { return 1 << 40, free.Load(), nil }
	})
	receipt, err := n.Take(t.Context(), textItem("Discharge summary", "a letter"))
	if err != nil {
		t.Fatal(err)
	}
	withdrawn, err := n.Take(t.Context(), textItem("Discharge summary", "another letter"))
	if err != nil {
		t.Fatal(err)
	}
	by := &admin.Asker{User: "records-desk", Role: "records-staff", Purpose: "PATADMIN"}
	if _, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: string(withdrawn.Document), Reason: "wrong patient", By: by}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: "9434765870"}); err != nil {
		t.Fatal(err)
	}
	free.Store(1 << 20)
	id, gone := string(receipt.Document), string(withdrawn.Document)
	fetch := func(q *admin.FetchRequest) error {
		q.Document = id
		return n.Fetch(t.Context(), q, func(*admin.FetchReply) error { return nil })
	}
	withdraw := func(id string, undo bool) error {
		_, err := n.Withdraw(t.Context(), &admin.WithdrawRequest{Document: id, Reason: "r", Undo: undo, By: by})
		return err
	}
	object := func(patient string, withdraw bool) error {
		_, err := n.Object(t.Context(), &admin.ObjectRequest{Patient: patient, Withdraw: withdraw})
		return err
	}
	_, locate := n.Locate(t.Context(), &admin.LocateRequest{Patient: "9434765919"})
	_, erase := n.Erase(t.Context(), &admin.EraseRequest{Document: gone, Reason: "r", By: &admin.Asker{User: "ig", Role: "governance-lead"}})
	for says, err := range map[string]error{
		id + " was not fetched: ":              fetch(&admin.FetchRequest{}),
		id + " was not withdrawn: ":            withdraw(id, false),
		gone + " was not shared again: ":       withdraw(gone, true),
		gone + " was not erased: ":             erase,
		"the objection was not recorded: ":     object("9434765919", false),
		"the objection was not withdrawn: ":    object("9434765870", true),
		"no search was made: nothing is done ": locate,
	} {
		text := ""
		if err != nil {
			text = err.Error()
		}
		for _, want := range []string{"too little space is free on the volume of RYJ's data folder " + n.options.Data, "1 MiB of 1048576 MiB", "Nothing was lost; make room and run it again"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s%v: want %q", says, err, want)
			}
		}
		if admin.CodeOf(err) != admin.CodeDiskFull || !strings.HasPrefix(text, says) {
			t.Errorf("got %q (%s), want %q first", text, admin.CodeOf(err), says)
		}
	}
	free.Store(1 << 39)
	eventually(t, "a fetch once there is room", func() bool { return fetch(&admin.FetchRequest{}) == nil })
}

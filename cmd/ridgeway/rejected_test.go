package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// What the region refused and what was damaged here are told apart: only the first is for the region to judge again.
func TestWhatWasSetAsideIsNotCalledRefused(t *testing.T) {
	t.Parallel()
	reply := &admin.RejectedReply{Total: 2, Rejections: []*admin.Rejection{
		{Id: "1a", Kind: "publish", Document: "RYJ-1", Reason: "not of this trust", Effect: "other trusts do not find the document"},
		{Id: "2b", Kind: "directive", Reason: "the entry is damaged", Effect: "the region has not been told of it", SetAside: true},
	}}
	var out bytes.Buffer
	a := &app{terminal: terminal{out: &out}, data: "d1"}
	if err := a.showRejected(reply); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1a  publish RYJ-1\n  refused by the region: not of this trust\n", "2b  directive \n  set aside here: the entry is damaged\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
	out.Reset()
	a.json = true
	if err := a.showRejected(reply); err != nil || strings.Count(out.String(), `"set_aside": true`) != 1 {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

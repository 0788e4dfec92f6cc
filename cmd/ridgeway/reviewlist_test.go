package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// A review of what a whole trust did names no user.
func TestReviewOfAWholeTrustNamesTheTrust(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{terminal: terminal{out: &out}, data: "d1"}
	if err := a.showReviews([]*admin.Review{{Id: "R1K-1", Kind: "trust_quota", Trust: "RAS"}, {Id: "R1K-2", Kind: "user_quota", Trust: "RYJ", User: "one"}}, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  all users of RAS, ", "\n  one of RYJ, "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, out.String())
		}
	}
}

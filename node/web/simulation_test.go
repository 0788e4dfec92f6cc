package web

import (
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// A look at the list of documents is a request for none of them, and has no type.
func TestExamplesSayTheListInWords(t *testing.T) {
	p := newRig(t).portal
	of := func(kind string) string {
		return p.exampleWords(&admin.ImpactExample{Action: "see", Role: "doctor", Trust: "RAS", Type: kind, Confidentiality: "N"})
	}
	if got := of("none"); strings.Contains(got, "none") || !strings.Contains(got, "(Normal)") {
		t.Errorf("a look at the list reads %q", got)
	}
	if got := of("373942005"); !strings.Contains(got, "Discharge summary") {
		t.Errorf("a look at a summary reads %q", got)
	}
	if got := countedType("none"); strings.Contains(got, "none") {
		t.Errorf("it is counted as %q", got)
	}
}

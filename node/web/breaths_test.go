package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/ridgeway-exchange/ridgeway/policy"
)

// TestWhatAChoiceMeansIsReadInBreaths: nothing is left out, and what it risks stands by itself, as does what an emergency is.
func TestWhatAChoiceMeansIsReadInBreaths(t *testing.T) {
	said := "No nurse may see your records. This stays until you change it."
	got := breaths(said + " " + policy.Risk)
	if len(got) != 3 || got[0] != said || !strings.HasPrefix(got[1], "Staff who treat you") || !strings.HasPrefix(got[2], "In an emergency ") || strings.Join(got, " ") != said+" "+policy.Risk {
		t.Errorf("%q", got)
	}
	if got := breaths("You take it back.\nIt no longer counts."); !slices.Equal(got, []string{"You take it back.", "It no longer counts."}) {
		t.Errorf("%q", got)
	}
}

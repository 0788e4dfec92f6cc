package tour

import (
	"fmt"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// Members returns the first n trusts of the demonstration. The first four are acute trusts of North West London by their ODS
// codes; the others are invented and say so. Their records are invented all the same.
func Members(n int) []testnet.Member {
	known := []testnet.Member{
		{Trust: "RYJ", Name: "Imperial College Healthcare"},
		{Trust: "RAS", Name: "The Hillingdon Hospitals"},
		{Trust: "R1K", Name: "London North West University Healthcare"},
		{Trust: "RQM", Name: "Chelsea and Westminster Hospital"},
	}
	for i := len(known); i < n; i++ {
		known = append(known, testnet.Member{Trust: federation.TrustID(fmt.Sprintf("X%02d", i+1)), Name: fmt.Sprintf("Synthetic trust %d", i+1)})
	}
	return known[:n]
}

// short is what a trust is called in a sentence.
func short(id federation.TrustID, name string) string {
	switch id {
	case "RYJ":
		return "Imperial"
	case "RAS":
		return "Hillingdon"
	case "R1K":
		return "London North West"
	case "RQM":
		return "Chelsea and Westminster"
	default:
		return name
	}
}

// listed is how many trusts are told by name.
const listed = 6

// tellMembers says who takes part.
func (t *Tour) tellMembers() {
	for i, m := range t.o.Region.Members {
		if i == listed && len(t.o.Region.Members) > listed+1 {
			t.o.Tell(fmt.Sprintf("    ... and %d more, all synthetic", len(t.o.Region.Members)-listed))
			return
		}
		t.o.Tell(fmt.Sprintf("    %-4s %s", m.Trust, m.Name))
	}
}

// name is what a trust is called in a sentence.
func (t *Tour) name(id federation.TrustID) string {
	for _, m := range t.o.Region.Members {
		if m.Trust == id {
			return short(id, m.Name)
		}
	}
	return string(id)
}

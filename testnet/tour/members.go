package tour

import (
	"fmt"
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
	"github.com/ridgeway-exchange/ridgeway/testnet"
)

// Members returns the first n trusts of the demonstration. The first four are acute trusts of North West London by their ODS
// codes; the others are invented and say so.
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

// wrap breaks text into lines of at most n characters.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > n {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

package web

import "strings"

const (
	diffContext = 3
	// diffCells bounds the work of a comparison. Texts that differ over more are shown as one taken out and one put in.
	diffCells = 4 << 20
)

// diffLine is a line of a comparison.
type diffLine struct {
	Kind     string // same, out, in, gap
	Old, New int    // numbers of the line, 0 where it is not in the text
	Text     string
}

// Mark is the sign before the line, for those who do not see colours.
func (d diffLine) Mark() string {
	switch d.Kind {
	case "out":
		return "-"
	case "in":
		return "+"
	default:
		return ""
	}
}

// Says is the same in words.
func (d diffLine) Says() string {
	switch d.Kind {
	case "out":
		return "Taken out"
	case "in":
		return "Put in"
	default:
		return ""
	}
}

// diffOf compares two texts line by line, and keeps a few lines around each difference.
func diffOf(a, b string) []diffLine {
	all := diffAll(splitLines(a), splitLines(b))
	var out []diffLine
	skipped := false
	for i, l := range all {
		near := false
		for j := max(0, i-diffContext); j <= min(len(all)-1, i+diffContext) && !near; j++ {
			near = all[j].Kind != "same"
		}
		if !near {
			skipped = true
			continue
		}
		if skipped {
			out = append(out, diffLine{Kind: "gap"})
			skipped = false
		}
		out = append(out, l)
	}
	if skipped && len(out) > 0 {
		out = append(out, diffLine{Kind: "gap"})
	}
	return out
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
}

// diffAll returns all lines of both texts: what is common at both ends, and between them a longest common subsequence.
func diffAll(a, b []string) []diffLine {
	var out []diffLine
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		out = append(out, diffLine{"same", head + 1, head + 1, a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out = append(out, diffMiddle(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := tail; i > 0; i-- {
		out = append(out, diffLine{"same", len(a) - i + 1, len(b) - i + 1, a[len(a)-i]})
	}
	return out
}

func diffMiddle(a, b []string, from int) []diffLine {
	width := len(b) + 1
	var table []int32 // length of the longest common subsequence of what is left, by places in a and b
	if (len(a)+1)*width <= diffCells {
		table = make([]int32, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					table[i*width+j] = table[(i+1)*width+j+1] + 1
				} else {
					table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
				}
			}
		}
	}
	var out []diffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case table != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, diffLine{"same", from + i + 1, from + j + 1, a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || table == nil || table[(i+1)*width+j] >= table[i*width+j+1]):
			out = append(out, diffLine{"out", from + i + 1, 0, a[i]})
			i++
		default:
			out = append(out, diffLine{"in", 0, from + j + 1, b[j]})
			j++
		}
	}
	return out
}

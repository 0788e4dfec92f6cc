package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// screenWidth is how many columns the text for people takes at most.
const screenWidth = 80

// onTerminal reports whether w is a terminal that can redraw a line.
func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// visible takes out of a text what would steer a terminal or turn the order of what stands beside it: titles and names come from
// other trusts.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		case unicode.Is(unicode.Cf, r):
			return -1
		default:
			return r
		}
	}, text)
}

// line prints text for people: wrapped on a terminal, and otherwise as it is, so that what is searched for stays in one line.
func line(w io.Writer, text string) {
	text = visible(text)
	if onTerminal(w) {
		text = wrap(text, screenWidth)
	}
	fmt.Fprintln(w, text)
}

// wrap breaks lines at spaces so that they fit width, and goes on with the indentation that the line began with. A word that
// is longer than a line, such as an invitation, stays whole: it is there to be copied.
func wrap(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if utf8.RuneCountInString(l) <= width {
			continue
		}
		indent := l[:len(l)-len(strings.TrimLeft(l, " "))]
		var b strings.Builder
		column := 0
		for _, word := range strings.Fields(l) {
			n := utf8.RuneCountInString(word)
			switch {
			case column == 0:
				b.WriteString(indent)
				column = len(indent)
			case column+1+n > width:
				b.WriteString("\n" + indent)
				column = len(indent)
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}

// minFlexible is how far the flexible column of a table is clipped at most.
const minFlexible = 8

// tableWidth is how wide a table may be: as wide as the terminal, and at least 80 columns. What is no terminal, such as a
// pipe, has no width, and nothing is cut off.
func tableWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return math.MaxInt
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return screenWidth
	}
	return max(columns, screenWidth)
}

// table prints rows, the first of them the header. The column flexible is clipped so that all fits the screen.
func table(w io.Writer, flexible int, rows [][]string) { tabulate(w, tableWidth(w), flexible, rows) }

func tabulate(w io.Writer, width, flexible int, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			cell = strings.NewReplacer("\n", " ", "\t", " ").Replace(visible(cell)) // a cell that had lines would look like rows
			row[i] = cell
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := 2 * (len(widths) - 1)
	for _, n := range widths {
		total += n
	}
	if total > width {
		widths[flexible] = max(widths[flexible]-(total-width), min(minFlexible, widths[flexible]))
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = clip(cell, widths[i])
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// clip shortens text to n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

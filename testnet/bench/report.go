package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// report is the result of a run.
type report struct {
	Machine machine   `json:"machine"`
	Date    time.Time `json:"date"`
	Runs    int       `json:"runs"`
	Quick   bool      `json:"quick,omitempty"`
	Rows    []row     `json:"rows"`
	Region  []string  `json:"region,omitempty"`
}

// row is one line of the table. Figures are medians.
type row struct {
	Bench     string  `json:"bench"`
	Operation string  `json:"operation"`
	Ours      float64 `json:"ours,omitempty"`
	Unit      string  `json:"unit,omitempty"`
	Peer      string  `json:"peer,omitempty"` // its name
	Theirs    float64 `json:"theirs,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"` // how many times better than the peer: above 1 is better, whatever the unit
	Wanted    string  `json:"wanted,omitempty"`
	Reached   string  `json:"reached,omitempty"` // yes, no, or empty where there is nothing to reach
	Note      string  `json:"note,omitempty"`
	Samples   series  `json:"samples,omitempty"`
	TheirRuns series  `json:"peer_samples,omitempty"`
}

// series is what was measured, one figure a run.
type series []float64

// median returns the middle figure; NaN of none.
func (s series) median() float64 { return s.quantile(0.5) }

func (s series) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	if q == 0.5 && len(sorted)%2 == 0 {
		return (sorted[len(sorted)/2-1] + sorted[len(sorted)/2]) / 2
	}
	return sorted[min(int(math.Ceil(q*float64(len(sorted))))-1, len(sorted)-1)]
}

// compared fills in what two series say. smaller says that less is better, as of times.
func (r row) compared(mine, theirs series, peer string, smaller bool) row {
	r.Samples, r.TheirRuns = mine, theirs
	r.Ours = mine.median()
	if len(theirs) == 0 {
		return r
	}
	r.Peer, r.Theirs = peer, theirs.median()
	if r.Ratio = r.Ours / r.Theirs; smaller {
		r.Ratio = r.Theirs / r.Ours
	}
	return r
}

// judged says whether the goal is reached.
func (r row) judged(wanted string, reached bool) row {
	r.Wanted, r.Reached = wanted, "no"
	if reached {
		r.Reached = "yes"
	}
	return r
}

// unjudged has a goal that cannot be told without its peer.
func (r row) unjudged(wanted string) row {
	r.Wanted = wanted
	return r
}

// atLeast judges by ratio, where there is a peer, and by an absolute floor of ours (0: none).
func (r row) atLeast(ratio, floor float64, wanted string) row {
	switch {
	case floor > 0 && r.Ours < floor:
		return r.judged(wanted, false)
	case r.Theirs == 0:
		return r.unjudged(wanted)
	default:
		return r.judged(wanted, r.Ratio >= ratio)
	}
}

func (r row) noted(format string, args ...any) row {
	text := fmt.Sprintf(format, args...)
	if r.Note != "" && text != "" {
		text = r.Note + "; " + text
	}
	if text != "" {
		r.Note = text
	}
	return r
}

// figure writes a figure with three digits that count.
func figure(v float64, unit string) string {
	if v == 0 || math.IsNaN(v) {
		return ""
	}
	text := ""
	switch {
	case math.Abs(v) >= 1000:
		text = thousands(int64(math.Round(v)))
	case math.Abs(v) >= 100:
		text = fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		text = fmt.Sprintf("%.1f", v)
	default:
		text = fmt.Sprintf("%.2f", v)
	}
	return strings.TrimSpace(text + " " + unit)
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (r row) cells() []string {
	peer := ""
	if r.Theirs != 0 {
		peer = r.Peer + " " + figure(r.Theirs, r.Unit)
	}
	ratio := ""
	if r.Ratio != 0 {
		ratio = figure(r.Ratio, "x")
	}
	return []string{r.Operation, figure(r.Ours, r.Unit), peer, ratio, r.Wanted, r.Reached, r.Note}
}

func (r row) line() string {
	return strings.Join(slices.DeleteFunc(r.cells(), func(s string) bool { return s == "" }), " | ")
}

// print writes the table.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r.clean())
	}
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured %s, %s, Linux %s, %d cores of %s, %s of memory, %s on %s: fdatasync %s, write and sync %s; load %s at the start, %s of the processors taken by the host. Medians of %d interleaved runs.\n",
		r.Date.Format("2 January 2006 15:04 MST"), m.Go, m.Kernel, m.Cores, m.CPU, m.Memory, "data", m.Folder, m.Sync, m.Write, m.Load, m.Stolen, r.Runs)
	if r.Quick {
		b.WriteString("\n**A quick run: it shows that the benchmarks work, and nothing else.**\n")
	}
	b.WriteString("\n| operation | ours | peer | ratio | wanted | reached | how |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range r.Rows {
		cells := row.cells()
		for i, c := range cells {
			cells[i] = strings.NewReplacer("|", "/", "\n", " ").Replace(c)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	if len(r.Region) > 0 {
		b.WriteString("\nA whole region, by the figures above:\n\n")
		for _, line := range r.Region {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// clean leaves out what JSON has no word for.
func (r *report) clean() *report {
	for i := range r.Rows {
		for _, v := range []*float64{&r.Rows[i].Ours, &r.Rows[i].Theirs, &r.Rows[i].Ratio} {
			if math.IsNaN(*v) || math.IsInf(*v, 0) {
				*v = 0
			}
		}
	}
	return r
}

func (r *report) save(path string) error {
	b, err := json.MarshalIndent(r.clean(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// ours returns the figure of the row with this operation; 0 when it was not measured.
func (r *report) ours(operation string) float64 {
	for _, row := range r.Rows {
		if row.Operation == operation && !math.IsNaN(row.Ours) {
			return row.Ours
		}
	}
	return 0
}

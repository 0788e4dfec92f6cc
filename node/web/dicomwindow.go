package web

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	maxPresets = 8
	maxWindow  = 1e6 // and width: of what values mean, whatever their unit
)

// window is which values become shades of gray: width of them about a level, the rest is black or white. Width 0 is what the file says.
type window struct{ level, width float64 }

// preset is a window under a name.
type preset struct {
	name string
	at   window
}

// presets are the windows that the file offers, and for computed tomography, whose values mean the same everywhere, those in use.
func (e *elements) presets() []preset {
	levels, widths, names := e.words(tagWindowCentre), e.words(tagWindowWidth), e.words(tagWindowNames)
	var out []preset
	for i := range min(len(levels), len(widths), maxPresets) {
		level, ok := decimal(levels[i])
		width, known := decimal(widths[i])
		if w := (window{level, width}); ok && known && w.fault() == "" {
			out = append(out, preset{"Window " + strconv.Itoa(i+1), w})
			if i < len(names) && printable(names[i]) != "" {
				out[len(out)-1].name = printable(names[i])
			}
		}
	}
	if e.word(tagModality) != "CT" || e.values[tagSlope] == nil {
		return out
	}
	for _, p := range []preset{{"Soft tissue", window{40, 400}}, {"Lung", window{-600, 1500}}, {"Bone", window{300, 1500}}, {"Brain", window{40, 80}}} {
		if !slices.ContainsFunc(out, func(other preset) bool { return other.at == p.at }) {
			out = append(out, p)
		}
	}
	return out
}

// printable is a name from a file as it may stand on a button.
func printable(name string) string {
	name = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, name)), " ")
	return clip(name, 30)
}

// fault says what is wrong with a window that somebody wants; empty when nothing is.
func (w window) fault() string {
	switch {
	case math.IsNaN(w.level) || math.Abs(w.level) > maxWindow:
		return "Enter a level from -1,000,000 to 1,000,000, for example 40."
	case !(w.width >= 1 && w.width <= maxWindow): // nor is NaN
		return "Enter a width from 1 to 1,000,000, for example 400."
	default:
		return ""
	}
}

// String is the window as two numbers with a space between.
func (w window) String() string { return shortNumber(w.level) + " " + shortNumber(w.width) }

func shortNumber(n float64) string {
	return strconv.FormatFloat(math.Round(n*100)/100+0, 'f', -1, 64)
}

// windowOf reads out of an address through which window an image is wanted, and what is wrong with that.
func windowOf(r *http.Request, pane string) (w window, fault string) {
	q := r.URL.Query()
	level, width := strings.TrimSpace(q.Get("level"+pane)), strings.TrimSpace(q.Get("width"+pane))
	if level == "" && width == "" {
		return window{}, ""
	}
	read := func(text string) float64 {
		if n, ok := decimal(text); ok {
			return math.Round(n*100) / 100 // as it is written into addresses
		}
		return math.NaN()
	}
	w = window{read(level), read(width)}
	if fault = w.fault(); fault != "" {
		return window{}, fault
	}
	return w, ""
}

// windowing is what the page of an image offers for its window.
type windowing struct {
	Level, Width string
	Fault        string
	Own          string // address of the image through the file's own
	Chosen       bool   // another than the file's own
	Presets      []presetLink
}

type presetLink struct {
	Name, Level, Width, Path string
	Current                  bool
}

// windowing is what can be changed of how a file is seen; nil where that is nothing. Of a window that is not known until the image has
// come, the fields are empty.
func (o *opening) windowing(pic picture) *windowing {
	if o.r == nil || !o.r.gray() {
		return nil
	}
	out := &windowing{Fault: o.x.windowFault, Chosen: o.x.window.width > 0}
	w := pic.window
	switch {
	case w.width > 0:
	case out.Chosen:
		w = o.x.window
	default:
		w = o.r.how(o.x.page).window
	}
	if w.width > 0 {
		out.Level, out.Width = shortNumber(w.level), shortNumber(w.width)
	}
	for _, p := range o.r.presets {
		out.Presets = append(out.Presets, presetLink{Name: p.name, Level: shortNumber(p.at.level), Width: shortNumber(p.at.width), Current: out.Chosen && p.at.String() == o.x.window.String()})
	}
	return out
}

// chosen is the window that the reader has set, if it is another than the file's own.
func (d *documentPage) chosen() (level, width string) {
	if d.Window == nil || !d.Window.Chosen {
		return "", ""
	}
	return d.Window.Level, d.Window.Width
}

// windowed puts the window that was chosen into an address.
func (d *documentPage) windowed(q url.Values, level, width string) url.Values {
	if width != "" {
		q.Set("level"+d.Pane, level)
		q.Set("width"+d.Pane, width)
	}
	return q
}

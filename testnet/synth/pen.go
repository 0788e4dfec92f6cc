package synth

import (
	"image"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// face is one of the type faces of scanned pages.
type face int

const (
	roman face = iota
	bold
	typewriter
	large
	italic
	faces // how many there are
)

// glyph is a letter as the scanner saw it, at most 64 pixels wide.
type glyph struct {
	left, top, advance int
	rows               []uint64
}

// press draws pages: it holds the type faces and the letters drawn so far, for drawing a letter from its outline costs fifty times
// as much as stamping it. A press is for one goroutine.
type press struct {
	faces  [faces]font.Face
	glyphs map[glyphKey]*glyph
	*dice
}

type glyphKey struct {
	face face
	r    rune
	wear int // which of the worn copies of the letter
}

const wears = 3

func newPress(d *dice) *press {
	p := &press{glyphs: map[glyphKey]*glyph{}, dice: d}
	for i, f := range [faces]struct {
		ttf  []byte
		size float64
	}{{goregular.TTF, 10.5}, {gobold.TTF, 10.5}, {gomono.TTF, 10}, {gobold.TTF, 17}, {goitalic.TTF, 12}} {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			panic("a font that is compiled in cannot be read: " + err.Error())
		}
		p.faces[i], err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: dpi, Hinting: font.HintingNone})
		if err != nil {
			panic("a font that is compiled in cannot be sized: " + err.Error())
		}
	}
	return p
}

// glyph returns a worn copy of a letter: grey edge pixels fall to black or white by the copy.
func (p *press) glyph(f face, r rune) *glyph {
	key := glyphKey{f, r, p.n(wears)}
	if g := p.glyphs[key]; g != nil {
		return g
	}
	bounds, mask, at, advance, ok := p.faces[f].Glyph(fixed.Point26_6{}, r)
	g := &glyph{advance: advance.Round()}
	if ok && !bounds.Empty() && bounds.Dx() <= 64 {
		g.left, g.top = bounds.Min.X, bounds.Min.Y
		edge := newDice(uint64(r), "wear", uint64(f), uint64(key.wear)) // apart from the page's dice: the cache must not change them
		alpha, _ := mask.(*image.Alpha)
		for y := range bounds.Dy() {
			var row uint64
			for x := range bounds.Dx() {
				if int(alpha.AlphaAt(at.X+x, at.Y+y).A) > 92+edge.n(72) {
					row |= 1 << (63 - x)
				}
			}
			g.rows = append(g.rows, row)
		}
	}
	p.glyphs[key] = g
	return g
}

// paper is a page being written; skew is how far it lay askew on the glass, in pixels per 1,024.
type paper struct {
	*bitmap
	*press
	skew int
}

// text sets a line with its baseline at y and returns where it ended.
func (g *paper) text(f face, x, y int, s string) int {
	for _, r := range s {
		letter := g.glyph(f, r)
		sx, sy := g.place(x, y)
		for i, row := range letter.rows {
			g.or(sx+letter.left, sy+letter.top+i, row)
		}
		x += letter.advance
	}
	return x
}

// place turns a position on the paper into one on the glass.
func (g *paper) place(x, y int) (int, int) {
	return x - (y*g.skew)>>10, y + (x*g.skew)>>10
}

// dot is the mark of a round pen of radius r.
func (g *paper) dot(x, y, r int) {
	x, y = g.place(x, y)
	for dy := -r; dy <= r; dy++ {
		half := r
		for ; half*half+dy*dy > r*r+r/2; half-- {
		}
		g.run(x-half, x+half+1, y+dy)
	}
}

// rule draws a straight line.
func (g *paper) rule(x1, y1, x2, y2, r int) {
	steps := max(abs(x2-x1), abs(y2-y1), 1)
	for i := 0; i <= steps; i += max(r, 1) {
		g.dot(x1+(x2-x1)*i/steps, y1+(y2-y1)*i/steps, r)
	}
}

func (g *paper) frame(x, y, w, h, r int) {
	g.rule(x, y, x+w, y, r)
	g.rule(x, y+h, x+w, y+h, r)
	g.rule(x, y, x, y+h, r)
	g.rule(x+w, y, x+w, y+h, r)
}

// curve draws a quadratic Bézier stroke in whole numbers.
func (g *paper) curve(a, b, c image.Point, r int) {
	n := max(abs(c.X-a.X)+abs(c.Y-a.Y)+abs(b.X-a.X)+abs(b.Y-a.Y), 4)
	for t := 0; t <= n; t++ {
		u := n - t
		g.dot((u*u*a.X+2*u*t*b.X+t*t*c.X)/(n*n), (u*u*a.Y+2*u*t*b.Y+t*t*c.Y)/(n*n), r)
	}
}

// scrawl writes a line by hand: words of joined strokes, with ascenders, descenders and a tired baseline.
func (g *paper) scrawl(x, y, end, height int) {
	for x < end-60 {
		letters := g.between(2, 9)
		at := image.Pt(x, y)
		for range letters {
			step := g.between(height*2/5, height*3/4)
			rise := height * g.between(55, 100) / 100
			if g.chance(22) {
				rise = height * g.between(150, 190) / 100
			}
			top := image.Pt(at.X+step/3+g.n(4), y-rise)
			foot := image.Pt(at.X+step, y+g.between(-3, 3))
			if g.chance(14) {
				foot.Y += height * 3 / 4
			}
			g.curve(at, image.Pt(at.X+step/4, y-rise*5/4), top, 1)
			g.curve(top, image.Pt(top.X-step/5, y+height/6), foot, 1)
			if g.chance(30) { // a loop
				g.curve(foot, image.Pt(foot.X+step/2, y-rise), image.Pt(foot.X-step/3, y-rise/2), 1)
			}
			at = image.Pt(foot.X, y+g.between(-2, 2))
			if at.X > end {
				break
			}
		}
		if g.chance(12) {
			g.dot(at.X+2, y-height*3/2, 2)
		}
		x = at.X + g.between(height/2, height)
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

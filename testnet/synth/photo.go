package synth

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

const (
	photoWidth  = 1600
	photoHeight = 1200
)

// photograph is a wound on skin, with a ruler and a label, as medical photographers take it.
func photograph(p Patient, s *sheet) []byte {
	img := image.NewRGBA(image.Rect(0, 0, photoWidth, photoHeight))
	tone := pick(s.dice, [][3]int{{232, 190, 172}, {198, 146, 118}, {141, 94, 66}, {92, 60, 44}})
	w := wound{cx: s.between(600, 1000), cy: s.between(480, 720), rx: s.between(170, 330), ry: s.between(110, 210)}
	blotch := make([]int, 41*31) // lightness on a coarse net, smoothed between its points
	for i := range blotch {
		blotch[i] = s.between(-14, 14)
	}
	for y := range photoHeight {
		for x := range photoWidth {
			light := 256 - ((x-700)*(x-700)+(y-500)*(y-500))/16000 // darker to the corners
			c := tone
			uneven := mesh(blotch, x, y)
			if t := w.depth(x, y) + 9*uneven; t > 0 && w.depth(x, y) > -400 {
				c = w.colour(tone, min(t, 256))
			}
			grain := int(s.next()>>60) - 8
			light += uneven
			o := img.PixOffset(x, y)
			for i := range 3 {
				img.Pix[o+i] = uint8(min(max(c[i]*light/256+grain, 0), 255))
			}
			img.Pix[o+3] = 255
		}
	}
	ruler(img, s)
	caption(img, 40, photoHeight-36, 40, color.White, "SYNTHETIC   NHS "+p.SpacedNumber()+"   "+shortDate(s.doc.Date))
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 82}); err != nil {
		panic("a picture in memory cannot be encoded: " + err.Error())
	}
	return withJPEGComment(b.Bytes(), notice)
}

// wound is an ellipse whose edge the skin's unevenness breaks up.
type wound struct{ cx, cy, rx, ry int }

// depth is at most 0 outside and up to 256 in the middle.
func (w *wound) depth(x, y int) int {
	dx, dy := (x-w.cx)*256/w.rx, (y-w.cy)*256/w.ry
	return 256 - (dx*dx+dy*dy)/256
}

// colour goes from the reddened edge over slough to granulation.
func (w *wound) colour(skin [3]int, depth int) [3]int {
	mix := func(a, b [3]int, t int) (c [3]int) {
		for i := range c {
			c[i] = a[i] + (b[i]-a[i])*t/256
		}
		return c
	}
	red, slough, deep := [3]int{188, 74, 66}, [3]int{206, 178, 110}, [3]int{138, 28, 32}
	switch {
	case depth < 60:
		return mix(skin, red, depth*256/60)
	case depth < 110:
		return mix(red, slough, (depth-60)*256/50)
	default:
		return mix(slough, deep, min((depth-110)*256/70, 256))
	}
}

// mesh reads a net of 41 by 31 points spread over the picture, 40 pixels apart.
func mesh(net []int, x, y int) int {
	i, j, fx, fy := x/40, y/40, x%40, y%40
	at := func(i, j int) int { return net[min(j, 30)*41+min(i, 40)] }
	top := at(i, j)*(40-fx) + at(i+1, j)*fx
	bottom := at(i, j+1)*(40-fx) + at(i+1, j+1)*fx
	return (top*(40-fy) + bottom*fy) / 1600
}

func ruler(img *image.RGBA, s *sheet) {
	x, y := 220+s.n(300), 60+s.n(60)
	white, black := image.NewUniform(color.White), image.NewUniform(color.Black)
	draw.Draw(img, image.Rect(x, y, x+900, y+90), white, image.Point{}, draw.Src)
	for mm := range 101 {
		length := 18
		if mm%10 == 0 {
			length = 44
		}
		draw.Draw(img, image.Rect(x+mm*88/10+8, y, x+mm*88/10+10, y+length), black, image.Point{}, draw.Src)
	}
	caption(img, x+20, y+82, 26, color.Black, "0      cm      "+s.hospital)
}

// caption writes a line of text; size is in pixels.
func caption(img draw.Image, x, y, size int, c color.Color, text string) {
	parsed, err := opentype.Parse(gobold.TTF)
	if err != nil {
		panic("a font that is compiled in cannot be read: " + err.Error())
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("a font that is compiled in cannot be sized: " + err.Error())
	}
	d := font.Drawer{Dst: img, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// withJPEGComment puts a comment segment behind the start of the image.
func withJPEGComment(b []byte, text string) []byte {
	out := append([]byte{}, b[:2]...)
	out = append(out, 0xff, 0xfe)
	out = binary.BigEndian.AppendUint16(out, uint16(len(text)+2))
	return append(append(out, text...), b[2:]...)
}

// withPNGText puts a text chunk behind the header chunk.
func withPNGText(b []byte, text string) []byte {
	const header = 8 + 25
	chunk := append([]byte("tEXtComment\x00"), text...)
	out := append([]byte{}, b[:header]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, b[header:]...)
}

// chart is a printed observation chart with a course over four weeks.
func chart(p Patient, s *sheet) []byte {
	const width, height, left, top, bottom, step = 1200, 800, 110, 150, 700, 36
	palette := color.Palette{color.White, color.Black, color.RGBA{0, 94, 184, 255}, color.RGBA{216, 221, 224, 255}, color.RGBA{212, 53, 28, 255}, color.RGBA{255, 235, 200, 255}}
	img := image.NewPaletted(image.Rect(0, 0, width, height), palette)
	fill := func(r image.Rectangle, c int) {
		draw.Draw(img, r, image.NewUniform(palette[c]), image.Point{}, draw.Src)
	}
	fill(image.Rect(left, 560, width-60, bottom), 5)
	for y := top; y <= bottom; y += 55 {
		fill(image.Rect(left, y, width-60, y+1), 3)
		caption(img, left-62, y+6, 16, palette[1], []string{"220", "200", "180", "160", "140", "120", "100", "80", "60", "40", "20"}[(y-top)/55])
	}
	fill(image.Rect(left-2, top, left, bottom), 1)
	fill(image.Rect(left-2, bottom, width-60, bottom+2), 1)
	for series, c := range []int{2, 4} {
		level := s.between(260, 420) + series*120
		for day := range 28 {
			after := min(max(level+s.between(-38, 38), top+10), bottom-10)
			for i := range step {
				y := level + (after-level)*i/step
				fill(image.Rect(left+day*step+i, y-1, left+day*step+i+2, y+2), c)
			}
			fill(image.Rect(left+day*step-4, level-4, left+day*step+5, level+5), c)
			level = after
		}
	}
	caption(img, left, 52, 26, palette[1], "Observations: "+p.Name())
	caption(img, left, 86, 18, palette[1], "NHS "+p.SpacedNumber()+"   from "+longDate(s.doc.Date.AddDate(0, 0, -28))+" to "+longDate(s.doc.Date))
	caption(img, left, 118, 18, palette[2], "Systolic blood pressure (mmHg)")
	caption(img, left+380, 118, 18, palette[4], "Pulse (per minute)")
	caption(img, left, height-36, 22, palette[4], notice)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic("a picture in memory cannot be encoded: " + err.Error())
	}
	return withPNGText(b.Bytes(), notice)
}

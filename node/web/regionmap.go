package web

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The picture's own measure; the browser scales it.
const (
	mapWidth, mapHeight = 480, 330
	mapRX, mapRY        = 176, 112
	manyNodes           = 14 // from which on nodes are drawn small, and without words
)

// regionMap is a picture of the region: its nodes on a ring, joined to the leader.
type regionMap struct {
	Width, Height int
	Says          string // what the picture shows, for who does not see it
	Small         bool
	Lines         []mapLine
	Dots          []mapDot
}

type mapLine struct {
	X1, Y1, X2, Y2 int
	Down           bool
}

type mapDot struct {
	X, Y, R             int
	TextY               int
	Code, State, Class  string
	Leader, Own, Square bool // a square is one that does not answer: shape says so as well as colour
}

// mapOf draws the nodes in their order, so that each stays at its place.
func mapOf(sites []regionSite) regionMap {
	m := regionMap{Width: mapWidth, Height: mapHeight, Small: len(sites) > manyNodes}
	leader := -1
	up := 0
	for i, s := range sites {
		angle := 2*math.Pi*float64(i)/float64(len(sites)) - math.Pi/2
		d := mapDot{
			X: mapWidth/2 + int(math.Round(mapRX*math.Cos(angle))), Y: mapHeight/2 - 10 + int(math.Round(mapRY*math.Sin(angle))), R: 26,
			Code: s.Trust, State: s.State, Own: s.Own, Leader: s.Part == "Leader" && s.Up, Class: "rw-dot--up", Square: !s.Up || s.Standing != "active",
		}
		if m.Small {
			d.R = 12
		}
		d.TextY = d.Y + d.R + 17
		switch {
		case d.Square:
			d.Class = "rw-dot--down"
		case s.Late:
			d.Class = "rw-dot--late"
		}
		if d.Leader {
			leader = i
		}
		if s.Up {
			up++
		}
		m.Dots = append(m.Dots, d)
	}
	for i, d := range m.Dots {
		if leader >= 0 && i != leader {
			m.Lines = append(m.Lines, mapLine{m.Dots[leader].X, m.Dots[leader].Y, d.X, d.Y, d.Square})
		}
	}
	m.Says = saysOf(sites, up, leader)
	return m
}

func saysOf(sites []regionSite, up, leader int) string {
	text := fmt.Sprintf("%d of %d nodes answer. ", up, len(sites))
	lost := slices.IndexFunc(sites, func(s regionSite) bool { return s.Part == "Leader" && !s.Up })
	switch {
	case leader >= 0:
		text += sites[leader].Name + " leads."
	case lost >= 0:
		text += sites[lost].Name + " led, and does not answer: the others choose another leader."
	default:
		text += "There is no leader."
	}
	var silent, barred []string
	for _, s := range sites {
		switch {
		case s.State == "suspended":
			barred = append(barred, s.Name)
		case !s.Up:
			silent = append(silent, s.Name)
		}
	}
	if len(silent) > 0 {
		text += " No answer from " + strings.Join(silent, ", ") + "."
	}
	if len(barred) > 0 {
		text += " Suspended: " + strings.Join(barred, ", ") + "."
	}
	return text
}

// Left and Top are where a square begins.
func (d mapDot) Left() int { return d.X - d.R }

// Top is the upper edge of a square.
func (d mapDot) Top() int { return d.Y - d.R }

// Side is the length of a square's edge.
func (d mapDot) Side() int { return 2 * d.R }

// TextAt is where the code stands within.
func (d mapDot) TextAt() int { return d.Y + 5 }

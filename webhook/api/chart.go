package api

import (
	"fmt"
	"math"
	"strconv"
)

// Measures of a chart's drawing, in units of its view box.
const (
	chartWidth  = 720
	chartHeight = 150
	chartLeft   = 44 // for the numbers
	chartBottom = 18 // for the times
	chartTop    = 8
)

// chart is a drawing of stacked columns as the page puts it into SVG.
type chart struct {
	Label  string // what it shows, for those who cannot see it
	Width  int
	Height int
	Base   float64 // y of zero
	Left   float64
	Bars   []bar
	Rules  []tick // horizontal lines with numbers
	Times  []tick // marks below
}

// bar is one rectangle.
type bar struct {
	X, Y, W, H string
	Class      string
	Title      string // shown on hovering
}

type tick struct {
	X, Y  float64
	Label string
}

// layer is one kind of column: its class, and a value per step.
type layer struct {
	class  string
	values []float64
}

// columns draws layers on top of each other. titles has one line per step; marks names some steps below the chart.
func columns(label string, layers []layer, titles []string, marks map[int]string) chart {
	c := chart{Label: label, Width: chartWidth, Height: chartHeight, Base: chartHeight - chartBottom, Left: chartLeft}
	n := len(titles)
	top := 0.0
	for i := range n {
		sum := 0.0
		for _, l := range layers {
			sum += l.values[i]
		}
		top = max(top, sum)
	}
	unit := nice(top)
	steps := max(1, math.Ceil(top/unit))
	scale := (c.Base - chartTop) / (unit * steps)
	for i := 0.0; i <= steps; i++ {
		c.Rules = append(c.Rules, tick{chartLeft - 6, c.Base - i*unit*scale, short(i * unit)})
	}
	width := (chartWidth - chartLeft) / float64(max(1, n))
	for i := range n {
		y := c.Base
		for _, l := range layers {
			if h := l.values[i] * scale; h > 0 {
				y -= h
				c.Bars = append(c.Bars, bar{
					X: num(chartLeft + float64(i)*width + width*.1), Y: num(y), W: num(width * .8), H: num(h), Class: l.class, Title: titles[i],
				})
			}
		}
		if text, ok := marks[i]; ok {
			c.Times = append(c.Times, tick{min(chartLeft+(float64(i)+.5)*width, chartWidth-18), chartHeight - 4, text})
		}
	}
	return c
}

// nice is a round distance of lines, so that there are at most five of them.
func nice(top float64) float64 {
	if top <= 4 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(top/4)))
	for _, f := range []float64{1, 2, 5, 10} {
		if top/(f*power) <= 4 {
			return f * power
		}
	}
	return 10 * power
}

func num(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }

// short writes a count in few characters.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return num(v/1e6) + "M"
	case v >= 1e4:
		return num(v/1e3) + "k"
	}
	return fmt.Sprint(v)
}

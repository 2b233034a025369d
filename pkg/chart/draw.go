package chart

import (
	"image/color"
	"math"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours are those of the Grafana panels: blue samples, yellow expectation, green band, red anomalies.
var (
	white      = color.NRGBA{255, 255, 255, 255}
	blue       = color.NRGBA{31, 96, 196, 255}
	yellow     = color.NRGBA{242, 166, 13, 255}
	green      = color.NRGBA{86, 166, 75, 70}
	edgeGreen  = color.NRGBA{56, 134, 46, 200}
	red        = color.NRGBA{224, 47, 68, 255}
	purple     = color.NRGBA{124, 46, 163, 255}
	purplePale = color.NRGBA{124, 46, 163, 60}
	shade      = color.NRGBA{128, 128, 140, 28}
	axisGrey   = color.NRGBA{160, 160, 168, 255}
	gridGrey   = color.NRGBA{230, 230, 234, 255}
	textGrey   = color.NRGBA{80, 80, 88, 255}
	textDark   = color.NRGBA{32, 34, 38, 255}
)

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

func (c Chart) fillMain(p *plot.Plot, d *reduced) {
	p.Y.Min, p.Y.Max = d.bounds()
	p.X.Tick.Label.Color = color.Transparent // the strip below has the labels
	p.X.Tick.Label.Font.Size = 0.1
	addGrid(p)
	addShade(p, d.unjudged)
	addBand(p, d.band)
	addLine(p, d.actual, draw.LineStyle{Color: blue, Width: lineWidth})
	// Above the samples, so that the band is seen where they are dense.
	addEdges(p, d.band)
	addLine(p, d.expected, draw.LineStyle{Color: yellow, Width: lineWidth, Dashes: []vg.Length{4, 3}})
	for _, m := range c.Marks {
		addMark(p, m)
	}
	for i := range d.anomalies {
		d.anomalies[i].Y = min(max(d.anomalies[i].Y, p.Y.Min), p.Y.Max)
	}
	if len(d.anomalies) > 0 {
		s := &plotter.Scatter{XYs: d.anomalies, GlyphStyle: draw.GlyphStyle{Color: red, Radius: anomalyDot, Shape: draw.CircleGlyph{}}}
		p.Add(s)
	}
}

// maxScore is where the strip ends: how far above the threshold matters less than that it is above.
const maxScore = 4

func (c Chart) fillStrip(p *plot.Plot, d *reduced) {
	p.Y.Min, p.Y.Max = 0, 1.5
	for i := range d.score {
		if d.score[i].Y > p.Y.Max {
			p.Y.Max = min(d.score[i].Y*1.05, maxScore)
		}
	}
	p.Y.Label.Text = "score"
	p.Y.Tick.Marker = scoreTicks{}
	addGrid(p)
	addShade(p, d.unjudged)
	clipped := make([]plotter.XY, len(d.score))
	for i, s := range d.score {
		clipped[i] = plotter.XY{X: s.X, Y: min(s.Y, p.Y.Max)}
	}
	runs(clipped, func(xys plotter.XYs) {
		area := append(append(plotter.XYs{{X: xys[0].X}}, xys...), plotter.XY{X: xys[len(xys)-1].X})
		p.Add(&plotter.Polygon{XYs: []plotter.XYs{area}, Color: purplePale})
	})
	addLine(p, clipped, draw.LineStyle{Color: purple, Width: thinWidth})
	addLine(p, []plotter.XY{{X: p.X.Min, Y: 1}, {X: p.X.Max, Y: 1}}, draw.LineStyle{Color: red, Width: thinWidth, Dashes: []vg.Length{5, 3}})
}

func addGrid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = gridGrey, gridGrey
	g.Horizontal.Width, g.Vertical.Width = thinWidth, thinWidth
	g.Horizontal.Dashes, g.Vertical.Dashes = nil, nil
	p.Add(g)
}

func addShade(p *plot.Plot, spans []span) {
	for _, s := range spans {
		box := plotter.XYs{{X: s.from, Y: p.Y.Min}, {X: s.from, Y: p.Y.Max}, {X: s.to, Y: p.Y.Max}, {X: s.to, Y: p.Y.Min}}
		p.Add(&plotter.Polygon{XYs: []plotter.XYs{box}, Color: shade})
	}
}

func addLine(p *plot.Plot, points []plotter.XY, style draw.LineStyle) {
	runs(points, func(xys plotter.XYs) {
		if len(xys) == 1 { // a lone sample between gaps
			p.Add(&plotter.Scatter{XYs: xys, GlyphStyle: draw.GlyphStyle{Color: style.Color, Radius: style.Width, Shape: draw.CircleGlyph{}}})
			return
		}
		for len(style.Dashes) == 0 && len(xys) > strokePoints {
			p.Add(&plotter.Line{XYs: xys[:strokePoints], LineStyle: style})
			xys = xys[strokePoints-1:]
		}
		p.Add(&plotter.Line{XYs: xys, LineStyle: style})
	})
}

// strokePoints is how many points are stroked at once: the rasteriser searches each row of pixels for every edge that crosses it, so that a line that goes up and down a thousand
// times costs the square of that.
const strokePoints = 60

func addBand(p *plot.Plot, band []bandPoint) {
	clamp := func(y float64) float64 { return min(max(y, p.Y.Min), p.Y.Max) }
	begin := 0
	for i := 0; i <= len(band); i++ {
		if i < len(band) && !math.IsNaN(band[i].lower) && !math.IsNaN(band[i].upper) {
			continue
		}
		if i-begin > 1 {
			part := band[begin:i]
			outline := make(plotter.XYs, 0, 2*len(part))
			for _, b := range part {
				outline = append(outline, plotter.XY{X: b.x, Y: clamp(b.upper)})
			}
			for k := len(part) - 1; k >= 0; k-- {
				outline = append(outline, plotter.XY{X: part[k].x, Y: clamp(part[k].lower)})
			}
			p.Add(&plotter.Polygon{XYs: []plotter.XYs{outline}, Color: green})
		}
		begin = i + 1
	}
}

// addEdges draws the limits of the band where they lie within the picture.
func addEdges(p *plot.Plot, band []bandPoint) {
	lower, upper := make([]plotter.XY, len(band)), make([]plotter.XY, len(band))
	inside := func(y float64) float64 {
		if y < p.Y.Min || y > p.Y.Max {
			return math.NaN()
		}
		return y
	}
	for i, b := range band {
		lower[i], upper[i] = plotter.XY{X: b.x, Y: inside(b.lower)}, plotter.XY{X: b.x, Y: inside(b.upper)}
	}
	style := draw.LineStyle{Color: edgeGreen, Width: thinWidth}
	addLine(p, lower, style)
	addLine(p, upper, style)
}

func addMark(p *plot.Plot, m Mark) {
	x := float64(m.At)
	addLine(p, []plotter.XY{{X: x, Y: p.Y.Min}, {X: x, Y: p.Y.Max}}, draw.LineStyle{Color: textDark, Width: thinWidth, Dashes: []vg.Length{2, 2}})
	if m.Text == "" {
		return
	}
	style := text.Style{Font: sans(fontSize), Color: textDark, XAlign: draw.XRight, YAlign: draw.YTop, Handler: plot.DefaultTextHandler}
	p.Add(&plotter.Labels{XYs: plotter.XYs{{X: x, Y: p.Y.Max}}, Labels: []string{m.Text + " "}, TextStyle: []text.Style{style}, Offset: vg.Point{Y: -2}})
}

// head writes the title and the legend.
func (c Chart) head(at draw.Canvas) {
	style := func(size vg.Length, colour color.Color) text.Style {
		return text.Style{Font: sans(size), Color: colour, XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	}
	middle := (at.Min.Y + at.Max.Y) / 2
	entries := []struct {
		name  string
		thumb func(c *draw.Canvas)
	}{
		{"actual", func(c *draw.Canvas) { swatch(c, draw.LineStyle{Color: blue, Width: lineWidth * 1.5}) }},
		{"expected", func(c *draw.Canvas) {
			swatch(c, draw.LineStyle{Color: yellow, Width: lineWidth * 1.5, Dashes: []vg.Length{4, 3}})
		}},
		{"usual range", func(c *draw.Canvas) { c.FillPolygon(green, box(c.Rectangle)) }},
		{"anomaly", func(c *draw.Canvas) {
			c.DrawGlyph(draw.GlyphStyle{Color: red, Radius: anomalyDot, Shape: draw.CircleGlyph{}}, c.Center())
		}},
	}
	label := style(fontSize, textGrey)
	x := at.Max.X
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		x -= label.Width(e.name)
		at.FillText(label, vg.Point{X: x, Y: middle}, e.name)
		x -= 22
		thumb := draw.Canvas{Canvas: at.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x, Y: middle - 4}, Max: vg.Point{X: x + 18, Y: middle + 4}}}
		e.thumb(&thumb)
		x -= legendSpace
	}
	title, sub := style(titleSize, textDark), style(fontSize, textGrey)
	room := x - at.Min.X - sub.Width(c.Subtitle) - 10
	shown := fit(c.Title, title, room)
	at.FillText(title, vg.Point{X: at.Min.X, Y: middle}, shown)
	at.FillText(sub, vg.Point{X: at.Min.X + title.Width(shown) + 10, Y: middle - 1}, c.Subtitle)
}

func swatch(c *draw.Canvas, style draw.LineStyle) {
	y := c.Center().Y
	c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
}

func box(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Min.X, Y: r.Max.Y}, r.Max, {X: r.Max.X, Y: r.Min.Y}}
}

// fit cuts a text to a width.
func fit(s string, style text.Style, room vg.Length) string {
	r := []rune(s)
	if style.Width(s) <= room {
		return s
	}
	for len(r) > 1 && style.Width(string(r)+"…") > room {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// timeTicks labels round times in a zone.
type timeTicks struct{ zone *time.Location }

// tickSteps are the distances of labels that people read at a glance.
var tickSteps = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 91 * 24 * time.Hour, 365 * 24 * time.Hour, 3650 * 24 * time.Hour,
}

// maxLabels is how many labels of a time fit beside each other.
const maxLabels = 10

func (t timeTicks) Ticks(lo, hi float64) []plot.Tick {
	step := tickSteps[len(tickSteps)-1]
	for _, s := range tickSteps {
		if (hi-lo)/float64(s.Milliseconds()) <= maxLabels {
			step = s
			break
		}
	}
	format := "15:04:05"
	switch {
	case step >= 24*time.Hour:
		format = "2006-01-02"
	case step >= time.Minute && hi-lo > 20*3600_000:
		format = "01-02 15:04"
	case step >= time.Minute:
		format = "15:04"
	}
	ms := step.Milliseconds()
	_, offset := time.UnixMilli(int64(lo)).In(t.zone).Zone()
	shift := int64(offset) * 1000
	var ticks []plot.Tick
	for at := (int64(lo) + shift) / ms * ms; float64(at-shift) <= hi; at += ms {
		if x := float64(at - shift); x >= lo {
			ticks = append(ticks, plot.Tick{Value: x, Label: time.UnixMilli(at - shift).In(t.zone).Format(format)})
		}
	}
	return ticks
}

// valueTicks writes large and small numbers short.
type valueTicks struct{}

func (valueTicks) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = short(t.Value)
		}
	}
	return ticks
}

func short(x float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(x) >= u.size {
			size := u.size
			if u.name == "k" {
				size = 1e3
			}
			return strconv.FormatFloat(x/size, 'g', 6, 64) + " " + u.name
		}
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

// scoreTicks marks whole scores.
type scoreTicks struct{}

func (scoreTicks) Ticks(_, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for x := 0.0; x <= hi; x++ {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.Itoa(int(x))})
	}
	return ticks
}

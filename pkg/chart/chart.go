// Package chart draws the verdicts on one series as a picture: the samples, the band of what is usual, the anomalies in red, and below
// them the score with its threshold.
//
// The idea: what a panel shows, as a file, for a shell, a mail or a report. Millions of samples are thinned to the width of the picture
// by keeping the lowest and highest of each column; an anomaly is never thinned away.
//
//	c := chart.Chart{Title: "checkout latency", Subtitle: "seasonal", Verdicts: v, Marks: []chart.Mark{{At: t, Text: "fault"}}}
//	err := c.Save("checkout.png")
//
// It has no theme, no interaction and one series, or one vector, per picture. Its font has no Chinese: texts are best kept in Latin letters.
package chart

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/foreshock/foreshock/pkg/detect"
)

// Chart is one picture. Title and Verdicts are needed.
type Chart struct {
	// Title stands above the picture, Subtitle smaller after it.
	Title, Subtitle string
	// Verdicts is what is drawn.
	Verdicts detect.Verdicts
	// Parts are drawn above each other in place of the samples of Verdicts, whose score stays: the dimensions of a vector.
	Parts []Part
	// Marks are times worth a line.
	Marks []Mark
	// Zone is that of the time axis; nil is UTC.
	Zone *time.Location
	// Width and Height are pixels; 0 is 1280 × 640.
	Width, Height int
}

// Mark is a vertical line with a word.
type Mark struct {
	At   int64 // Unix milliseconds
	Text string
}

// Formats are the endings of file names that Save takes.
func Formats() []string { return []string{"png", "svg"} }

// dpi makes one pixel of a PNG one CSS pixel of an SVG.
const dpi = 96

// ErrEmpty is returned for verdicts without a sample.
var ErrEmpty = errors.New("no samples to draw")

// Save writes the picture to a file; its ending says the format.
func (c Chart) Save(path string) error {
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := errors.Join(c.Write(f, format), f.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	return nil
}

// Write writes the picture as "png" or "svg".
func (c Chart) Write(w io.Writer, format string) error {
	if c.Width <= 0 {
		c.Width = 1280
	}
	if c.Height <= 0 {
		c.Height = 640
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	width, height := pixels(c.Width), pixels(c.Height)
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	switch format {
	case "png":
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))}
	case "svg":
		canvas = vgsvg.New(width, height)
	default:
		return fmt.Errorf("picture format: got %q, want one of %s", format, strings.Join(Formats(), ", "))
	}
	if err := c.draw(draw.New(canvas)); err != nil {
		return err
	}
	_, err := canvas.WriteTo(w)
	return err
}

// pixels converts CSS pixels to points.
func pixels(n int) vg.Length { return vg.Length(n) * 72 / dpi }

// Parts of the picture, in points.
const (
	headHeight  = vg.Length(34)
	margin      = vg.Length(10)
	stripShare  = 0.22 // of the height, for the score
	stripGap    = vg.Length(8)
	anomalyDot  = vg.Length(2.6)
	lineWidth   = vg.Length(1.1)
	thinWidth   = vg.Length(0.7)
	fontSize    = vg.Length(10)
	titleSize   = vg.Length(14)
	legendSpace = vg.Length(14)
)

func (c Chart) draw(all draw.Canvas) error {
	v := c.Verdicts
	if v.Series.Grid.N == 0 {
		return ErrEmpty
	}
	all.SetColor(white)
	all.Fill(all.Rectangle.Path())
	mains, strip := c.mains(), c.plot()
	c.fillStrip(strip, reduce(v, c.Width))

	body := draw.Crop(all, margin, -margin, margin, -headHeight)
	height := body.Max.Y - body.Min.Y
	upper := draw.Crop(body, 0, 0, height*stripShare+stripGap, 0)
	lower := draw.Crop(body, 0, 0, 0, -height*(1-stripShare))
	// All are given the same edges for their data, whatever the width of their labels.
	inset := func(p *plot.Plot, at draw.Canvas) (left, right vg.Length) {
		data := p.DataCanvas(at)
		return data.Min.X - at.Min.X, at.Max.X - data.Max.X
	}
	left, right := inset(strip, lower)
	for _, p := range mains {
		l, r := inset(p, upper)
		left, right = max(left, l), max(right, r)
	}
	aligned := func(p *plot.Plot, at draw.Canvas) {
		l, r := inset(p, at)
		p.Draw(draw.Crop(at, left-l, r-right, 0, 0))
	}
	height = (upper.Max.Y - upper.Min.Y) / vg.Length(len(mains))
	for k, p := range mains {
		aligned(p, draw.Crop(upper, 0, 0, height*vg.Length(len(mains)-1-k), -height*vg.Length(k)))
	}
	aligned(strip, lower)
	c.head(draw.Crop(all, margin+left, -margin, all.Max.Y-all.Min.Y-headHeight, 0))
	return nil
}

// plot returns an empty plot in our style over the time of the verdicts.
func (c Chart) plot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	g := c.Verdicts.Series.Grid
	p.X.Min, p.X.Max = float64(g.Start), float64(max(g.End()-g.Step, g.Start+g.Step))
	p.X.Padding, p.Y.Padding = 0, 0
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Color, a.LineStyle.Width = axisGrey, thinWidth
		a.Tick.LineStyle.Color, a.Tick.LineStyle.Width = axisGrey, thinWidth
		a.Tick.Length = 3
		a.Tick.Label.Font = sans(fontSize - 1)
		a.Tick.Label.Color = textGrey
		a.Label.TextStyle.Font = sans(fontSize)
		a.Label.TextStyle.Color = textGrey
	}
	p.X.Tick.Marker = timeTicks{c.Zone}
	p.Y.Tick.Marker = valueTicks{}
	return p
}

// bounds returns the range of values to show: all samples and what is expected of them, and of the band as much as does not crush them.
func (d *reduced) bounds() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	take := func(x float64) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	for _, p := range d.actual {
		take(p.Y)
	}
	for _, p := range d.expected {
		take(p.Y)
	}
	if lo > hi {
		return 0, 1
	}
	reach := 0.6 * (hi - lo)
	bandLo, bandHi := lo, hi
	for _, b := range d.band {
		if b.lower >= lo-reach {
			bandLo = min(bandLo, b.lower)
		}
		if b.upper <= hi+reach {
			bandHi = max(bandHi, b.upper)
		}
	}
	pad := 0.04 * (bandHi - bandLo)
	if pad == 0 {
		pad = max(math.Abs(bandHi)*0.1, 1e-9)
	}
	return bandLo - pad, bandHi + pad
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
)

// head is what an output tells besides the rows.
type head struct {
	Input    string `json:"input"`
	Series   string `json:"series,omitempty"`
	Detector string `json:"detector"`
	// Mode is "verdict", or "review" where samples were read in the light of later ones.
	Mode string `json:"mode"`
	Step string `json:"step"`

	step int64
	lang string
	zone *time.Location
}

// writer writes the verdicts of one input.
type writer interface {
	row(v *verdict) error
	end(episodes []detect.Episode) error
}

// formats are the values of --format.
var formats = []string{"csv", "json", "intervals"}

// newWriter returns the writer of a format. withSeries puts the series in front of every CSV row, for outputs that hold several;
// first is false from the second series on.
func newWriter(w *bufio.Writer, format string, h head, withSeries, first bool) writer {
	switch format {
	case "json":
		return &jsonWriter{w: w, head: h}
	case "intervals":
		return &intervalWriter{w: w, head: h, withSeries: withSeries, first: first}
	}
	c := &csvWriter{w: w}
	if withSeries {
		c.prefix = quoted(h.Series) + ","
	}
	if first {
		name := ""
		if withSeries {
			name = "series,"
		}
		_, _ = w.WriteString(name + "timestamp,value,expected,lower,upper,score,onset,anomalous,state\n") // an error comes back from Flush
	}
	return c
}

type csvWriter struct {
	w      *bufio.Writer
	prefix string
	buf    []byte
}

func (c *csvWriter) row(v *verdict) error {
	b := append(c.buf[:0], c.prefix...)
	b = append(b, v.stamp...)
	for _, x := range [...]float64{v.value, v.expected, v.lower, v.upper, v.score, v.onset} {
		b = append(b, ',')
		b = appendFloat(b, x)
	}
	if v.anomalous {
		b = append(b, ",1,"...)
	} else {
		b = append(b, ",0,"...)
	}
	b = append(b, v.stateText()...)
	c.buf = append(b, '\n')
	_, err := c.w.Write(c.buf)
	return err
}

func (c *csvWriter) end([]detect.Episode) error { return nil }

// appendFloat writes the shortest text that reads back as x, without exponent in the usual range; nothing for NaN.
func appendFloat(b []byte, x float64) []byte {
	if x != x {
		return b
	}
	if a := math.Abs(x); a < 1e15 && x == math.Trunc(x) && !(x == 0 && math.Signbit(x)) {
		return strconv.AppendInt(b, int64(x), 10)
	} else if a < 1e-6 || a >= 1e21 {
		return strconv.AppendFloat(b, x, 'g', -1, 64)
	}
	return strconv.AppendFloat(b, x, 'f', -1, 64)
}

func quoted(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(s) {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return string(append(b, '"'))
}

// jsonWriter writes one object per series, on one line each.
type jsonWriter struct {
	w    *bufio.Writer
	head head
	n    int
	buf  []byte
}

func (j *jsonWriter) row(v *verdict) error {
	b := j.buf[:0]
	if j.n == 0 {
		start, err := j.start()
		if err != nil {
			return err
		}
		b = append(b, start...)
	} else {
		b = append(b, ',')
	}
	j.n++
	b = append(b, `{"timestamp":`...)
	b = strconv.AppendQuote(b, string(v.stamp))
	for _, f := range [...]struct {
		name string
		x    float64
	}{{"value", v.value}, {"expected", v.expected}, {"lower", v.lower}, {"upper", v.upper}, {"score", v.score}, {"onset", v.onset}} {
		b = append(b, `,"`...)
		b = append(b, f.name...)
		b = append(b, `":`...)
		b = appendJSON(b, f.x)
	}
	b = append(b, `,"anomalous":`...)
	b = strconv.AppendBool(b, v.anomalous)
	b = append(b, `,"state":"`...)
	b = append(b, v.stateText()...)
	j.buf = append(b, `"}`...)
	_, err := j.w.Write(j.buf)
	return err
}

// start is the object up to its first row.
func (j *jsonWriter) start() ([]byte, error) {
	b, err := json.Marshal(j.head)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return append(b[:len(b)-1], `,"rows":[`...), nil
}

// appendJSON writes NaN as null and an infinity as the string that Prometheus uses.
func appendJSON(b []byte, x float64) []byte {
	switch {
	case x != x:
		return append(b, "null"...)
	case math.IsInf(x, 0):
		return strconv.AppendQuote(b, strconv.FormatFloat(x, 'g', -1, 64))
	}
	return appendFloat(b, x)
}

func (j *jsonWriter) end(episodes []detect.Episode) error {
	if j.n == 0 {
		start, err := j.start()
		if err != nil {
			return err
		}
		_, _ = j.w.Write(start)
	}
	out := make([]episode, len(episodes))
	for i, e := range episodes {
		out[i] = j.head.episode(e)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = fmt.Fprintf(j.w, "],\"episodes\":%s}\n", b)
	return err
}

// episode is an episode as people read it.
type episode struct {
	Began     string `json:"began"`
	Confirmed string `json:"confirmed"`
	// Ended is empty while the episode is open.
	Ended     string  `json:"ended,omitempty"`
	Direction string  `json:"direction,omitempty"`
	Peak      float64 `json:"peak"`
	PeakAt    string  `json:"peak_at"`
	Reason    string  `json:"reason"`
}

func (h head) episode(e detect.Episode) episode {
	at := func(t int64) string { return time.UnixMilli(t).In(h.zone).Format(time.RFC3339) }
	out := episode{
		Began: at(e.Began), Confirmed: at(e.Confirmed), Direction: e.Direction, Peak: min(e.Peak, math.MaxFloat64), PeakAt: at(e.PeakAt),
		Reason: e.Explain(h.lang, h.zone, h.step),
	}
	if e.Ended != 0 {
		out.Ended = at(e.Ended)
	}
	return out
}

// intervalWriter writes one CSV row per episode.
type intervalWriter struct {
	w                 *bufio.Writer
	head              head
	withSeries, first bool
}

func (i *intervalWriter) row(*verdict) error { return nil }

func (i *intervalWriter) end(episodes []detect.Episode) error {
	prefix := ""
	if i.first {
		if i.withSeries {
			prefix = "series,"
		}
		_, _ = i.w.WriteString(prefix + "began,confirmed,ended,direction,peak,peak_at,reason\n")
	}
	if i.withSeries {
		prefix = quoted(i.head.Series) + ","
	}
	for _, e := range episodes {
		o := i.head.episode(e)
		_, _ = fmt.Fprintf(i.w, "%s%s,%s,%s,%s,%s,%s,%s\n", prefix, o.Began, o.Confirmed, o.Ended, o.Direction, appendFloat(nil, o.Peak), o.PeakAt, quoted(o.Reason))
	}
	return nil
}

// buffered returns a writer with room for many rows.
func buffered(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 1<<18) }

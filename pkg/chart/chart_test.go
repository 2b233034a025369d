package chart

import (
	"bytes"
	"errors"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// verdicts makes n samples of a wave with one anomaly, a gap and a warm-up.
func verdicts(n, anomaly int) detect.Verdicts {
	g := series.GridOver(0, int64(n-1)*60_000, 60_000)
	v := detect.Verdicts{Series: series.New(nil, g)}
	for i := range n {
		x := 100 + 10*math.Sin(float64(i)/100)
		e, score, state := 100.0, 0.2, detect.OK
		if i == anomaly {
			x, score = 300, 9
		}
		switch {
		case i < n/10:
			e, score, state = math.NaN(), math.NaN(), detect.WarmUp
		case i > n/2 && i < n/2+n/20:
			x, score, state = math.NaN(), math.NaN(), detect.Gap
		}
		v.Series.Values[i] = x
		v.Expected, v.Lower, v.Upper = append(v.Expected, e), append(v.Lower, e-20), append(v.Upper, e+20)
		v.Score, v.Anomalous, v.State = append(v.Score, score), append(v.Anomalous, i == anomaly), append(v.State, state)
	}
	return v
}

// count returns how many pixels of a picture have exactly that colour.
func count(t *testing.T, c Chart, want color.NRGBA) int {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b, "png"); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if color.NRGBAModel.Convert(img.At(x, y)) == want {
				n++
			}
		}
	}
	return n
}

// One anomaly among many samples is seen, however many there are, and an ordinary series shows none.
func TestAnomalyIsNeverThinnedAway(t *testing.T) {
	t.Parallel()
	for _, n := range []int{50, 3000, 50_000} {
		without := count(t, Chart{Title: "x", Verdicts: verdicts(n, -1), Width: 480, Height: 300}, red)
		with := count(t, Chart{Title: "x", Verdicts: verdicts(n, n*3/4), Width: 480, Height: 300}, red)
		if with < without+8 { // a dot has some thirty pixels, its rim blends with the line
			t.Errorf("%d samples: %d red pixels with an anomaly, %d without", n, with, without)
		}
	}
}

func TestReduceKeepsExtremes(t *testing.T) {
	t.Parallel()
	v := verdicts(100_000, 77_777)
	v.Series.Values[12_345] = -500
	d := reduce(v, 1000)
	if len(d.actual) > 2001 || len(d.score) > 1000 {
		t.Errorf("got %d samples and %d scores for 1000 columns", len(d.actual), len(d.score))
	}
	low, high, top := math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range d.actual {
		low, high = min(low, p.Y), max(high, p.Y)
	}
	for _, p := range d.score {
		top = max(top, p.Y)
	}
	if low > -500 || !(high >= 300 || math.IsNaN(high)) || !(top >= 9 || math.IsNaN(top)) {
		t.Errorf("lowest %v, highest %v, top score %v", low, high, top)
	}
	if len(d.unjudged) != 2 {
		t.Errorf("got %d stretches that were not judged, want the warm-up and the gap", len(d.unjudged))
	}
}

// Nothing that verdicts can hold makes drawing fail.
func TestOddInput(t *testing.T) {
	t.Parallel()
	one := verdicts(1, -1)
	gaps := verdicts(100, -1)
	for i := range gaps.Series.Values {
		gaps.Series.Values[i], gaps.Score[i], gaps.Expected[i], gaps.Lower[i], gaps.Upper[i] = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	}
	infinite := verdicts(100, 50)
	infinite.Series.Values[60], infinite.Score[60], infinite.Upper[61], infinite.Lower[62] = math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(-1)
	constant := verdicts(100, -1)
	for i := range constant.Series.Values {
		constant.Series.Values[i] = 0
	}
	huge := verdicts(100, 50)
	huge.Series.Values[50] = 1e300
	for name, v := range map[string]detect.Verdicts{"one sample": one, "gaps only": gaps, "infinite": infinite, "constant": constant, "huge": huge} {
		for _, format := range Formats() {
			c := Chart{Title: strings.Repeat("long title ", 40), Width: 320, Height: 200, Verdicts: v, Marks: []Mark{{At: 0, Text: "fault"}}}
			if err := c.Write(new(bytes.Buffer), format); err != nil {
				t.Errorf("%s, %s: %v", name, format, err)
			}
		}
	}
	if err := (Chart{}).Write(new(bytes.Buffer), "png"); !errors.Is(err, ErrEmpty) {
		t.Errorf("no samples: got %v", err)
	}
	if err := (Chart{Verdicts: one}).Write(new(bytes.Buffer), "gif"); err == nil || !strings.Contains(err.Error(), `"gif"`) {
		t.Errorf("gif: got %v", err)
	}
}

// A picture that failed leaves no file.
func TestSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := (Chart{Verdicts: verdicts(100, 50), Width: 320, Height: 200}).Save(filepath.Join(dir, "a.png")); err != nil {
		t.Error(err)
	}
	if err := (Chart{}).Save(filepath.Join(dir, "b.png")); err == nil {
		t.Error("an empty chart was saved")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("got %v, want a.png alone", left)
	}
}

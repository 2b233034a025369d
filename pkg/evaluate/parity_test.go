package evaluate

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
)

const data = "../../../shared/data"

// reference is one row of testdata/reference.csv, which testdata/reference.py writes.
type reference struct {
	set, file, score       string
	rows, labelled, buffer int
	Measures
}

func readReference(t *testing.T) []reference {
	t.Helper()
	f, err := os.Open("testdata/reference.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []reference
	for _, r := range records[1:] {
		number := func(k int) float64 {
			x, err := strconv.ParseFloat(r[k], 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		out = append(out, reference{
			r[0], r[1], r[2], int(number(3)), int(number(4)), int(number(5)),
			Measures{VUSPR: number(6), VUSROC: number(7), AUCPR: number(8), AUCROC: number(9), F1: number(10)},
		})
	}
	return out
}

func difference(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := 1; i < len(x); i++ {
		out[i] = math.Abs(x[i] - x[i-1])
	}
	return out
}

func hashed(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		out[i] = float64(i*7919%10007) / 10007
	}
	return out
}

// TestParity holds the choice of files and rows, the buffers and every measure to the reference scorer's, to 1e-6.
func TestParity(t *testing.T) {
	t.Parallel()
	sets := map[string]Set{}
	seen := map[string]int{}
	for _, ref := range readReference(t) {
		set, ok := sets[ref.set]
		if !ok {
			var err error
			if set, err = Load(data, ref.set, 0); err != nil {
				t.Fatal(err)
			}
			sets[ref.set] = set
		}
		var values []float64
		var label []bool
		var buffer int
		for _, s := range set.Series {
			if s.Name == ref.file {
				values, label, buffer = s.Values, s.Label, s.Buffer
			}
		}
		for _, v := range set.Vectors {
			if v.Name == ref.file {
				label, buffer = v.Label, v.Buffer
				for _, row := range v.Test {
					values = append(values, row[0])
				}
			}
		}
		positive := 0
		for _, l := range label {
			if l {
				positive++
			}
		}
		if len(values) != ref.rows || positive != ref.labelled || buffer != ref.buffer {
			t.Errorf("%s/%s: %d rows, %d labelled, buffer %d, want %d, %d, %d", ref.set, ref.file, len(values), positive, buffer, ref.rows, ref.labelled, ref.buffer)
			continue
		}
		score := map[string]func([]float64) []float64{"diff": difference, "hash": hashed, "season": seasonalNaive}[ref.score](values)
		got := Measure(label, score, buffer)
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"VUS-PR", got.VUSPR, ref.VUSPR}, {"VUS-ROC", got.VUSROC, ref.VUSROC}, {"AUC-PR", got.AUCPR, ref.AUCPR}, {"AUC-ROC", got.AUCROC, ref.AUCROC}, {"F1", got.F1, ref.F1},
		} {
			tolerance := 1e-6
			if ref.score == "season" { // pandas rounds medians and logarithms otherwise in the last bit, which parts or joins equal scores
				tolerance = 5e-5
			}
			if !(math.Abs(c.got-c.want) <= tolerance) {
				t.Errorf("%s/%s: %s of %s: %.9f, want %.9f", ref.set, ref.file, c.what, ref.score, c.got, c.want)
			}
		}
		seen[ref.set]++
	}
	t.Log(seen)
}

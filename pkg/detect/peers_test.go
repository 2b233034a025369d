package detect

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The reference values of the parity tests come from sklearn 1.2.1 and numpy 1.24 and are written by
//
//	OMP_NUM_THREADS=1 /usr/bin/python3 pkg/detect/testdata/peers.py values
//
// The same data are made on both sides by the generator of drand48.

// peers reads the values of one detector into dst.
func peers(t *testing.T, name string, dst any) {
	t.Helper()
	raw, err := os.ReadFile("testdata/peers.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[name], dst); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// peerNormal is normal of peers.py.
func peerNormal(n int, seed uint64) []float64 {
	next := func() float64 {
		seed = (0x5DEECE66D*seed + 0xB) & (1<<48 - 1)
		return (float64(seed) + 0.5) / (1 << 48)
	}
	out := make([]float64, n)
	for i := range out {
		a, b := next(), next()
		out[i] = math.Sqrt(-2*math.Log(a)) * math.Cos(2*math.Pi*b)
	}
	return out
}

// peerWave is wave of peers.py.
func peerWave(n int) []float64 {
	x := peerNormal(n, 1)
	for i := range x {
		x[i] = 10 + 3*math.Sin(2*math.Pi*float64(i)/50) + 0.3*x[i]
		switch {
		case i >= 700 && i < 703:
			x[i] += 5
		case i >= 1200 && i < 1210:
			x[i] -= 4
		case i >= 1800 && i < 1830:
			x[i] = 10
		}
	}
	return x
}

// peerPoints is points of peers.py, one row after another.
func peerPoints(n, d int, seed uint64) []float64 {
	z := peerNormal(n*d, seed)
	for i := range n {
		row := z[i*d : (i+1)*d]
		for k := 1; k < d; k++ {
			row[k] += 0.5 * row[k-1]
		}
		if i%100 == 0 {
			for k := range row {
				row[k] *= 4
			}
		}
	}
	return z
}

// near fails where got is farther from want than the tolerance, relative to the size of want or 1.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s %d: %v, want %v", what, i, got[i], want[i])
		}
	}
}

// every returns each k-th value.
func every(k int, values []float64) []float64 {
	var out []float64
	for i := 0; i < len(values); i += k {
		out = append(out, values[i])
	}
	return out
}

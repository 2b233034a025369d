package detect

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 0.5: "0.500", 12.345: "12.3", 1234: "1234", -0.002: "-0.00200", 5e-5: "5e-05", 2.5e6: "2.5e+06", math.Inf(1): "+Inf",
	} {
		if got := Format(x); got != want {
			t.Errorf("Format(%v) = %q, want %q", x, got, want)
		}
	}
	if got := Format(math.NaN()); got != "–" {
		t.Errorf("Format(NaN) = %q", got)
	}
}

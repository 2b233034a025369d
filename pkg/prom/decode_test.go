package prom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/common/model"

	"github.com/foreshock/foreshock/pkg/series"
)

// decode reads one answer into a fresh accumulator.
func decode(r io.Reader, grid series.Grid, limits Limits) (Answer, head, error) {
	acc := &accumulator{grid: grid, limits: limits.withDefaults()}
	d := matrixDecoder{scanner: newScanner(r), acc: acc, grid: grid}
	h, err := d.head(d.result)
	return acc.answer(), h, err
}

// spell writes one answer in one of the many valid ways: white space, key order, escapes, number formats, other keys.
func spell(r *rand.Rand, members []model.SampleStream) []byte {
	var b bytes.Buffer
	space := func() string { return []string{"", "", "", " ", "\n\t", "\r "}[r.IntN(6)] }
	text := func(s string) string {
		var out strings.Builder
		out.WriteByte('"')
		for _, c := range s {
			switch {
			case c == '"' || c == '\\':
				fmt.Fprintf(&out, `\%c`, c)
			case c < ' ':
				fmt.Fprintf(&out, `\u%04x`, c)
			case r.IntN(9) == 0 && c < 0x10000:
				fmt.Fprintf(&out, `\u%04X`, c)
			default:
				out.WriteRune(c)
			}
		}
		return out.String() + `"`
	}
	stamp := func(ms model.Time) string { // without exponents, which the references read wrongly
		if r.IntN(5) == 0 {
			return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
		}
		return formatTime(int64(ms))
	}
	value := func(v float64) string {
		return `"` + strconv.FormatFloat(v, "fffeg"[r.IntN(5)], -1, 64) + `"`
	}
	b.WriteString(`{"status":"success",` + space() + `"data":{"resultType":"matrix","result":[`)
	for i, m := range members {
		if i > 0 {
			b.WriteString("," + space())
		}
		var metric, values []string
		for name, v := range m.Metric {
			metric = append(metric, space()+text(string(name))+space()+":"+space()+text(string(v)))
		}
		for _, p := range m.Values {
			values = append(values, space()+"["+space()+stamp(p.Timestamp)+space()+","+value(float64(p.Value))+space()+"]"+space())
		}
		parts := []string{`"metric":{` + strings.Join(metric, ",") + "}", `"values":` + space() + "[" + strings.Join(values, ",") + "]"}
		if r.IntN(3) == 0 {
			parts = append(parts, `"other":[{"a":null},true,-1.5e-3]`)
		}
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		b.WriteString("{" + strings.Join(parts, space()+",") + "}")
	}
	b.WriteString("]}" + space() + "}" + space())
	return b.Bytes()
}

// randomAnswer makes series of distinct labels with hard values.
func randomAnswer(r *rand.Rand, grid series.Grid) []model.SampleStream {
	var out []model.SampleStream
	for k := range r.IntN(6) {
		m := model.SampleStream{Metric: model.Metric{"k": model.LabelValue(fmt.Sprint(k))}}
		for range r.IntN(4) {
			m.Metric[model.LabelName([]string{"job", "ünï", `q"\`, "a\x01b", "😀"}[r.IntN(5)])] = model.LabelValue([]string{"v", "\u2028", `"`, "\n", "x😀y"}[r.IntN(5)])
		}
		for i := range grid.N {
			if r.IntN(4) > 0 {
				m.Values = append(m.Values, model.SamplePair{Timestamp: model.Time(grid.At(i)), Value: model.SampleValue(hardFloat(r))})
			}
		}
		out = append(out, m)
	}
	return out
}

func hardFloat(r *rand.Rand) float64 {
	switch r.IntN(8) {
	case 0:
		return math.Inf(1 - 2*r.IntN(2))
	case 1:
		return math.NaN()
	case 2:
		return math.Copysign(0, -1)
	case 3:
		return math.Float64frombits(r.Uint64N(1 << 62)) // subnormal to huge
	case 4:
		return float64(1<<53 + r.Int64N(5) - 2)
	case 5:
		return float64(r.IntN(1_000_000)) / 1000
	}
	return r.NormFloat64()
}

// reference decodes as encoding/json with the official model, or the official client's decoder, does.
func reference(t *testing.T, body []byte, unmarshal func([]byte, any) error) map[string][]model.SamplePair {
	var a struct {
		Data struct {
			Result []struct {
				Metric model.Metric       `json:"metric"`
				Values []model.SamplePair `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := unmarshal(body, &a); err != nil {
		t.Fatalf("reference: %v\n%s", err, body)
	}
	out := map[string][]model.SamplePair{}
	for _, m := range a.Data.Result {
		ls := map[string]string{}
		for k, v := range m.Metric {
			ls[string(k)] = string(v)
		}
		out[series.FromMap(ls).String()] = m.Values
	}
	return out
}

// checkSame compares an answer with a reference, bit for bit but for the kind of NaN.
func checkSame(t *testing.T, got Answer, want map[string][]model.SamplePair, body []byte) {
	t.Helper()
	found := map[string][]float64{}
	for _, m := range got.Set.Members {
		found[m.Labels.String()] = m.Values
	}
	for name, samples := range want {
		values := found[name]
		n, numbers := 0, 0
		for _, v := range values {
			if v == v {
				n++
			}
		}
		for _, p := range samples {
			v := float64(p.Value)
			if v != v {
				continue
			}
			numbers++
			i, on := got.Set.Grid.Index(int64(p.Timestamp))
			if !on || values == nil || math.Float64bits(values[i]) != math.Float64bits(v) {
				t.Fatalf("%s at %d: want %v in %v\n%s", name, p.Timestamp, v, values, body)
			}
		}
		if n != numbers {
			t.Fatalf("%s: %d values, want %d\n%s", name, n, numbers, body)
		}
		delete(found, name)
	}
	if len(found) > 0 {
		t.Fatalf("series that nobody sent: %v\n%s", found, body)
	}
}

// checkDecode runs one random answer through the decoder, in one read and byte by byte, and the references.
func checkDecode(t *testing.T, r *rand.Rand) {
	t.Helper()
	grid := series.Grid{Start: base, Step: []int64{1, 15_000, 60_000, 1001}[r.IntN(4)], N: 1 + r.IntN(40)}
	grid.Start = series.Floor(grid.Start, grid.Step)
	body := spell(r, randomAnswer(r, grid))
	want := reference(t, body, json.Unmarshal)
	for _, in := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(body)))} {
		got, _, err := decode(in, grid, Limits{})
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		checkSame(t, got, want, body)
	}
	official := reference(t, body, jsoniter.ConfigCompatibleWithStandardLibrary.Unmarshal)
	got, _, _ := decode(bytes.NewReader(body), grid, Limits{})
	checkSame(t, got, official, body)
}

func TestDecodeEqualsReference(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		checkDecode(t, rand.New(rand.NewPCG(seed, 7)))
	}
}

func FuzzDecodeEqualsReference(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { checkDecode(t, rand.New(rand.NewPCG(a, b))) })
}

// Whatever arrives, the decoder neither panics nor takes more memory than its limits, and what it accepts is JSON.
func FuzzDecodeGarbage(f *testing.F) {
	grid := series.Grid{Start: base, Step: 60_000, N: 3} // small, as the engine spends its time on making inputs smaller
	r := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		f.Add(spell(r, randomAnswer(r, grid)))
	}
	for _, s := range []string{
		``, `{`, `{"a":1e5}`, `{"data":{"result":[[`, `{"data":{"result":[{"metric":{"a":"b","a":"c"}}]}}`, `{"a":"\ud800\ud800x"}`, `{"a":01}`, `{"a":tru}`,
		`{"data":{"result":[{"values":[[1789344000,"1"]]}]}}`, `{"data":{"result":[{"metric":{},"values":[[1789344000.0000,"0x1p-2"],[1789344060,"1_0"]]}]}}`, strings.Repeat("[", 100),
		`{"data":{"result":[{"metric":{},"values":[[01789344000,"1"]]}]}}`, `{"data":{"result":[{"metric":{},"values":[[1789344000,"1."]]}]}}`, `{"error":"` + strings.Repeat("x", 300) + `"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		limits := Limits{MaxSeries: 3, MaxBytes: 600}
		acc := &accumulator{grid: grid, limits: limits.withDefaults()}
		d := matrixDecoder{scanner: newScanner(bytes.NewReader(body)), acc: acc, grid: grid}
		_, err := d.head(d.result)
		if err == nil && !json.Valid(body) {
			t.Errorf("accepted what is not JSON: %q", body)
		}
		if len(acc.members) > limits.MaxSeries || acc.bytes > limits.MaxBytes || len(d.buf) > 2*maxToken {
			t.Errorf("%d members, %d bytes, buffer %d", len(acc.members), acc.bytes, len(d.buf))
		}
		v := vectorDecoder{scanner: newScanner(bytes.NewReader(body)), limit: 3}
		if _, err := v.head(v.result); err == nil {
			if !json.Valid(body) {
				t.Errorf("accepted what is not JSON: %q", body)
			}
			v.vector(limits)
		}
	})
}

// The fast ways of parsing are those of strconv, or give up.
func FuzzFastFloat(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5", "9007199254740993", "9007199254740992", "0.1", "123456789012345678901", "0.0000000000000000000001", "1e5", "1.", ".5", "-", "", "00.5", "18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, n := fastFloat([]byte(s + `"]`))
		if n == 0 {
			return
		}
		want, err := strconv.ParseFloat(s[:min(n, len(s))], 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(want) {
			t.Errorf("fastFloat(%q) = %v, want %v %v", s, v, want, err)
		}
	})
}

func TestFastSample(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		t int64
		v float64
	}{
		`[1700000000,"1"]`: {1700000000000, 1}, `[1700000000.5,"-0.25"],`: {1700000000500, -.25}, `[0.001,"1e3"]`: {1, 1000}, `[1700000000.123,"+Inf"]`: {1700000000123, inf},
		`[1700000000,"0.12345678901234567"]`: {1700000000000, 0.12345678901234567},
	} {
		at, v, n := fastSample([]byte(text))
		if at != want.t || v != want.v || text[n-1] != ']' {
			t.Errorf("%s: got %d %v %d", text, at, v, n)
		}
	}
	for _, text := range []string{
		``, `[`, `[1`, `[1,`, `[1,"`, `[1,"1`, `[1,"1"`, `[ 1,"1"]`, `[1, "1"]`, `[1,"1" ]`, `[01,"1"]`, `[1.,"1"]`, `[1.0001,"1"]`, `[-1,"1"]`, `[1e3,"1"]`, `[1,"\u0031"]`, `[1,"x"]`, `[1,1]`,
		`[12345678901234567890,"1"]`, `["1","1"]`,
	} {
		if _, _, n := fastSample([]byte(text)); n != 0 {
			t.Errorf("%s: took %d bytes", text, n)
		}
	}
}

// Decoding allocates per series and not per sample.
func TestDecodeDoesNotAllocatePerSample(t *testing.T) {
	grid := series.Grid{Start: base, Step: 60_000, N: 10_000}
	m := series.New(named(1), grid)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range m.Values {
		m.Values[i] = r.NormFloat64()
	}
	body := matrixJSON([]series.Series{m}, nil)
	if n := testing.AllocsPerRun(5, func() { decode(bytes.NewReader(body), grid, Limits{}) }); n > 60 {
		t.Errorf("%v allocations for 10,000 samples of one series", n)
	}
}

func TestFormatTime(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{0: "0", 1: "0.001", -1: "-0.001", 1_700_000_000_000: "1700000000", 1_700_000_000_050: "1700000000.050", -1500: "-1.500", math.MinInt64: "-9223372036854775.808"} {
		if got := formatTime(ms); got != want {
			t.Errorf("formatTime(%d) = %s, want %s", ms, got, want)
		}
	}
	for ms, want := range map[int64]string{1000: "1", 60_000: "60", 1001: "1001ms", 1: "1ms"} {
		if got := formatStep(ms); got != want {
			t.Errorf("formatStep(%d) = %s, want %s", ms, got, want)
		}
	}
}

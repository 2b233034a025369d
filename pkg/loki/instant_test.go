package loki_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foreshock/foreshock/pkg/loki"
	"github.com/foreshock/foreshock/pkg/loki/lokitest"
)

// TestInstant: 60 lines of two pods, one a second, seen at the last of them.
func TestInstant(t *testing.T) {
	t.Parallel()
	all := lines(60, 1)
	for i := range all {
		all[i].At = noon.Add(time.Duration(i-59) * time.Second)
	}
	server := lokitest.Start(t, lokitest.Options{}, all...)
	c := client(t, loki.Options{URL: server.URL})
	for query, want := range map[string]map[string]float64{
		`count_over_time({app="shop"}[1m])`: {
			`{app="shop", detected_level="unknown", pod="pod-0", service_name="shop"}`: 30, `{app="shop", detected_level="unknown", pod="pod-1", service_name="shop"}`: 30,
		},
		`sum by (pod) (rate({app="shop"} |= "line 1" [1m]))`:                {`{pod="pod-0"}`: 5. / 60, `{pod="pod-1"}`: 6. / 60}, // 1, 10 to 19
		`sum(count_over_time({app="shop"}[10s]))`:                           {`{}`: 10},
		`sum by (pod) (count_over_time({app="shop"} |= "line 1" [1m])) > 5`: {`{pod="pod-1"}`: 6},
		`sum(count_over_time({app="shop"} |= "no such" [1m]))`:              {},
		`42`: {`{}`: 42},
	} {
		samples, err := c.Instant(t.Context(), query, noon)
		got := map[string]float64{}
		for _, s := range samples {
			got[s.Labels.String()] = math.Round(s.Value*1e9) / 1e9
			if !s.At.Equal(noon) {
				t.Errorf("%s: at %s", query, s.At)
			}
		}
		for k, v := range want {
			want[k] = math.Round(v*1e9) / 1e9
		}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", query, err, d)
		}
	}
}

// The numbers are those of the documented answers, beside what floating point and Loki's own numbers may hold.
func TestInstantAnswers(t *testing.T) {
	t.Parallel()
	answer := func(resultType, result string) string {
		return `{"status":"success","data":{"resultType":"` + resultType + `","result":` + result + `,"stats":{}}}`
	}
	c := client(t, loki.Options{URL: serve(t, http.StatusOK, answer("vector",
		`[{"metric":{"level":"warn"},"value":[1588889221,"1267.1266666666666"]},{"metric":{},"value":[1588889221.123,"NaN"]},{"metric":{},"value":[1,"+Inf"]}]`))})
	samples, err := c.Instant(t.Context(), "x", noon)
	if err != nil || len(samples) != 3 || samples[0].Value != 1267.1266666666666 || samples[0].Labels.Get("level") != "warn" ||
		samples[1].At.UnixMilli() != 1588889221123 || !math.IsNaN(samples[1].Value) || !math.IsInf(samples[2].Value, 1) {
		t.Errorf("%+v, %v", samples, err)
	}
	for name, one := range map[string]struct {
		body, want string
		kind       loki.Kind
	}{
		"streams":      {answer("streams", "[]"), "gives streams: want a value at one time", loki.KindBadQuery},
		"matrix":       {answer("matrix", "[]"), "gives matrix", loki.KindBadQuery},
		"other":        {answer("string", `[1,"x"]`), "not that of a Loki", loki.KindNotLoki},
		"no number":    {answer("vector", `[{"metric":{},"value":[1,"many"]}]`), "not that of a Loki", loki.KindNotLoki},
		"no text":      {answer("vector", `[{"metric":{},"value":[1,2]}]`), "not that of a Loki", loki.KindNotLoki},
		"no time":      {answer("scalar", `["1","2"]`), "not that of a Loki", loki.KindNotLoki},
		"no value":     {answer("vector", `[{"metric":{}}]`), "not that of a Loki", loki.KindNotLoki},
		"no list":      {answer("vector", `{}`), "not that of a Loki", loki.KindNotLoki},
		"no scalar":    {answer("scalar", `[]`), "not that of a Loki", loki.KindNotLoki},
		"not success":  {`{"status":"error","data":{"resultType":"vector","result":[]}}`, "not that of a Loki", loki.KindNotLoki},
		"a login page": {"<html>", "not that of a Loki", loki.KindNotLoki},
	} {
		_, err := client(t, loki.Options{URL: serve(t, http.StatusOK, one.body)}).Instant(t.Context(), "x", noon)
		var failed *loki.Error
		if !errors.As(err, &failed) || failed.Kind != one.kind || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInstantErrors(t *testing.T) {
	t.Parallel()
	good := `count_over_time({app="shop"}[1h])`
	guarded := lokitest.Start(t, lokitest.Options{Tenant: "a", Token: "secret", MaxSeries: 1}, lines(4, 1)...)
	plain := lokitest.Start(t, lokitest.Options{}, lines(4, 1)...)
	if got, err := client(t, loki.Options{URL: guarded.URL, Tenant: "a", Token: "secret"}).Instant(t.Context(), "sum("+good+")", noon.Add(time.Minute)); err != nil || len(got) != 1 || got[0].Value != 4 {
		t.Errorf("with token and tenant: %v, %v", got, err)
	}
	broken := lokitest.Start(t, lokitest.Options{})
	broken.Fail(http.StatusInternalServerError)
	silent := lokitest.Start(t, lokitest.Options{})
	silent.Silence(true)
	for name, c := range map[string]struct {
		o     loki.Options
		query string
		kind  loki.Kind
		want  string
	}{
		"token":   {loki.Options{URL: guarded.URL, Tenant: "a", Token: "wrong-secret"}, good, loki.KindAuth, "status 401"},
		"tenant":  {loki.Options{URL: guarded.URL, Token: "secret"}, good, loki.KindAuth, "no org id"},
		"series":  {loki.Options{URL: guarded.URL, Tenant: "a", Token: "secret"}, good, loki.KindBadQuery, "maximum number of series (1)"},
		"lines":   {loki.Options{URL: plain.URL}, `{app="shop"}`, loki.KindBadQuery, "not supported as an instant query"},
		"query":   {loki.Options{URL: plain.URL}, `rate(`, loki.KindBadQuery, "parse error"},
		"long":    {loki.Options{URL: plain.URL, MaxWire: 10}, good, loki.KindBadQuery, "longer than 10 bytes"},
		"broken":  {loki.Options{URL: broken.URL}, good, loki.KindUnavailable, "status 500: it is out of order"},
		"silent":  {loki.Options{URL: silent.URL}, good, loki.KindTimeout, "did not answer in time"},
		"gone":    {loki.Options{URL: "http://127.0.0.1:1"}, good, loki.KindUnavailable, "cannot reach"},
		"no utf8": {loki.Options{URL: serve(t, http.StatusBadGateway, strings.Repeat("界", 400))}, good, loki.KindUnavailable, "status 502: 界"},
	} {
		if name == "series" && guarded.Real() {
			continue // its limit is its own
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if name == "silent" {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		_, err := client(t, c.o).Instant(ctx, c.query, noon.Add(time.Minute))
		cancel()
		var failed *loki.Error
		if !errors.As(err, &failed) || failed.Kind != c.kind || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") ||
			strings.Contains(err.Error(), "shop") || strings.ToValidUTF8(err.Error(), "") != err.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := loki.New(loki.Options{URL: plain.URL, User: "u", Password: "p", Token: "t"}); err == nil {
		t.Error("a user and a token are taken together")
	}
}

package promtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/foreshock/foreshock/pkg/series"
)

// slice is how much time goes into one request: samples are sent in the order of time over all series, because the head
// of Prometheus takes only what is younger than an hour (half a chunk range) without detours.
const slice = int64(3600_000)

// Write stores the samples of all members by remote write; NaN is no sample. The members may have different grids.
func (s *Server) Write(t testing.TB, members ...series.Series) {
	t.Helper()
	from, to := span(members)
	for at := series.Floor(from, slice); at < to; at += slice {
		request := prompb.WriteRequest{}
		for _, m := range members {
			if samples := samplesBetween(m, at, at+slice); len(samples) > 0 {
				request.Timeseries = append(request.Timeseries, prompb.TimeSeries{Labels: wireLabels(m.Labels), Samples: samples})
			}
		}
		if len(request.Timeseries) > 0 {
			s.send(t, &request)
		}
	}
	if s.Program == "victoria-metrics" {
		s.do(t, http.MethodGet, "/internal/force_flush", nil) // else visible only after a second
	}
}

// Delete removes all samples of a series selector, as a person cleaning history does. Prometheus only.
func (s *Server) Delete(t testing.TB, selector string) {
	t.Helper()
	s.do(t, http.MethodPost, "/api/v1/admin/tsdb/delete_series?match[]="+url.QueryEscape(selector), nil)
}

func span(members []series.Series) (from, to int64) {
	for i, m := range members {
		if i == 0 || m.Grid.Start < from {
			from = m.Grid.Start
		}
		to = max(to, m.Grid.End())
	}
	return from, to
}

func samplesBetween(m series.Series, from, to int64) []prompb.Sample {
	part := m.Between(from, to)
	var out []prompb.Sample
	for i, v := range part.Values {
		if v == v {
			out = append(out, prompb.Sample{Timestamp: part.Grid.At(i), Value: v})
		}
	}
	return out
}

func wireLabels(ls series.Labels) []prompb.Label {
	out := make([]prompb.Label, len(ls))
	for i, l := range ls {
		out[i] = prompb.Label{Name: l.Name, Value: l.Value}
	}
	return out
}

func (s *Server) send(t testing.TB, request *prompb.WriteRequest) {
	t.Helper()
	data, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, http.MethodPost, "/api/v1/write", snappy.Encode(nil, data))
}

func (s *Server) do(t testing.TB, method, path string, body []byte) {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode/100 != 2 {
		t.Fatal(fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text))
	}
}

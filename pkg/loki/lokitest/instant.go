package lokitest

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// counting is a metric query: sum by (a, b) (rate({…} |= "x" [5m])) > 2, where sum and the comparison may be left out.
var counting = regexp.MustCompile(`^(?:(sum)\s*(?:by\s*\(([^)]*)\)\s*)?\(\s*)?(rate|count_over_time)\(\s*(\{.*)\[(\w+)\]\s*\)(\s*\))?(?:\s*>\s*([0-9.]+))?$`)

// query answers an instant query at a time in Unix nanoseconds, by default now: a number, and what counting matches.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	text, at := strings.TrimSpace(r.FormValue("query")), time.Now().UnixNano()
	if given := r.FormValue("time"); given != "" {
		var err error
		if at, err = strconv.ParseInt(given, 10, 64); err != nil {
			http.Error(w, "could not parse 'time' parameter", http.StatusBadRequest)
			return
		}
	}
	pair := func(v float64) [2]any {
		return [2]any{float64(at/1e6) / 1e3, strconv.FormatFloat(v, 'f', -1, 64)}
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		write(w, "scalar", [2]any{-3532231076116, strconv.FormatFloat(v, 'f', -1, 64)}) // Loki 3.7.8: its time of a scalar overflows
		return
	}
	if _, err := parse(text); err == nil {
		http.Error(w, "log queries are not supported as an instant query type, please change your query to a range query type", http.StatusBadRequest)
		return
	}
	counts, labels, err := s.count(text, at)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	type element struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
	}
	out := []element{}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, element{labels[key], pair(counts[key])})
	}
	write(w, "vector", out)
}

// count evaluates a metric query over the lines in (at - range, at], by the text of the labels.
func (s *Server) count(text string, at int64) (counts map[string]float64, labels map[string]map[string]string, err error) {
	m := counting.FindStringSubmatch(text)
	if m == nil || (m[1] == "") != (m[6] == "") {
		return nil, nil, fmt.Errorf("parse error at line 1, col 1: syntax error: unexpected %q", text)
	}
	q, err := parse(m[4])
	if err != nil {
		return nil, nil, err
	}
	span, err := time.ParseDuration(m[5])
	if err != nil {
		return nil, nil, fmt.Errorf("parse error at line 1: not a valid duration string: %q", m[5])
	}
	counts, labels = map[string]float64{}, map[string]map[string]string{}
	for _, l := range s.choose(q, at-int64(span)+1, at+1, math.MaxInt, "forward") {
		kept := l.Labels
		if m[1] != "" {
			kept = map[string]string{}
			for name := range strings.FieldsFuncSeq(m[2], func(r rune) bool { return r == ',' || r == ' ' }) {
				if v := l.Labels[name]; v != "" {
					kept[name] = v
				}
			}
		}
		key := fmt.Sprint(kept)
		labels[key] = kept
		if m[3] == "rate" {
			counts[key] += 1 / span.Seconds()
		} else {
			counts[key]++
		}
	}
	if len(counts) > s.o.MaxSeries {
		return nil, nil, fmt.Errorf("maximum number of series (%d) reached for a single query", s.o.MaxSeries)
	}
	if above, err := strconv.ParseFloat(m[7], 64); err == nil {
		maps.DeleteFunc(counts, func(_ string, v float64) bool { return v <= above })
	}
	return counts, labels, nil
}

package loki

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// Sample is the value of a series at a time. NaN and the infinities are values that the server gave.
type Sample struct {
	Labels series.Labels // none for a scalar
	At     time.Time
	Value  float64
}

// Instant evaluates a metric query, one with rate, count_over_time and the like, or a scalar, at a time: one sample for each series, in the order of the
// answer; none where no line was counted. Errors are *Error. A query that selects lines is KindBadQuery: Loki refuses it since 3.2, and older ones
// answer with lines of some span of their own.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) ([]Sample, error) {
	body, err := c.get(ctx, "query", url.Values{"query": {query}, "time": {strconv.FormatInt(at.UnixNano(), 10)}})
	if err != nil {
		return nil, err
	}
	return c.decodeInstant(body, at)
}

func (c *Client) decodeInstant(body []byte, asked time.Time) ([]Sample, error) {
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Status != "success" {
		return nil, c.foreign()
	}
	switch answer.Data.ResultType {
	case "vector":
		var elements []struct {
			Metric map[string]string `json:"metric"`
			Value  instantValue      `json:"value"`
		}
		if json.Unmarshal(answer.Data.Result, &elements) != nil {
			return nil, c.foreign()
		}
		out := make([]Sample, 0, len(elements))
		for _, e := range elements {
			at, value, err := e.Value.read()
			if err != nil {
				return nil, c.foreign()
			}
			out = append(out, Sample{series.FromMap(e.Metric), at, value})
		}
		return out, nil
	case "scalar":
		var one instantValue
		if json.Unmarshal(answer.Data.Result, &one) != nil {
			return nil, c.foreign()
		}
		_, value, err := one.read() // the time of a scalar has overflowed: Loki 3.7 says -3532231076116 s for a day in 2026
		if err != nil {
			return nil, c.foreign()
		}
		return []Sample{{At: asked.UTC(), Value: value}}, nil
	case "streams", "matrix":
		return nil, &Error{
			Kind: KindBadQuery,
			Text: fmt.Sprintf("the LogQL query gives %s: want a value at one time, as of rate or count_over_time", answer.Data.ResultType),
		}
	}
	return nil, c.foreign()
}

// instantValue is a pair of Unix seconds, a number, and a value, a text.
type instantValue []json.RawMessage

func (v instantValue) read() (time.Time, float64, error) {
	var seconds float64
	var text string
	if len(v) != 2 {
		return time.Time{}, 0, fmt.Errorf("%d parts: want 2", len(v))
	}
	if err := json.Unmarshal(v[0], &seconds); err != nil {
		return time.Time{}, 0, err
	}
	if err := json.Unmarshal(v[1], &text); err != nil {
		return time.Time{}, 0, err
	}
	value, err := strconv.ParseFloat(text, 64)
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), value, err
}

// Package casesapi is a client of the webhook's HTTP API: cases, totals, statistics, and commands on cases.
//
// The idea: its types are those of the API, written down once more, so that whoever uses it depends on the wire and not on the webhook's
// code. Answers are bounded in size and time; unknown fields are ignored, since a newer webhook may send more.
//
//	c, err := casesapi.New(casesapi.Options{URL: "http://foreshock:9099", Token: token})
//	list, err := c.Cases(ctx, casesapi.Query{State: "open", Limit: 100})
//
// It keeps nothing and repeats nothing.
package casesapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options make a Client.
type Options struct {
	URL   string       // of the webhook, such as http://foreshock:9099
	Token string       // for Authorization: Bearer; empty for none
	HTTP  *http.Client // nil: one with a timeout of 30 s
}

// Client asks one webhook. It may be used concurrently.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// maxAnswer bounds what is read of an answer: a page of 1,000 cases with 64 KiB of labels each is beyond any that there is.
const maxAnswer = 64 << 20

// New makes a client. Errors do not show the token, and of the URL no password.
func New(o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("the webhook's URL cannot be used: want an address like http://foreshock:9099")
	}
	if u.User != nil {
		return nil, errors.New("the webhook's URL holds a user: want the token in the field for it")
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	u.RawQuery, u.Fragment = "", ""
	return &Client{base: u, token: o.Token, http: o.HTTP}, nil
}

// Address is the webhook's URL, for messages.
func (c *Client) Address() string { return c.base.String() }

// Case is one case.
type Case struct {
	ID          string            `json:"id"`
	Cluster     string            `json:"cluster"`
	Title       string            `json:"title"`
	Labels      map[string]string `json:"labels"`
	State       string            `json:"state"`
	Grade       string            `json:"grade"`
	GradeReason string            `json:"gradeReason"`
	Firing      int               `json:"firing"`
	Total       int               `json:"total"`
	StartedAt   time.Time         `json:"startedAt"`
	OpenedAt    time.Time         `json:"openedAt"`
	UpdatedAt   time.Time         `json:"updatedAt"`
	ResolvedAt  time.Time         `json:"resolvedAt"` // zero: not yet
	Owner       string            `json:"owner"`
	AckedBy     string            `json:"ackedBy"`
	AckedAt     time.Time         `json:"ackedAt"`
}

// Query selects cases. Zero fields do not restrict, but State: then it is the open ones.
type Query struct {
	State   string // open, all, or states separated by commas
	Grade   string // grades separated by commas
	Cluster string
	Text    string
	Since   time.Time // on the last change
	Until   time.Time
	Limit   int // in all; 0 is 100
}

// pageSize is how many cases one request brings.
const pageSize = 1000

// Cases lists cases, newest first, over as many requests as it takes. More says that there are more than the limit.
func (c *Client) Cases(ctx context.Context, q Query) (out []Case, more bool, err error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	v := url.Values{}
	for name, text := range map[string]string{"state": q.State, "grade": q.Grade, "cluster": q.Cluster, "q": q.Text} {
		if text != "" {
			v.Set(name, text)
		}
	}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			v.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	for {
		v.Set("limit", strconv.Itoa(min(pageSize, q.Limit-len(out)+1)))
		var page struct {
			Cases []Case
			Next  string
		}
		if err := c.get(ctx, "api/v1/cases", v, &page); err != nil {
			return nil, false, err
		}
		out = append(out, page.Cases...)
		if len(out) > q.Limit {
			return out[:q.Limit], true, nil
		}
		if page.Next == "" || len(page.Cases) == 0 {
			return out, false, nil
		}
		v.Set("before", page.Next)
	}
}

// Counts are totals over everything stored now.
type Counts struct {
	Cases      map[string]int `json:"cases"`      // by state
	OpenGrades map[string]int `json:"openGrades"` // open cases by grade
	Firing     int            `json:"firing"`
}

// Counts reads totals.
func (c *Client) Counts(ctx context.Context) (out Counts, err error) {
	return out, c.get(ctx, "api/v1/counts", nil, &out)
}

// Statistics are what happened in a time range.
type Statistics struct {
	Since            time.Time `json:"since"`
	Until            time.Time `json:"until"`
	StepSeconds      float64   `json:"stepSeconds"`
	Buckets          []Bucket  `json:"buckets"`
	Total            Bucket    `json:"total"`
	DedupRatio       *float64  `json:"dedupRatio"`
	CompressionRatio *float64  `json:"compressionRatio"`
	StormRate        *float64  `json:"stormRate"`
	MTTA             Times     `json:"mtta"`
	MTTR             Times     `json:"mttr"`
	Channels         []Channel `json:"channels"`
	Cut              bool      `json:"cut"` // the newest cases or messages of the range are not counted
}

// Bucket counts one step.
type Bucket struct {
	At       time.Time          `json:"at"`
	Alerts   int                `json:"alerts"`
	News     int                `json:"news"`
	Storm    int                `json:"storm"`
	Opened   map[string]int     `json:"opened"` // cases by grade
	Messages int                `json:"messages"`
	Failures int                `json:"failures"`
	MTTA     Times              `json:"mtta"`
	MTTR     Times              `json:"mttr"`
	Latency  map[string]float64 `json:"latency"` // mean seconds by channel
}

// Times are lengths of time in seconds, of N cases or attempts.
type Times struct {
	N      int     `json:"n"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// Channel is how a channel did.
type Channel struct {
	Name     string    `json:"name"`
	Sent     int       `json:"sent"`
	Failed   int       `json:"failed"`
	Latency  Times     `json:"latency"`
	LastGood time.Time `json:"lastGood"`
}

// Statistics reads what happened from since to until by step, on whole steps.
func (c *Client) Statistics(ctx context.Context, since, until time.Time, step time.Duration) (out Statistics, err error) {
	v := url.Values{
		"since": {since.UTC().Format(time.RFC3339)}, "until": {until.UTC().Format(time.RFC3339)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}
	return out, c.get(ctx, "api/v1/statistics", v, &out)
}

// Command gives a command on a case in somebody's name, which the webhook believes when the token may speak for others.
func (c *Client) Command(ctx context.Context, caseID, command, by, note string) (out Case, err error) {
	body, err := json.Marshal(map[string]string{"by": by, "note": note})
	if err != nil {
		return out, fmt.Errorf("the command cannot be written: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath("api/v1/cases", caseID, command).String(), bytes.NewReader(body))
	if err != nil {
		return out, fmt.Errorf("the command cannot be sent: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	return out, c.do(req, &out)
}

func (c *Client) get(ctx context.Context, path string, v url.Values, to any) error {
	u := c.base.JoinPath(path)
	u.RawQuery = v.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("the webhook cannot be asked: %w", err)
	}
	return c.do(req, to)
}

// Error is an answer of the webhook that is none of success. Text is its sentence.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("the webhook answers %d: %s", e.Status, e.Text)
}

func (c *Client) do(req *http.Request, to any) error {
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %w", err)
	}
	defer res.Body.Close()
	body := io.LimitReader(res.Body, maxAnswer+1)
	if res.StatusCode != http.StatusOK {
		var said struct{ Error string }
		text, _ := io.ReadAll(io.LimitReader(body, 4096))
		if json.Unmarshal(text, &said) != nil || said.Error == "" {
			said.Error = http.StatusText(res.StatusCode)
		}
		return &Error{res.StatusCode, said.Error}
	}
	text, err := io.ReadAll(body)
	switch {
	case err != nil:
		return fmt.Errorf("the webhook's answer broke off: %w", err)
	case len(text) > maxAnswer:
		return fmt.Errorf("the webhook's answer is longer than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("this is not the webhook's answer: %w", err)
	}
	return nil
}

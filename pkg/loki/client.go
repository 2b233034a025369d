// Package loki is the only Loki HTTP client: it reads the lines that a LogQL query selects, page by page, within bounds, and the values that a metric
// query has at a time.
//
// The idea: Loki answers at most some thousand lines at a time, and pages are cut by time. Lines with the time at which a page ends are asked for
// again and told apart from those that were read, so that none comes twice and none is missed. Of more lines than wanted the newest are read.
//
//	client, err := loki.New(loki.Options{URL: "http://loki:3100"})
//	answer, err := client.Lines(ctx, `{app="shop"} |= "error"`, from, to, 50_000)
//	for _, e := range answer.Entries { … } // the oldest first
//
//	samples, err := client.Instant(ctx, `sum by (app) (rate({env="prod"} |= "error" [5m]))`, time.Now())
//
// It does not parse LogQL, and sends nothing but questions. Source: Loki HTTP API, GET /loki/api/v1/query_range and GET /loki/api/v1/query.
package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/pkg/series"
)

// Options of a Client. URL is required.
type Options struct {
	// URL is the address of the server, with the path prefix if it has one, without /loki/api/v1. Credentials in it are refused: use User and Password.
	URL            string
	User, Password string
	Token          string       // sent as a bearer token, instead of user and password
	Tenant         string       // the header X-Scope-OrgID; empty for a Loki with one tenant
	HTTP           *http.Client // nil: http.DefaultClient. Redirects are not followed.
	Page           int          // lines asked for at a time; 0: 5000, Loki's own limit unless it is configured otherwise
	MaxWire        int64        // bytes read of one answer; 0: 256 MiB
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	o    Options
	base *url.URL
	http http.Client
}

// New checks the options; it sends nothing.
func New(o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimSpace(o.URL))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the URL of Loki cannot be used: want something like http://loki:3100")
	}
	if u.User != nil {
		return nil, errors.New("the URL of Loki holds a user: give user and password in their own fields")
	}
	if o.Token != "" && (o.User != "" || o.Password != "") {
		return nil, errors.New("both a token and a user with password are given for Loki: want one")
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/loki/api/v1")
	c := &Client{o: o, base: u}
	if o.HTTP != nil {
		c.http = *o.HTTP
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.o.Page, c.o.MaxWire = cmp.Or(o.Page, 5000), cmp.Or(o.MaxWire, 256<<20)
	return c, nil
}

// Address is the server's URL, for messages.
func (c *Client) Address() string { return c.base.String() }

// Entry is one line of a stream.
type Entry struct {
	At     time.Time
	Labels series.Labels
	Line   string
}

// Answer has the lines, the oldest first; Cut says that there were older ones. Where that is because more lines than fit one page have one and the
// same nanosecond, Lost is true: such lines cannot be asked for.
type Answer struct {
	Entries   []Entry
	Cut, Lost bool
	Pages     int
}

// Kind says what kind of failure an Error is.
type Kind int

// The kinds.
const (
	KindBadQuery    Kind = iota + 1 // the query cannot be parsed, or is beyond a limit of the server: change it
	KindTimeout                     // no answer in time
	KindUnavailable                 // not reachable, overloaded or starting: try later
	KindAuth                        // credentials or tenant are missing or wrong
	KindNotLoki                     // something answers, but not as Loki does
	KindCanceled                    // the caller gave up
)

// Error is a request that failed. Its text is one sentence fit for a user; it holds neither credentials nor the query.
type Error struct {
	Kind  Kind
	Text  string
	cause error
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause where there is one.
func (e *Error) Unwrap() error { return e.cause }

// Lines reads the lines that a log query selects in [from, to), at most limit of them, the newest.
func (c *Client) Lines(ctx context.Context, query string, from, to time.Time, limit int) (Answer, error) {
	var a Answer
	edge := map[string]int{} // lines at the time where the last page ended, how often each was read
	end := to
	for len(a.Entries) < limit && end.After(from) {
		page, err := c.page(ctx, query, from, end, c.o.Page)
		if err != nil {
			return Answer{}, err
		}
		a.Pages++
		slices.SortStableFunc(page, func(x, y Entry) int { return y.At.Compare(x.At) })
		full := len(page) >= c.o.Page
		fresh := page[:0:0]
		for _, e := range page {
			if key := keyOf(e); edge[key] > 0 {
				edge[key]--
				continue
			}
			fresh = append(fresh, e)
		}
		a.Entries = append(a.Entries, fresh...)
		if !full {
			break
		}
		last := page[len(page)-1].At
		edge = map[string]int{}
		next := last.Add(1) // the end is exclusive
		if !next.Before(end) {
			a.Lost, next = true, last // a page full of one nanosecond
		} else {
			for _, e := range a.Entries {
				if e.At.Equal(last) {
					edge[keyOf(e)]++
				}
			}
		}
		end = next
		a.Cut = len(a.Entries) >= limit
	}
	if len(a.Entries) > limit {
		a.Entries, a.Cut = a.Entries[:limit], true
	}
	slices.Reverse(a.Entries)
	return a, nil
}

func keyOf(e Entry) string {
	return strconv.FormatInt(e.At.UnixNano(), 36) + e.Labels.String() + "\x00" + e.Line
}

// page asks for the newest lines before end.
func (c *Client) page(ctx context.Context, query string, from, end time.Time, limit int) ([]Entry, error) {
	params := url.Values{
		"query": {query}, "start": {strconv.FormatInt(from.UnixNano(), 10)}, "end": {strconv.FormatInt(end.UnixNano(), 10)},
		"limit": {strconv.Itoa(limit)}, "direction": {"backward"},
	}
	body, err := c.get(ctx, "query_range", params)
	if err != nil {
		return nil, err
	}
	return c.decode(body)
}

// get asks a question and reads the answer, at most MaxWire bytes of it.
func (c *Client) get(ctx context.Context, question string, params url.Values) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+"/loki/api/v1/"+question+"?"+params.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if c.o.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", c.o.Tenant)
	}
	if c.o.User != "" || c.o.Password != "" {
		req.SetBasicAuth(c.o.User, c.o.Password)
	}
	if c.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transport(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.o.MaxWire+1))
	switch {
	case err != nil:
		return nil, c.transport(ctx, err)
	case resp.StatusCode != http.StatusOK:
		return nil, c.refused(resp.StatusCode, body)
	case int64(len(body)) > c.o.MaxWire:
		return nil, &Error{Kind: KindBadQuery, Text: fmt.Sprintf("the answer of %s is longer than %d bytes: ask for less", c.Address(), c.o.MaxWire)}
	}
	return body, nil
}

// decode reads an answer of streams. Values have a third part, structured metadata, where the server has such.
func (c *Client) decode(body []byte) ([]Entry, error) {
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			ResultType string `json:"resultType"`
			Result     []struct {
				Stream map[string]string   `json:"stream"`
				Values [][]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	foreign := c.foreign()
	if json.Unmarshal(body, &answer) != nil || answer.Status != "success" {
		return nil, foreign
	}
	if answer.Data.ResultType != "streams" {
		return nil, &Error{Kind: KindBadQuery, Text: fmt.Sprintf("the LogQL query gives a %s: want lines, a query without rate, count_over_time and the like", answer.Data.ResultType)}
	}
	var out []Entry
	for _, s := range answer.Data.Result {
		labels := series.FromMap(s.Stream)
		for _, v := range s.Values {
			var at, line string
			if len(v) < 2 || json.Unmarshal(v[0], &at) != nil || json.Unmarshal(v[1], &line) != nil {
				return nil, foreign
			}
			n, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return nil, foreign
			}
			out = append(out, Entry{time.Unix(0, n).UTC(), labels, line})
		}
	}
	return out, nil
}

// foreign explains an answer that cannot be read.
func (c *Client) foreign() error {
	return &Error{Kind: KindNotLoki, Text: "the answer of " + c.Address() + " is not that of a Loki"}
}

// transport explains a request that got no answer. The error of package http repeats the URL, with the query in it.
func (c *Client) transport(ctx context.Context, err error) error {
	var via *url.Error
	if errors.As(err, &via) {
		err = via.Err
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return &Error{Kind: KindCanceled, Text: "the request to " + c.Address() + " was canceled", cause: context.Canceled}
	case errors.Is(ctx.Err(), context.DeadlineExceeded), via != nil && via.Timeout():
		return &Error{Kind: KindTimeout, Text: c.Address() + " did not answer in time", cause: context.DeadlineExceeded}
	}
	return &Error{Kind: KindUnavailable, Text: "cannot reach " + c.Address() + ": " + err.Error(), cause: err}
}

// refused explains a status. Loki says in plain text what is wrong with a query; a proxy in front of it says it in HTML, which is left out.
func (c *Client) refused(status int, body []byte) error {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 500)]), "")), " ")
	if strings.HasPrefix(text, "<") {
		text = ""
	}
	said := fmt.Sprintf("%s answers with status %d", c.Address(), status)
	if text != "" {
		said += ": " + text
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden || strings.Contains(text, "no org id"):
		return &Error{Kind: KindAuth, Text: said + "; check user, password, token and tenant"}
	case status == http.StatusBadRequest:
		return &Error{Kind: KindBadQuery, Text: said}
	case status == http.StatusGatewayTimeout:
		return &Error{Kind: KindTimeout, Text: said}
	case status == http.StatusTooManyRequests || status >= 500:
		return &Error{Kind: KindUnavailable, Text: said}
	}
	return &Error{Kind: KindNotLoki, Text: said + "; is this the address of Loki?"}
}

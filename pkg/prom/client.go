// Package prom is the only Prometheus HTTP client: it turns the answers of Prometheus (2.42 and later), VictoriaMetrics and
// what speaks the same API into series on an absolute grid, and sends samples by remote write.
//
// The idea: a range query is asked on multiples of its step, so that the same time always has the same sample; the answer
// is decoded while it arrives, straight into the slices that are returned, within bounds on time, memory and concurrency;
// and every way in which it can fail has a kind that a caller can act on.
//
//	client, err := prom.New(prom.Options{URL: "http://prometheus:9090"})
//	answer, err := client.Range(ctx, `sum by (job) (rate(http_requests_total[5m]))`, series.GridOver(from, to, 60_000))
//	var failed *prom.Error
//	if errors.As(err, &failed) && failed.Kind == prom.KindAuth { … }
//
// Blocks caches range answers by day. RemoteWriter sends samples without ever blocking its caller.
//
// The package does not parse PromQL, knows no macros, and hides no error: a read is repeated once when the connection was
// reset before an answer, else never.
package prom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options of a Client. URL is required.
type Options struct {
	// URL is the address of the server, with the path prefix if it has one, without /api/v1. User and password in it are
	// sent as basic authentication and appear nowhere else.
	URL string
	// HTTP sends the requests; nil = one with connection reuse and no proxy but the environment's. Redirects are never
	// followed: a POST would lose its query.
	HTTP *http.Client
	// Method is "POST" (default) or "GET", for proxies that let only reads through.
	Method string
	// Header is added to every request.
	Header http.Header
	// Limits bounds what answers may cost.
	Limits
}

// Limits bounds what answers may cost; a zero field means the default given with it.
type Limits struct {
	MaxConcurrent int   // requests at a time over all calls, 4: a default Prometheus runs 20 queries at once
	MaxSeries     int   // series of one answer, 5,000; the first by labels are kept, the rest is cut with a notice
	MaxBytes      int64 // memory of one answer (values and labels), 256 MiB; cut as MaxSeries does
	MaxWire       int64 // bytes read for one request (after decompression), 1 GiB; more is KindTooManySamples
}

func (l Limits) withDefaults() Limits {
	if l.MaxConcurrent <= 0 {
		l.MaxConcurrent = 4
	}
	if l.MaxSeries <= 0 {
		l.MaxSeries = 5000
	}
	if l.MaxBytes <= 0 {
		l.MaxBytes = 256 << 20
	}
	if l.MaxWire <= 0 {
		l.MaxWire = 1 << 30
	}
	return l
}

// Client asks one server. It is safe for concurrent use and holds no state but connections.
type Client struct {
	base      *url.URL // without user
	user      *url.Userinfo
	http      http.Client
	method    string
	header    http.Header
	limits    Limits
	near      bool // on this machine: compressing costs Prometheus more time than evaluating, and saves none here
	slots     chan struct{}
	aside     chan struct{}   // see call
	transport *http.Transport // ours, nil when the caller gave one
}

// New checks the options; it sends nothing.
func New(o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimSpace(o.URL))
	switch {
	case err != nil:
		return nil, errors.New("the URL of Prometheus cannot be read: want something like http://prometheus:9090") // err shows the URL, which may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("the URL of Prometheus is %q: want http:// or https:// and a host, such as http://prometheus:9090", u.Redacted())
	}
	c := &Client{user: u.User, limits: o.Limits.withDefaults(), header: o.Header.Clone(), method: o.Method}
	switch c.method {
	case "":
		c.method = http.MethodPost
	case http.MethodGet, http.MethodPost:
	default:
		return nil, fmt.Errorf("the HTTP method is %q: want POST or GET", o.Method)
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1")
	u.RawPath = ""
	c.base = u
	c.near = isLoopback(u.Hostname())
	c.slots, c.aside = make(chan struct{}, c.limits.MaxConcurrent), make(chan struct{}, 1)
	if o.HTTP != nil {
		c.http = *o.HTTP
	} else {
		c.transport = newTransport(c.limits.MaxConcurrent)
		c.http.Transport = c.transport
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func newTransport(connections int) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: connections,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Close ends idle connections that the client opened itself; one given in the options is left alone.
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// Address is the server's URL without credentials, for messages.
func (c *Client) Address() string { return c.base.String() }

// call is one request and what is needed to explain its failure.
type call struct {
	path   string // below the base, "/api/v1/query"
	method string // "" = the client's
	params url.Values
	wire   int64 // bytes read at most, when less than Limits.MaxWire
	aside  bool  // takes the slot for small questions about the server itself, which must not wait for those for samples
}

// read sends a call and hands the body of an answer that is JSON to decode. It takes a slot for as long as that lasts.
// Every error it returns is an *Error, or comes from decode.
func (c *Client) read(ctx context.Context, q call, decode func(resp *http.Response, body io.Reader) error) error {
	slots := c.slots
	if q.aside {
		slots = c.aside
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return c.transportError(ctx, ctx.Err())
	}
	resp, err := c.send(ctx, q)
	if err != nil && isReset(err) && ctx.Err() == nil {
		resp, err = c.send(ctx, q)
	}
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer resp.Body.Close()
	if !isJSON(resp) {
		return c.foreignAnswer(resp)
	}
	limited := &wireLimit{r: resp.Body, left: c.limits.MaxWire}
	if q.wire > 0 {
		limited.left = min(limited.left, q.wire)
	}
	limited.limit = limited.left
	if err := decode(resp, limited); err != nil {
		return c.decodeError(ctx, resp, limited, err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 1) // the end of the body, so that the connection is used again
	return nil
}

func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	method := q.method
	if method == "" {
		method = c.method
	}
	params := url.Values{}
	for k, v := range q.params {
		params[k] = v
	}
	if deadline, ok := ctx.Deadline(); ok && params.Has("query") {
		params.Set("timeout", strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10)+"ms")
	}
	u := c.base.String() + q.path
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(params.Encode())
	} else if len(params) > 0 {
		u += "?" + params.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, err
	}
	c.authorize(req)
	req.Header.Set("Accept", "application/json")
	if c.near {
		req.Header.Set("Accept-Encoding", "identity")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.http.Do(req)
}

// authorize adds the headers and credentials of the options.
func (c *Client) authorize(req *http.Request) {
	for k, v := range c.header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if c.user != nil && req.Header.Get("Authorization") == "" {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
}

// isReset tells a connection that broke before the answer, as one does that the server closed while it was idle.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
}

func isJSON(resp *http.Response) bool {
	kind := resp.Header.Get("Content-Type")
	return strings.HasPrefix(kind, "application/json") || strings.HasPrefix(kind, "text/json")
}

// wireLimit ends a body that is too long with errTooLong, and remembers what went wrong below the decoder.
type wireLimit struct {
	r     io.Reader
	limit int64
	left  int64
	err   error
}

var errTooLong = errors.New("the answer is longer than allowed")

func (w *wireLimit) Read(p []byte) (int, error) {
	if w.left <= 0 {
		w.err = errTooLong
		return 0, w.err
	}
	n, err := w.r.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

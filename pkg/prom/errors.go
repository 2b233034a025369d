package prom

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Kind says what kind of failure an Error is, and so what to do about it.
type Kind int

// The kinds. All but KindBadQuery and KindTooManySamples are the fault of the server or of the way to it.
const (
	KindBadQuery       Kind = iota + 1 // the query cannot be parsed or evaluated: change it
	KindTimeout                        // no answer in time: a shorter range, a cheaper query, a longer timeout
	KindUnavailable                    // not reachable, overloaded or starting: try later
	KindTooManySamples                 // beyond a limit of the server or of this client: fewer series, a shorter range, a longer step
	KindAuth                           // 401, 403 or 407: credentials are missing or wrong
	KindNotPrometheus                  // something answers, but not as Prometheus does: a wrong URL, a login page, a proxy
	KindCanceled                       // the caller gave up; the error wraps context.Canceled
)

func (k Kind) String() string {
	switch k {
	case KindBadQuery:
		return "bad query"
	case KindTimeout:
		return "timeout"
	case KindUnavailable:
		return "unavailable"
	case KindTooManySamples:
		return "too many samples"
	case KindAuth:
		return "auth"
	case KindNotPrometheus:
		return "not Prometheus"
	case KindCanceled:
		return "canceled"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Error is a request that failed. Its text is one sentence fit for a user; it never holds credentials, nor the query.
type Error struct {
	Kind   Kind
	Status int    // of the HTTP answer, 0 without one
	Text   string // the sentence
	cause  error
}

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause where there is one (context.Canceled, a network error).
func (e *Error) Unwrap() error { return e.cause }

// transportError explains a request that got no answer.
func (c *Client) transportError(ctx context.Context, err error) error {
	var viaURL *url.Error
	if errors.As(err, &viaURL) { // its text repeats the URL, with the query in it
		err = viaURL.Err
	}
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled):
		return &Error{Kind: KindCanceled, Text: "the request to " + c.Address() + " was canceled", cause: context.Canceled}
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindTimeout, Text: c.Address() + " did not answer in time", cause: context.DeadlineExceeded}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Kind: KindTimeout, Text: c.Address() + " did not answer in time: " + c.clean(err.Error()), cause: err}
	}
	return &Error{Kind: KindUnavailable, Text: "cannot reach " + c.Address() + ": " + c.clean(err.Error()), cause: err}
}

// decodeError explains an answer that began well and could not be read to its end.
func (c *Client) decodeError(ctx context.Context, resp *http.Response, body *wireLimit, err error) error {
	var known *Error
	switch {
	case errors.Is(body.err, errTooLong):
		return &Error{
			Kind: KindTooManySamples, Status: http.StatusOK,
			Text: fmt.Sprintf("the answer of %s is longer than %d bytes: ask for fewer series, a shorter range or a longer step", c.Address(), body.limit),
		}
	case body.err != nil:
		return c.transportError(ctx, body.err)
	case errors.As(err, &known):
		return err
	case resp.StatusCode/100 != 2: // JSON of a proxy's own
		return c.apiError(resp.StatusCode, "", "it answers with something that Prometheus does not write")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Kind: KindUnavailable, Text: "the answer of " + c.Address() + " ended in the middle", cause: err}
	}
	return &Error{Kind: KindNotPrometheus, Text: "the answer of " + c.Address() + " is not that of a Prometheus: " + c.clean(err.Error()), cause: err}
}

// foreignAnswer explains an answer that is not JSON: it comes from a proxy, a login page, or from something else.
func (c *Client) foreignAnswer(resp *http.Response) error {
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	what := c.excerpt(resp, string(head))
	e := &Error{Status: resp.StatusCode, Kind: KindNotPrometheus}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusProxyAuthRequired:
		e.Kind, e.Text = KindAuth, fmt.Sprintf("%s refuses the request (%s): check user, password or token", c.Address(), status(code))
	case code >= 300 && code < 400:
		e.Text = fmt.Sprintf("%s redirects to %s: if that is right, use it as the URL (a redirect to a login page means that credentials are missing)", c.Address(), location(resp))
	case code == http.StatusMethodNotAllowed:
		e.Text = fmt.Sprintf("%s does not allow %s (405): choose the other HTTP method", c.Address(), resp.Request.Method)
	case code == http.StatusRequestURITooLong || code == http.StatusRequestEntityTooLarge:
		e.Kind, e.Text = KindBadQuery, fmt.Sprintf("the query is too long for %s (%s): use the HTTP method POST, or shorten it", c.Address(), status(code))
	case code == http.StatusGatewayTimeout || code == http.StatusRequestTimeout:
		e.Kind, e.Text = KindTimeout, fmt.Sprintf("%s did not answer in time (%s%s)", c.Address(), status(code), what)
	case code == http.StatusTooManyRequests || code >= 500:
		e.Kind, e.Text = KindUnavailable, fmt.Sprintf("%s is not available (%s%s)", c.Address(), status(code), what)
	default:
		e.Text = fmt.Sprintf("%s does not answer as Prometheus does (%s%s): check the URL and its path", c.Address(), status(code), what)
	}
	return e
}

func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// excerpt is the title of an HTML page, or the first line of plain text.
func (c *Client) excerpt(resp *http.Response, body string) string {
	if m := title.FindStringSubmatch(body); m != nil {
		return fmt.Sprintf(", a page titled %q", c.clean(html.UnescapeString(m[1])))
	}
	kind := resp.Header.Get("Content-Type")
	if strings.HasPrefix(kind, "text/plain") {
		if line, _, _ := strings.Cut(strings.TrimSpace(body), "\n"); line != "" {
			return ": " + c.clean(line)
		}
	}
	if kind == "" {
		return ""
	}
	return ", " + c.clean(kind)
}

// location is the target of a redirect without what may be secret in it.
func location(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// apiError explains an answer with status "error". The kind comes from errorType and, where servers use one type for
// several causes, from the words of the message (Prometheus 2.42 to 3.x, VictoriaMetrics, Mimir, Thanos).
func (c *Client) apiError(code int, errorType, message string) error {
	message = c.clean(message)
	if message == "" {
		message = "no reason given"
	}
	e := &Error{Status: code, Kind: apiKind(code, errorType, strings.ToLower(message))}
	switch e.Kind {
	case KindBadQuery:
		e.Text = "the query was refused: " + message
	case KindTimeout:
		e.Text = "the query took too long: " + message
	case KindTooManySamples:
		e.Text = "the query is too large: " + message
	case KindAuth:
		e.Text = fmt.Sprintf("%s refuses the request (%s): %s", c.Address(), status(code), message)
	case KindUnavailable:
		e.Text = fmt.Sprintf("%s is not available (%s): %s", c.Address(), status(code), message)
	default:
		e.Text = fmt.Sprintf("%s does not answer as Prometheus does (%s): %s", c.Address(), status(code), message)
	}
	return e
}

// tooLarge are words by which servers tell that a limit was hit. VictoriaMetrics repeats the query in its messages, so
// these are words that no metric's name holds.
var tooLarge = []string{
	"too many samples", "maximum resolution", "too many points", // Prometheus
	"-search.max", "not enough memory", // VictoriaMetrics
	"max number of", "maximum number of", "err-mimir-max", "exceeded series limit", "exceeded chunks limit", "exceeded bytes limit", // Mimir, Cortex, Thanos
}

// tooSlow are words by which servers tell that time ran out.
var tooSlow = []string{"query timed out", "timeout exceeded", "deadline exceeded"}

func apiKind(code int, errorType, message string) Kind {
	has := func(words []string) bool {
		for _, w := range words {
			if strings.Contains(message, w) {
				return true
			}
		}
		return false
	}
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusProxyAuthRequired:
		return KindAuth
	case code == http.StatusTooManyRequests:
		return KindUnavailable
	case errorType == "bad_data" && !has(tooLarge):
		return KindBadQuery // before tooSlow: a label or a function may have "timeout" in its name
	case has(tooLarge):
		return KindTooManySamples
	case errorType == "timeout" || code == http.StatusGatewayTimeout || has(tooSlow):
		return KindTimeout
	case code == http.StatusNotFound || code == http.StatusMethodNotAllowed:
		return KindNotPrometheus
	case errorType == "execution" || code == http.StatusBadRequest || code == http.StatusUnprocessableEntity:
		return KindBadQuery
	case code >= 500 || errorType == "unavailable" || errorType == "internal" || errorType == "canceled":
		return KindUnavailable
	}
	return KindNotPrometheus
}

// maxMessage is how much of a server's message is passed on: a parse error repeats the query.
const maxMessage = 1000

// minSecret: replacing shorter passwords would tear words apart, and they are no secret.
const minSecret = 4

// clean makes text from outside fit for a message: one line, bounded, without the password of the URL.
func (c *Client) clean(text string) string {
	if c.user != nil {
		if password, ok := c.user.Password(); ok && len(password) >= minSecret {
			text = strings.ReplaceAll(text, password, "<secret>")
			text = strings.ReplaceAll(text, url.QueryEscape(password), "<secret>")
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	return text
}

package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
)

// NewPreview returns a poster that writes what would be posted, secrets left out, and posts nothing. Mails are written there too.
func NewPreview(w io.Writer) *Poster {
	p := NewPoster(nil)
	p.show = w
	return p
}

// preview writes a request and answers like a service that took it.
func (p *Poster) preview(r Request, hide []string) (Reply, Outcome) {
	host := "?"
	if u, err := url.Parse(r.URL.Reveal()); err == nil {
		host = u.Scheme + "://" + u.Host
	}
	fmt.Fprintf(p.show, "POST %s/%s\n", host, hidden)
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := scrub(r.Header[name], hide...)
		if name == "Authorization" || name == "Webhook-Signature" {
			value = hidden
		}
		fmt.Fprintf(p.show, "%s: %s\n", name, value)
	}
	var b bytes.Buffer
	if json.Indent(&b, r.Body, "", "  ") != nil {
		b.Reset()
		b.Write(r.Body)
	}
	fmt.Fprintf(p.show, "\n%s\n", scrub(b.String(), hide...))
	body := []byte(`{"ok":true,"errcode":0,"code":0,"ts":"0","channel":"C","result":{"message_id":1}}`)
	return Reply{Status: http.StatusOK, Header: http.Header{}, Body: body}, Sent("shown")
}

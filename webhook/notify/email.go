package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/cases"
	"github.com/foreshock/foreshock/webhook/policy"
)

func init() {
	Channels.Add(registry.Entry[Channel]{
		Name:    "email",
		Summary: "Sends e-mail over SMTP, as text and HTML, encrypted unless told otherwise.",
		Source:  "RFC 5321, RFC 3207 (STARTTLS), RFC 8314 (implicit TLS), RFC 3834 (Auto-Submitted)",
		New:     func() Channel { return &Email{Common: common(), TLS: "starttls"} },
	})
}

// Email sends messages to fixed addresses. What follows the first message of a case refers to it, so that mail programs show one conversation.
type Email struct {
	Common
	Smarthost    string   `json:"smarthost" yaml:"smarthost" help:"mail server as host:port; 587 for STARTTLS, 465 for implicit TLS"`
	From         string   `json:"from" yaml:"from" help:"sender's address, such as Foreshock <alerts@example.com>"`
	To           []string `json:"to" yaml:"to" help:"addresses of the recipients"`
	Username     string   `json:"username" yaml:"username" help:"login; without it the server is used without"`
	Password     Secret   `json:"password" yaml:"password" help:"password of the login"`
	PasswordFile string   `json:"password_file" yaml:"password_file" help:"path of a file that holds password"`
	TLS          string   `json:"tls" yaml:"tls" help:"starttls: refuses servers without; implicit: TLS from the start; opportunistic: STARTTLS where offered; none: not encrypted, and then without login" enum:"starttls,implicit,opportunistic,none"`
	CAFile       string   `json:"ca_file" yaml:"ca_file" help:"path of a PEM file with the authority that signed the server's certificate; empty is the system's"`
	Hello        string   `json:"hello" yaml:"hello" help:"name to greet the server with; empty is the host's"`

	host string
	port int
	tls  *tls.Config
	from *mail.Address
	to   []*mail.Address
}

// Validate asks for server, sender and recipients.
func (e *Email) Validate() error {
	switch {
	case e.Smarthost == "":
		return errors.New(`parameter "smarthost" is missing: want host:port of a mail server, such as smtp.example.com:587`)
	case e.From == "":
		return errors.New(`parameter "from" is missing: want the sender's address`)
	case len(e.To) == 0:
		return errors.New(`parameter "to" is missing: want at least one address`)
	case e.Username != "" && e.Password == "" && e.PasswordFile == "":
		return errNoSecret("password")
	case e.Username == "" && (e.Password != "" || e.PasswordFile != ""):
		return errors.New(`parameter "username" is missing: there is a password without one`)
	case e.Username != "" && e.TLS == "none":
		return errors.New(`parameter "tls": got "none", want starttls or implicit: a password is never sent unencrypted`)
	}
	return nil
}

// Open checks addresses and reads secrets.
func (e *Email) Open(env Env) error {
	if err := e.open(env, asIs, html.EscapeString); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(e.Smarthost)
	if err != nil || host == "" {
		return fmt.Errorf("parameter %q: got %q, want host:port", "smarthost", e.Smarthost)
	}
	if e.port, err = strconv.Atoi(port); err != nil || e.port < 1 || e.port > 65535 {
		return fmt.Errorf("parameter %q: got %q, want a port of 1 to 65535", "smarthost", e.Smarthost)
	}
	e.host = host
	if e.from, err = mail.ParseAddress(e.From); err != nil {
		return fmt.Errorf("parameter %q: got %q, want an address such as Foreshock <alerts@example.com>", "from", e.From)
	}
	for _, to := range e.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return fmt.Errorf("parameter %q: got %q, want an address such as ops@example.com", "to", to)
		}
		e.to = append(e.to, a)
	}
	if e.Password, err = resolve("password", e.Password, e.PasswordFile); err != nil {
		return err
	}
	e.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if e.CAFile != "" {
		pem, err := os.ReadFile(e.CAFile)
		if err != nil {
			return fmt.Errorf("parameter %q: %w", "ca_file", err)
		}
		e.tls.RootCAs = x509.NewCertPool()
		if !e.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("parameter %q: %s holds no certificate", "ca_file", e.CAFile)
		}
	}
	return nil
}

// Quota is what the configuration says: mail servers document none.
func (e *Email) Quota() policy.Quota { return e.quota() }

// Destination names server and recipients.
func (e *Email) Destination() string {
	return destination("email", Secret(e.Smarthost), Secret(strings.Join(e.To, ",")))
}

// Send sends the mail to all recipients at once.
func (e *Email) Send(ctx context.Context, m cases.Message) Outcome {
	msg, id, err := e.mail(m)
	if err != nil {
		return Permanent(err.Error())
	}
	if w := e.env.Poster.show; w != nil {
		if _, err := msg.WriteTo(w); err != nil {
			return Permanent(err.Error())
		}
		return Sent("shown")
	}
	client, err := e.client()
	if err != nil {
		return Permanent(err.Error())
	}
	smtp, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return e.failed(err)
	}
	defer func() { _ = smtp.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = smtp.UpdateDeadline(deadline.Sub(e.env.Now()))
	}
	if err := client.SendWithSMTPClient(smtp, msg); err != nil {
		return e.failed(err)
	}
	_ = smtp.Quit() // the server has the mail
	o := Sent("the mail server took it")
	head := m.Previous.Data["first"]
	if head == "" {
		head = id
	}
	o.Receipt = cases.Receipt{ID: id, Data: map[string]string{"first": head}}
	return o
}

func (e *Email) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithPort(e.port), gomail.WithTLSConfig(e.tls), gomail.WithTimeout(postTimeout), gomail.WithoutNoop()}
	switch e.TLS {
	case "implicit":
		options = append(options, gomail.WithSSL())
	case "opportunistic":
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if e.Hello != "" {
		options = append(options, gomail.WithHELO(e.Hello))
	}
	if e.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(e.Username), gomail.WithPassword(e.Password.Reveal()))
	}
	return gomail.NewClient(e.host, options...)
}

// failed says what an error of the exchange means: 5xx is for good, everything before the end of the data certainly did not arrive, and an end of the
// data without an answer is unknown.
func (e *Email) failed(err error) Outcome {
	reason := message.CutRunes(message.Plain(scrub(err.Error(), e.Password.Reveal())), 300, "…")
	var sent *gomail.SendError
	var code *textproto.Error
	status := 0
	switch {
	case errors.As(err, &sent) && sent.ErrorCode() != 0:
		status = sent.ErrorCode()
	case errors.As(err, &code):
		status = code.Code
	}
	o := Retry(0, reason)
	switch {
	case status >= 500 && status < 600:
		o = Permanent(reason)
	case sent != nil && sent.Reason == gomail.ErrSMTPDataClose && status == 0:
		o = Unknown(reason)
	}
	o.Receipt = cases.Receipt{Status: status, Reply: reason}
	return o
}

// mail is the message with its identity, which is the same at every attempt.
func (e *Email) mail(m cases.Message) (*gomail.Msg, string, error) {
	l := e.letter(m)
	title, rich := e.written(m)
	if title == "" {
		title = l.Subject
	}
	page := rich
	if page == "" {
		var b bytes.Buffer
		if err := emailPage.Execute(&b, l); err != nil {
			return nil, "", err
		}
		page = b.String()
	}
	msg := gomail.NewMsg()
	msg.FromMailAddress(e.from)
	msg.ToMailAddress(e.to...)
	msg.Subject(message.CutRunes(message.Plain(title), 200, "…"))
	msg.SetDateWithValue(e.env.Now())
	msg.SetUserAgent("Foreshock")
	_, domain, _ := strings.Cut(e.from.Address, "@")
	sum := sha256.Sum256([]byte(m.Key))
	id := hex.EncodeToString(sum[:16]) + "@" + domain
	msg.SetMessageIDWithValue(id)
	if head := m.Previous.Data["first"]; head != "" && len(m.Batch) == 0 {
		msg.SetGenHeader(gomail.HeaderInReplyTo, "<"+head+">")
		msg.SetGenHeader(gomail.HeaderReferences, "<"+head+">")
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office answers
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	if m.Notice.Case.Grade <= policy.P1 && m.Notice.What != cases.WhatResolved {
		msg.SetImportance(gomail.ImportanceHigh)
	}
	msg.SetBodyString(gomail.TypeTextPlain, plainMail(l))
	msg.AddAlternativeString(gomail.TypeTextHTML, page)
	return msg, id, nil
}

// plainMail is the letter as text.
func plainMail(l letter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n%s\n", l.Mark, l.Subject, strings.Join(l.Facts, "\n"))
	for _, t := range []string{l.Note, l.Maybe} {
		if t != "" {
			b.WriteString("\n" + t + "\n")
		}
	}
	for _, a := range l.Alerts {
		b.WriteString("\n" + a + "\n")
	}
	for _, it := range l.Items {
		b.WriteString("\n" + it.Text + "\n" + it.Link + "\n")
	}
	if l.More > 0 {
		fmt.Fprintf(&b, "\n+%d\n", l.More)
	}
	b.WriteByte('\n')
	for _, to := range append(append([]link{}, l.Links...), l.Acts...) {
		fmt.Fprintf(&b, "%s: %s\n", to.Text, to.URL)
	}
	if l.Where != "" {
		b.WriteString("\n-- \n" + l.Where + "\n")
	}
	return b.String()
}

// emailPage draws the letter; html/template escapes what is put in. Styles stand in the tags, since mail programs drop style sheets.
var emailPage = htmltemplate.Must(htmltemplate.New("mail").Parse(`<!doctype html><html><head><meta charset="utf-8"></head>
<body style="font-family:sans-serif;line-height:1.4;max-width:44em">
<h2 style="margin:0 0 .4em">{{.Mark}} {{.Subject}}</h2>
<p>{{range $i, $f := .Facts}}{{if $i}} · {{end}}{{$f}}{{end}}</p>
{{with .Note}}<p><em>{{.}}</em></p>{{end}}{{with .Maybe}}<p><em>{{.}}</em></p>{{end}}
{{range .Alerts}}<pre style="white-space:pre-wrap;border-left:3px solid #999;padding-left:.8em;margin:.8em 0">{{.}}</pre>{{end}}
{{if .Items}}<ul>{{range .Items}}<li>{{if .Link}}<a href="{{.Link}}">{{.Text}}</a>{{else}}{{.Text}}{{end}}</li>{{end}}</ul>{{end}}
{{if gt .More 0}}<p>+{{.More}}</p>{{end}}
<p>{{range $i, $l := .Links}}{{if $i}} · {{end}}<a href="{{$l.URL}}">{{$l.Text}}</a>{{end}}{{range .Acts}} · <a href="{{.URL}}">{{.Text}}</a>{{end}}</p>
<p style="color:#666;font-size:.85em">{{.Where}}</p>
</body></html>
`))

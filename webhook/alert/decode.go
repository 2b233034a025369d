package alert

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// ErrNotJSON is wrapped by every error of Decode that means: the body is not
// one JSON object. Any other error but ErrTooBig is the reader's own.
var ErrNotJSON = errors.New("not a JSON alert message")

// ErrTooBig is returned when the labels of one message need more memory than
// Limits.Memory: nothing of it was accepted, the sender should try again (503).
var ErrTooBig = errors.New("the labels of this message need more memory than is allowed")

// Limits bound what is kept of one message. A text over its limit is cut at a
// character boundary and recorded in a Cut; labels are never cut.
type Limits struct {
	Annotation int   // bytes kept of one annotation, URL or other prose
	Prose      int64 // bytes kept of all such texts of one message; beyond it each keeps at most 256 bytes
	Memory     int64 // estimated bytes of everything that is kept, labels above all
}

// DefaultLimits keeps 64 KiB of a text (Slack shows 3 KB, PagerDuty takes 512
// KB for a whole event), 16 MiB of all texts of one message, and allows 512 MiB
// for everything: eight times the largest body that is reckoned with.
func DefaultLimits() Limits { return Limits{Annotation: 64 << 10, Prose: 16 << 20, Memory: 512 << 20} }

const (
	scarce        = 256 // bytes kept of a text when Prose is used up
	maxScarce     = 16  // such texts kept per alert; further ones are left out, as a Cut
	maxCuts       = 20  // Cuts kept per alert; further ones are summed up in the last
	maxBlank      = 100 // alerts without labels and fingerprint kept per message
	alertOverhead = 700 // estimated bytes of an Alert without its texts
	labelOverhead = 48  // estimated bytes of a map entry without its texts
)

// Decode reads one message from r to its end. Memory is bounded by lim and by
// the labels of the message, however long or deeply nested the body is.
//
// Missing fields stay zero: in particular an alert's Status, when it is neither
// "firing" nor "resolved", and its times. Unknown fields are skipped; a number,
// boolean or structure where text is due becomes its JSON text.
func Decode(r io.Reader, lim Limits) (Message, error) {
	d := decoder{s: newScanner(r), lim: lim, names: map[string]string{}}
	d.s.more()
	if d.s.w >= 3 && string(d.s.buf[:3]) == "\xef\xbb\xbf" { // byte order mark
		d.s.r = 3
	}
	if err := d.s.object(scarce, d.message); err != nil {
		return Message{}, err
	}
	if d.s.peek() != 0 || d.s.r < d.s.w {
		return Message{}, d.s.syntax("the end")
	}
	if d.s.err != nil && !errors.Is(d.s.err, io.EOF) {
		return Message{}, d.s.syntax("the end")
	}
	d.m.Source = Alertmanager
	if d.grafana {
		d.m.Source = Grafana
	}
	return d.m, nil
}

type decoder struct {
	s       *scanner
	lim     Limits
	m       Message
	a       Alert // being read
	grafana bool
	prose   int64             // kept so far of Limits.Prose
	memory  int64             // estimated so far of Limits.Memory
	blank   int               // alerts without labels and fingerprint so far
	names   map[string]string // label names, each kept once
}

func (d *decoder) message(key string) (err error) {
	m := &d.m
	switch key {
	case "alerts":
		return d.alerts()
	case "groupLabels":
		m.GroupLabels, err = d.labels()
	case "commonLabels":
		m.CommonLabels, err = d.labels()
	case "commonAnnotations":
		m.CommonAnnotations, err = d.annotations("commonAnnotations", &m.Cut)
	case "status":
		m.Status, err = d.status()
	case "truncatedAlerts":
		m.TruncatedAlerts, err = d.integer()
	case "orgId":
		d.grafana = true
		m.OrgID, err = d.integer()
	case "version":
		m.Version, err = d.prosaic(key, &m.Cut)
	case "groupKey":
		m.GroupKey, err = d.prosaic(key, &m.Cut)
	case "receiver":
		m.Receiver, err = d.prosaic(key, &m.Cut)
	case "externalURL":
		m.ExternalURL, err = d.prosaic(key, &m.Cut)
	case "title":
		m.Title, err = d.prosaic(key, &m.Cut)
	case "message":
		m.Message, err = d.prosaic(key, &m.Cut)
	case "state":
		d.grafana = true
		m.State, err = d.prosaic(key, &m.Cut)
	default:
		return d.s.skip()
	}
	return err
}

func (d *decoder) alerts() error {
	if d.s.peek() != '[' {
		return d.s.skip()
	}
	return d.s.array(func() error {
		if d.s.peek() != '{' {
			return d.s.skip()
		}
		d.a = Alert{}
		if err := d.s.object(scarce, d.alert); err != nil {
			return err
		}
		a := d.a
		if len(a.Labels) == 0 && a.Fingerprint == "" {
			if d.blank++; d.blank > maxBlank {
				return nil
			}
		}
		if a.Labels == nil {
			a.Labels = Labels{}
		}
		if a.Annotations == nil {
			a.Annotations = Labels{}
		}
		if a.Fingerprint == "" {
			a.Fingerprint = a.Labels.Fingerprint()
		}
		d.m.Alerts = append(d.m.Alerts, a)
		return d.spend(alertOverhead)
	})
}

func (d *decoder) alert(key string) (err error) {
	a := &d.a
	switch key {
	case "status":
		a.Status, err = d.status()
	case "labels":
		a.Labels, err = d.labels()
	case "annotations":
		a.Annotations, err = d.annotations("annotations", &a.Cut)
	case "startsAt":
		a.StartsAt, err = d.time()
	case "endsAt":
		a.EndsAt, err = d.time()
	case "fingerprint":
		k := kept{max: 65}
		err = d.s.text(&k)
		if usable(string(k.b)) {
			a.Fingerprint = string(k.b)
		}
	case "generatorURL":
		a.GeneratorURL, err = d.prosaic(key, &a.Cut)
	case "silenceURL":
		a.SilenceURL, err = d.prosaic(key, &a.Cut)
	case "dashboardURL":
		a.DashboardURL, err = d.prosaic(key, &a.Cut)
	case "panelURL":
		a.PanelURL, err = d.prosaic(key, &a.Cut)
	case "imageURL":
		a.ImageURL, err = d.prosaic(key, &a.Cut)
	case "valueString":
		a.ValueString, err = d.prosaic(key, &a.Cut)
	case "values":
		a.Values, err = d.values()
	default:
		return d.s.skip()
	}
	return err
}

// usable reports whether a sender's fingerprint can serve as a name.
func usable(f string) bool {
	if f == "" || len(f) > 64 {
		return false
	}
	for _, c := range f {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func (d *decoder) spend(bytes int) error {
	if d.memory += int64(bytes); d.lim.Memory > 0 && d.memory > d.lim.Memory {
		return ErrTooBig
	}
	return nil
}

func (d *decoder) status() (Status, error) {
	k := kept{max: 16}
	err := d.s.text(&k)
	switch Status(strings.ToLower(string(k.b))) {
	case Firing, "alerting":
		return Firing, err
	case Resolved, "ok":
		return Resolved, err
	}
	return "", err
}

func (d *decoder) integer() (int64, error) {
	k := kept{max: 32}
	err := d.s.text(&k)
	n, bad := strconv.ParseInt(string(k.b), 10, 64)
	if bad != nil {
		n = 0
	}
	return n, err
}

// time reads RFC 3339, in UTC and cut to microseconds. What is no time, and the
// year 1 that stands for "none" in Go, is the zero time.
func (d *decoder) time() (time.Time, error) {
	k := kept{max: 64}
	err := d.s.text(&k)
	t, bad := time.Parse(time.RFC3339, string(k.b))
	if bad != nil || t.UTC().Year() <= 1 {
		return time.Time{}, err
	}
	return t.UTC().Truncate(time.Microsecond), err
}

// Package alert holds what arrives: an Alertmanager webhook message (version 4)
// or a Grafana contact-point payload, and the alerts in it, as plain values.
//
// The idea: machines send, so decoding is lenient (unknown fields, missing
// fields, numbers where text is due), and it never refuses a message for its
// size, since Alertmanager would drop what is refused. The body is read as a
// stream; only annotations and other prose over a stated size are shortened,
// and every shortening is recorded as a [Cut]. No alert and no label is lost.
//
//	m, err := alert.Decode(body, alert.DefaultLimits())
//	if errors.Is(err, alert.ErrNotJSON) { /* 400 */ }
//	for _, a := range m.Alerts { fmt.Println(a.Fingerprint, a.Status, a.StartsAt) }
//
// It does not decide anything: it neither drops, nor grades, nor deduplicates,
// and it knows no clock.
package alert

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Status of one alert in one delivery.
type Status string

// The two statuses that Alertmanager and Grafana send.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
)

// Source says which kind of machine sent a message.
type Source string

// The kinds of senders that are understood.
const (
	Alertmanager Source = "alertmanager"
	Grafana      Source = "grafana"
	Own          Source = "foreshock" // the service itself
)

// Labels are names and values of an alert's labels, group labels or
// annotations. They are data: they never choose an action, reach a shell or are
// expanded as a template.
type Labels map[string]string

// Names returns the label names in ascending order.
func (l Labels) Names() []string {
	names := make([]string, 0, len(l))
	for n := range l {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// String writes the labels as {a="b", c="d"}, sorted by name, values quoted as
// Go strings.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range l.Names() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(n)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(l[n]))
	}
	b.WriteByte('}')
	return b.String()
}

// Fingerprint is the 64-bit FNV-1a of the sorted labels as 16 hexadecimal
// digits: what Prometheus' and Alertmanager's own fingerprint is, so an alert
// keeps its identity whether or not the sender names it.
func (l Labels) Fingerprint() string {
	h := fnv.New64a()
	sep := []byte{0xff}
	for _, n := range l.Names() {
		_, _ = h.Write([]byte(n))
		_, _ = h.Write(sep)
		_, _ = h.Write([]byte(l[n]))
		_, _ = h.Write(sep)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Alert is one alert of one message.
//
// Times are UTC and truncated to microseconds, so that they survive every store
// unchanged; the zero time means "not given". Labels and Annotations are owned
// by the alert and are never nil after Decode.
type Alert struct {
	Status       Status    `json:"status"`
	Labels       Labels    `json:"labels"`
	Annotations  Labels    `json:"annotations,omitempty"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt,omitzero"` // zero while firing
	GeneratorURL string    `json:"generatorURL,omitempty"`
	// Fingerprint is the sender's when it gave a usable one (1 to 64 letters,
	// digits, '-' or '_'), else Labels.Fingerprint.
	Fingerprint string `json:"fingerprint"`

	// Grafana's additions; empty from Alertmanager.
	SilenceURL   string             `json:"silenceURL,omitempty"`
	DashboardURL string             `json:"dashboardURL,omitempty"`
	PanelURL     string             `json:"panelURL,omitempty"`
	ImageURL     string             `json:"imageURL,omitempty"`
	ValueString  string             `json:"valueString,omitempty"`
	Values       map[string]float64 `json:"values,omitempty"`

	// Cut names every text of this alert that was shortened.
	Cut []Cut `json:"cut,omitempty"`
}

// Name is the alertname label, or "unnamed alert".
func (a Alert) Name() string {
	if n := a.Labels["alertname"]; n != "" {
		return n
	}
	return "unnamed alert"
}

// Key is the idempotency key of the alert in a cluster:
// cluster/fingerprint/startsAt (RFC 3339 with microseconds)/status. The sender
// is not part of it: all Alertmanagers of a cluster say the same thing.
func (a Alert) Key(cluster string) string {
	return Identity{cluster, a.Fingerprint}.String() + "/" +
		a.StartsAt.UTC().Format("2006-01-02T15:04:05.000000Z") + "/" + string(a.Status)
}

// Cut records that a text was shortened.
type Cut struct {
	Field string `json:"field"` // e.g. "annotations.description" or "message"
	Bytes int64  `json:"bytes"` // length of the decoded text before the cut
	Kept  int    `json:"kept"`  // bytes kept, at a character boundary
}

// Identity names an alert within all clusters, whatever its state and whenever
// it fires. It is comparable and may be a map key.
type Identity struct {
	Cluster     string `json:"cluster"`
	Fingerprint string `json:"fingerprint"`
}

// String is cluster/fingerprint.
func (i Identity) String() string { return i.Cluster + "/" + i.Fingerprint }

// Compare orders identities by cluster, then by fingerprint.
func (i Identity) Compare(j Identity) int {
	if c := strings.Compare(i.Cluster, j.Cluster); c != 0 {
		return c
	}
	return strings.Compare(i.Fingerprint, j.Fingerprint)
}

// Message is one webhook body.
type Message struct {
	Source            Source  `json:"source"`
	Version           string  `json:"version,omitempty"` // "4" from Alertmanager, "1" from Grafana; not checked
	GroupKey          string  `json:"groupKey,omitempty"`
	Receiver          string  `json:"receiver,omitempty"`
	Status            Status  `json:"status,omitempty"`
	GroupLabels       Labels  `json:"groupLabels,omitempty"`
	CommonLabels      Labels  `json:"commonLabels,omitempty"`
	CommonAnnotations Labels  `json:"commonAnnotations,omitempty"`
	ExternalURL       string  `json:"externalURL,omitempty"`
	TruncatedAlerts   int64   `json:"truncatedAlerts,omitempty"` // left off by the sender's max_alerts
	Alerts            []Alert `json:"alerts"`

	// Grafana's additions; empty from Alertmanager.
	Title   string `json:"title,omitempty"`
	State   string `json:"state,omitempty"`
	Message string `json:"message,omitempty"`
	OrgID   int64  `json:"orgId,omitempty"`

	// Cut names the shortened texts of the message itself; those of its alerts
	// are with the alerts.
	Cut []Cut `json:"cut,omitempty"`
}

// Delivery is one accepted POST: the message and how it came.
type Delivery struct {
	ID       string    `json:"id"`      // unique, sorts by time (ULID)
	Cluster  string    `json:"cluster"` // which Alertmanager cluster; configuration, not the sender's address
	Sender   string    `json:"sender"`  // remote address, for people only
	Received time.Time `json:"received"`
	Message  Message   `json:"message"`
	// Raw is the body as received, gzip-compressed; nil when it was not kept.
	// RawSize is the body's full length, RawCut whether Raw stops before its end.
	Raw     []byte `json:"-"`
	RawSize int64  `json:"rawSize"`
	RawCut  bool   `json:"rawCut,omitempty"`
}

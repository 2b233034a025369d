package scorer

import (
	"time"

	"github.com/prometheus/common/config"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Config is a configuration file, decoded and checked.
type Config struct {
	Prometheus Prometheus
	// PrometheusHTTP is prometheus.http_config.
	PrometheusHTTP config.HTTPClientConfig
	// RemoteWrite is the section remote_write; RemoteWrite.URL is empty without one.
	RemoteWrite     RemoteWrite
	RemoteWriteHTTP config.HTTPClientConfig
	Rules           []Rule
}

// Prometheus is the section prometheus: where samples come from.
type Prometheus struct {
	URL            string            `json:"url" yaml:"url" help:"Address of Prometheus, VictoriaMetrics or what speaks the same API. The flag --prometheus.url overrides it."`
	Settle         registry.Duration `json:"settle" yaml:"settle" min:"0" max:"86400" help:"How late samples may arrive: the newest judged sample is at least so old."`
	SealAfter      registry.Duration `json:"seal_after" yaml:"seal_after" min:"60" max:"604800" help:"Age from which history is taken as final and kept in memory: at least the out-of-order window of the server."`
	ScrapeInterval registry.Duration `json:"scrape_interval" yaml:"scrape_interval" min:"0.001" max:"86400" help:"Scrape interval of the server, for $__rate_interval."`
	Dialect        string            `json:"dialect" yaml:"dialect" enum:"promql,metricsql" help:"Language of the expressions: promql is checked when the file is read, metricsql (VictoriaMetrics) only by the server."`
	Timeout        registry.Duration `json:"timeout" yaml:"timeout" min:"1" max:"3600" help:"How long one evaluation of a rule may take."`
	MaxConcurrent  int               `json:"max_concurrent" yaml:"max_concurrent" min:"1" max:"1000" help:"Requests to the server at a time."`
	MaxSeries      int               `json:"max_series" yaml:"max_series" min:"1" max:"1000000" help:"Series that one expression may have over its training window, those that are gone included."`
	MaxBytes       int64             `json:"max_bytes" yaml:"max_bytes" min:"1048576" help:"Memory of one answer, in bytes."`
}

// DefaultPrometheus returns the defaults of the section.
func DefaultPrometheus() Prometheus {
	return Prometheus{
		SealAfter: registry.Duration(10 * time.Minute), ScrapeInterval: registry.Duration(15 * time.Second), Dialect: "promql", Timeout: registry.Duration(2 * time.Minute),
		MaxConcurrent: 4, MaxSeries: 50_000, MaxBytes: 1 << 30,
	}
}

// RemoteWrite is the section remote_write: where published samples are also sent, stamped with the time that they judge.
type RemoteWrite struct {
	URL        string `json:"url" yaml:"url" help:"Address of a remote-write receiver, such as http://prometheus:9090/api/v1/write."`
	MaxPending int    `json:"max_pending" yaml:"max_pending" min:"1" max:"100000000" unit:"samples" help:"Samples that wait while the receiver is away; beyond it the oldest are dropped."`
}

// DefaultRemoteWrite returns the defaults of the section.
func DefaultRemoteWrite() RemoteWrite { return RemoteWrite{MaxPending: 1_000_000} }

// Rule is one detector over the series of an expression, or of several.
type Rule struct {
	Fields
	Policy detect.Policy
	Labels map[string]string
	// Dimensions are the expressions of a vector's dimensions by name, of rules of the kind joint that have no expr.
	Dimensions map[string]string
	// Judge has the decoded detector, walk and policy of the kind series, Joint and Peers those of the other kinds.
	Judge detect.Judge
	Joint detect.JudgeJoint
	Peers detect.JudgePeers
	// Line is where the rule begins in its file.
	Line int
}

// Fields are the plain fields of a rule.
type Fields struct {
	Name           string            `json:"name" yaml:"name" help:"Name of the rule, unique in the file: the label rule of all its series."`
	Kind           string            `json:"kind" yaml:"kind" enum:"series,joint,peers" help:"What is judged: each series alone, several series read as one vector (joint), or the members of a fleet by each other (peers)."`
	Expr           string            `json:"expr" yaml:"expr" help:"PromQL expression whose series are judged. $__interval is the step, $__rate_interval at least four scrapes, $__range the training window."`
	Clean          string            `json:"clean" yaml:"clean" help:"PromQL expression whose truth marks the samples that fits learn from, like errors < 0.2; empty: they learn from all."`
	GroupBy        []string          `json:"group_by" yaml:"group_by" help:"Labels that tell vectors or fleets apart, of the kinds joint and peers."`
	Detector       string            `json:"detector" yaml:"detector" help:"Detector of the rule's kind, see foreshock detectors; of peers the default is mad."`
	Interval       registry.Duration `json:"interval" yaml:"interval" min:"0" max:"86400" help:"How often the rule is evaluated: a multiple of the step; 0s is the step."`
	Selftest       string            `json:"selftest" yaml:"selftest" enum:"on,off" help:"Whether the rule must find what is put into its own series before it is armed; off needs a reason."`
	SelftestReason string            `json:"selftest_reason" yaml:"selftest_reason" help:"Why the self-test is off; shown with the rule."`
	// MaxSeries bounds what a change of labels can cost.
	MaxSeries int `json:"max_series" yaml:"max_series" min:"1" max:"1000000" help:"Series that the rule judges, over all shards: the first by their labels; the rest is counted as dropped."`
	detect.Walk
}

// DefaultFields returns the defaults of a rule.
func DefaultFields() Fields {
	return Fields{Kind: kindSeries, Selftest: "on", Detector: "auto", MaxSeries: 1000, Walk: detect.DefaultWalk()}
}

// every returns how often the rule is evaluated, in milliseconds.
func (r Rule) every() int64 {
	if r.Interval > 0 {
		return r.Interval.Milliseconds()
	}
	return r.Step.Milliseconds()
}

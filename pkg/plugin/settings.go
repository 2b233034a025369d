package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

// Settings are the options of a data source beyond those of HTTP, which the SDK reads itself from the same JSON.
type Settings struct {
	MaxSeries    int               `json:"maxSeries" min:"1" max:"10000" help:"How many series one query judges; more are left out with a notice."`
	Zone         string            `json:"zone" help:"Time zone in which days begin, for queries that name none."`
	Lang         string            `json:"lang" enum:"en,zh-Hans" help:"Language of notices and reasons, for queries that name none."`
	Settle       registry.Duration `json:"settle" min:"0" max:"604800" help:"How late samples may arrive at the source: the newest so much is not judged yet."`
	HTTPMethod   string            `json:"httpMethod" enum:"POST,GET" help:"HTTP method of queries."`
	TimeInterval registry.Duration `json:"timeInterval" min:"0.001" max:"86400" help:"Scrape interval of the source, for $__rate_interval."`
	FitCache     int               `json:"fitCacheMiB" min:"1" max:"65536" help:"Memory for fitted models, in MiB."`
	WebhookURL   string            `json:"webhookURL" help:"Address of the webhook, for queries of the kind cases."`
	BlockCache   int               `json:"blockCacheMiB" min:"1" max:"65536" help:"Memory for samples of past days, in MiB."`
	LokiURL      string            `json:"lokiUrl" help:"Address of Loki, for log queries with LogQL."`
	LokiTenant   string            `json:"lokiTenant" help:"Tenant of Loki, sent as X-Scope-OrgID."`
	LokiUser     string            `json:"lokiUser" help:"User for Loki; the password is the secret lokiPassword."`
}

func defaultSettings() Settings {
	return Settings{
		MaxSeries: 100, Zone: "UTC", Lang: message.English, HTTPMethod: "POST",
		TimeInterval: registry.Duration(15 * time.Second), // Grafana's own default for Prometheus
		FitCache:     64,                                  // some ten thousand fits of a few KiB
		BlockCache:   256,                                 // 100 series a minute apart for three weeks
	}
}

// Validate reports settings that the tags cannot rule out.
func (s *Settings) Validate() error {
	_, err := detect.Walk{Zone: s.Zone}.Location()
	return err
}

// readSettings reads our options from the data source's JSON and leaves the SDK's alone. Absent, null and empty mean the default.
func readSettings(raw json.RawMessage) (Settings, error) {
	s := defaultSettings()
	if len(bytes.TrimSpace(raw)) == 0 {
		return s, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return s, fmt.Errorf("data source settings: want a JSON object: %w", err)
	}
	ours := map[string]any{}
	for _, p := range registry.ParamsOf(s) {
		if v, ok := object[p.Name]; ok && string(v) != "null" && string(v) != `""` {
			ours[p.Name] = v
		}
	}
	if err := registry.DecodeInto(&s, registry.FromMap(ours)); err != nil {
		return s, fmt.Errorf("data source settings: %w", err)
	}
	return s, nil
}

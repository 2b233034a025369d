package api

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/foreshock/foreshock/webhook/alert"
)

// Explore makes links into Grafana. The zero value makes none.
type Explore struct {
	URL        string // of Grafana, as people reach it
	DataSource string // UID of its Prometheus data source
}

// exploreBefore is what is shown of the time before an alert began, to see what was usual.
const exploreBefore = time.Hour

// Link is the address of Explore with the alert's own query over the time in which it fires; "" when one of them is not known. The query is
// what Prometheus put into the generator's address; it is a value in Grafana's address and nothing else.
func (e Explore) Link(a alert.Alert, now time.Time) string {
	if e.URL == "" || e.DataSource == "" {
		return ""
	}
	u, err := url.Parse(a.GeneratorURL)
	if err != nil {
		return ""
	}
	expr := u.Query().Get("g0.expr")
	if expr == "" {
		return ""
	}
	until := now
	if a.Status == alert.Resolved && !a.EndsAt.IsZero() {
		until = a.EndsAt
	}
	type source struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	type query struct {
		RefID      string `json:"refId"`
		Expr       string `json:"expr"`
		DataSource source `json:"datasource"`
	}
	type span struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	type pane struct {
		DataSource string  `json:"datasource"`
		Queries    []query `json:"queries"`
		Range      span    `json:"range"`
	}
	panes, err := json.Marshal(map[string]pane{"a": {
		DataSource: e.DataSource, Queries: []query{{"A", expr, source{"prometheus", e.DataSource}}},
		Range: span{strconv.FormatInt(a.StartsAt.Add(-exploreBefore).UnixMilli(), 10), strconv.FormatInt(until.UnixMilli(), 10)},
	}})
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(e.URL, "/") + "/explore?" + url.Values{"schemaVersion": {"1"}, "orgId": {"1"}, "panes": {string(panes)}}.Encode()
}

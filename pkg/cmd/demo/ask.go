package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// pluginProcess is the built plugin binary, started and asked as Grafana does: over its gRPC protocol.
type pluginProcess struct {
	client      *plugin.Client
	queries     grpcplugin.DataClient
	diagnostics grpcplugin.DiagnosticsClient
	source      backend.PluginContext
}

const pluginID = "foreshock-anomaly-datasource"

// startPlugin starts the binary with one data source on the given Prometheus and webhook.
func startPlugin(binary, prometheusURL, webhookURL string) (*pluginProcess, error) {
	settings, err := json.Marshal(map[string]string{"timeInterval": "15s", "webhookURL": webhookURL})
	if err != nil {
		return nil, fmt.Errorf("writing the settings of the data source: %w", err)
	}
	cmd := exec.Command(binary)
	cmd.SysProcAttr = attributes()
	client := plugin.NewClient(&plugin.ClientConfig{
		Cmd: cmd, AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, Logger: hclog.NewNullLogger(), SyncStdout: io.Discard, SyncStderr: io.Discard,
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: grpcplugin.ProtocolVersion, MagicCookieKey: grpcplugin.MagicCookieKey, MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]plugin.PluginSet{grpcplugin.ProtocolVersion: {
			"data": &grpcplugin.DataGRPCPlugin{}, "diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
		}},
	})
	p := &pluginProcess{client: client, source: backend.PluginContext{
		Namespace: "default", PluginID: pluginID,
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: 1, UID: "foreshock", Name: "Foreshock", Type: pluginID, URL: prometheusURL, Updated: time.Now(),
			JSONData: settings,
		},
	}}
	if err := p.connect(); err != nil {
		client.Kill()
		return nil, fmt.Errorf("starting the plugin %s: %w", binary, err)
	}
	return p, nil
}

func (p *pluginProcess) connect() error {
	rpc, err := p.client.Client()
	if err != nil {
		return err
	}
	for name, take := range map[string]func(any) bool{
		"data":        func(c any) (ok bool) { p.queries, ok = c.(grpcplugin.DataClient); return ok },
		"diagnostics": func(c any) (ok bool) { p.diagnostics, ok = c.(grpcplugin.DiagnosticsClient); return ok },
	} {
		raw, err := rpc.Dispense(name)
		if err != nil {
			return fmt.Errorf("its service %q: %w", name, err)
		}
		if !take(raw) {
			return fmt.Errorf("its service %q is a %T", name, raw)
		}
	}
	return nil
}

// Stop ends the plugin.
func (p *pluginProcess) Stop() { p.client.Kill() }

// health is what "Save & test" says.
func (p *pluginProcess) health(ctx context.Context) (ok bool, message string, err error) {
	r, err := p.diagnostics.CheckHealth(ctx, &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(p.source)})
	if err != nil {
		return false, "", fmt.Errorf("asking the plugin for its health: %w", err)
	}
	return r.Status == pluginv2.CheckHealthResponse_OK, r.Message, nil
}

// query asks one query over a range, as a panel of so many points does.
func (p *pluginProcess) query(ctx context.Context, json string, from, to time.Time, points int64) (data.Frames, error) {
	req := &backend.QueryDataRequest{PluginContext: p.source, Queries: []backend.DataQuery{{
		RefID: "A", JSON: []byte(json), MaxDataPoints: points, Interval: time.Second, TimeRange: backend.TimeRange{From: from, To: to},
	}}}
	answer, err := p.queries.QueryData(ctx, backend.ToProto().QueryDataRequest(req))
	if err != nil {
		return nil, fmt.Errorf("asking the plugin: %w", err)
	}
	resp, err := backend.FromProto().QueryDataResponse(answer)
	if err != nil {
		return nil, fmt.Errorf("reading the plugin's answer: %w", err)
	}
	r, ok := resp.Responses["A"]
	if !ok {
		return nil, fmt.Errorf("the plugin did not answer the query")
	}
	if r.Error != nil {
		return nil, fmt.Errorf("the plugin answered: %w", r.Error)
	}
	return r.Frames, nil
}

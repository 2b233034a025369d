package plugin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/message"
	"github.com/foreshock/foreshock/pkg/registry"
)

// call asks for a resource in process.
func call(t testing.TB, d *Datasource, method, path string) (int, string) {
	t.Helper()
	var got *backend.CallResourceResponse
	name, _, _ := strings.Cut(path, "?")
	err := d.CallResource(context.Background(), &backend.CallResourceRequest{Method: method, Path: name, URL: path},
		backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error { got = r; return nil }))
	if err != nil || got == nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got.Status, string(got.Body)
}

func TestResources(t *testing.T) {
	t.Parallel()
	srv := newServer(t, nil)
	good := instance(t, srv.URL, `{}`)
	gone := instance(t, closed(t), `{}`)
	broken := instance(t, "", `{}`)
	for _, tt := range []struct {
		d            *Datasource
		method, path string
		status       int
		want         string
	}{
		{good, "GET", "labels", 200, `["__name__","file"]`},
		{good, "GET", "labels/file/values?start=1700000000&end=1700003600.5", 200, `["a","b"]`},
		{good, "GET", "labels/a%2Fb/values", 200, `[]`},
		{good, "GET", "labels/none/values", 200, `[]`},
		{good, "GET", "metrics", 200, `[{"name":"nab","type":"histogram","help":"Numenta."},{"name":"nab_bucket","type":"histogram","help":"Numenta."},{"name":"up"}]`},
		{good, "GET", "metrics?prefix=nab_", 200, `[{"name":"nab_bucket","type":"histogram","help":"Numenta."}]`},
		{good, "GET", "metrics?limit=1", 200, `[{"name":"nab","type":"histogram","help":"Numenta."}]`},
		{good, "GET", "metrics?limit=0", 400, `{"error":"parameter \"limit\": got \"0\", want 1 to 10000"}`},
		{good, "GET", "labels?start=yesterday", 400, `{"error":"parameter \"start\": got \"yesterday\", want a time in unix seconds"}`},
		{good, "GET", "labels?start=1\u0026start=2", 400, `{"error":"parameter \"start\": got it 2 times, want it once"}`},
		{good, "GET", "labels?match[]=up", 400, `{"error":"unknown parameter \"match[]\": want one of start, end, limit, match"}`},
		{good, "GET", "labels/file/values?match=up", 200, `["a"]`},
		{good, "POST", "labels", 405, `{"error":"method POST is not allowed: want GET"}`},
		{good, "GET", "secrets", 404, `{"error":"unknown resource \"secrets\": want descriptors, labels, labels/{name}/values, metrics or cases/{id}/{command}"}`},
		{good, "GET", "descriptors?lang=fr", 400, `{"error":"parameter \"lang\": got \"fr\", want one of en, zh-Hans"}`},
		{gone, "GET", "labels", 502, `{"error":"cannot reach http://127.0.0.1:`},
		{broken, "GET", "labels", 400, `{"error":"the data source has no URL: enter the address of Prometheus, such as http://prometheus:9090"}`},
		{broken, "GET", "descriptors", 200, `{"kinds":[{"name":"detect"`},
	} {
		status, body := call(t, tt.d, tt.method, tt.path)
		if status != tt.status || !strings.HasPrefix(body, tt.want) {
			t.Errorf("%s %s: %d %.300s\nwant %d %s", tt.method, tt.path, status, body, tt.status, tt.want)
		}
	}
}

// TestDescriptorsHaveTheirTexts: each registered detector, parameter, output and unit has a Chinese text, and the English of the catalogue
// is that of the code. It fails for whoever adds or changes one and forgets catalogue_plugin.json.
func TestDescriptorsHaveTheirTexts(t *testing.T) {
	t.Parallel()
	check := func(key, english string) {
		t.Helper()
		switch {
		case !message.Has(key):
			t.Errorf("pkg/message/catalogue_plugin.json lacks %q: %q", key, english)
		case english != "" && message.Text(message.English, key) != english:
			t.Errorf("%s: the catalogue has %q, the code %q: translate it anew", key, message.Text(message.English, key), english)
		}
	}
	params := func(prefix string, params []registry.Param) {
		t.Helper()
		for _, p := range params {
			if p.Help == "" {
				t.Errorf("%s.%s has no help", prefix, p.Name)
			}
			check(prefix+"."+p.Name+".help", p.Help)
			if p.Unit != "" {
				check("unit."+p.Unit, p.Unit)
			}
		}
	}
	params("policy", registry.ParamsOf(detect.DefaultPolicy()))
	params("walk", registry.ParamsOf(detect.DefaultWalk()))
	for _, name := range detect.Detectors.Names() {
		if strings.HasPrefix(name, "test_") {
			continue
		}
		e, err := detect.Detectors.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		check("detector."+name+".title", "")
		check("detector."+name+".summary", e.Summary)
		params("param."+name, registry.ParamsOf(e.New()))
		for _, p := range registry.ParamsOf(e.New()) {
			check("param."+name+"."+p.Name+".title", "")
		}
	}
	for _, name := range Kinds.Names() {
		e, err := Kinds.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		check("kind."+name+".title", "")
		check("kind."+name+".summary", e.Summary)
		for _, o := range e.New().Outputs() {
			check("kind."+name+".output."+o+".title", "")
			check("kind."+name+".output."+o+".help", "")
		}
	}
	for _, st := range detect.States() {
		if st != detect.OK {
			check("plugin.notice."+st.String(), "")
		}
	}
}

func TestDescriptorsInBothLanguages(t *testing.T) {
	t.Parallel()
	d := instance(t, "http://127.0.0.1:1", `{"zone":"Asia/Shanghai"}`)
	read := func(path string) Descriptors {
		t.Helper()
		status, body := call(t, d, "GET", path)
		var out Descriptors
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", path, status, err)
		}
		return out
	}
	en, zh := read("descriptors?lang=en"), read("descriptors?lang=zh-Hans")
	if len(en.Detectors) != len(zh.Detectors) || len(en.Policy) != len(zh.Policy) || len(en.Walk) != len(zh.Walk) {
		t.Fatal("the languages have different members")
	}
	for i := range en.Policy {
		if a, b := en.Policy[i], zh.Policy[i]; a.Name != b.Name || a.Type != b.Type || a.Help == b.Help {
			t.Errorf("policy: %+v and %+v", a, b)
		}
	}
	if got := read("descriptors"); got.Policy[0].Help != en.Policy[0].Help {
		t.Error("without a language it is not that of the data source")
	}
	i := slices.IndexFunc(en.Walk, func(p ParamDescriptor) bool { return p.Name == "zone" })
	if i < 0 || en.Walk[i].Default != "Asia/Shanghai" {
		t.Errorf("the zone of the data source is not the default: %+v", en.Walk)
	}
	outputs := en.Kinds[0].Outputs
	if len(outputs) != 4 || outputs[0].Name != "series" || outputs[0].Title == "series" || outputs[0].Help == "" {
		t.Errorf("outputs %+v", outputs)
	}
}

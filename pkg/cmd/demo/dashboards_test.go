package main

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// boardPanel is what the tests look at of a dashboard's panel.
type boardPanel struct {
	Type, Title string
	Panels      []boardPanel
	Targets     []struct{ Expr string }
	FieldConfig struct {
		Defaults  struct{ NoValue string }
		Overrides []struct {
			Properties []struct {
				ID    string
				Value json.RawMessage
			}
		}
	}
}

// boardPanels are the panels of a dashboard, those inside of rows too.
func boardPanels(t *testing.T, file string) []boardPanel {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d struct{ Panels []boardPanel }
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var out []boardPanel
	for _, p := range d.Panels {
		out = append(out, p)
		out = append(out, p.Panels...)
	}
	return out
}

// TestEmptyPanelsSayWhy holds panels that are empty on a healthy day to a text of their own: "No data" would read like a fault.
func TestEmptyPanelsSayWhy(t *testing.T) {
	t.Parallel()
	filter := regexp.MustCompile(`(> 0|== 1)\)?$`)
	for _, file := range files(t, "dashboards/*.json") {
		for _, p := range boardPanels(t, file) {
			empty := len(p.Targets) > 0
			for _, target := range p.Targets {
				empty = empty && filter.MatchString(strings.TrimSpace(target.Expr))
			}
			if empty && p.FieldConfig.Defaults.NoValue == "" {
				t.Errorf("%s: panel %q shows only what is not zero, and has no noValue for when there is nothing", filepath.Base(file), p.Title)
			}
		}
	}
}

// TestButtonsMayPost compares the buttons of dashboards with what Grafana is told to let post, in the demo and in docker-compose.yml.
func TestButtonsMayPost(t *testing.T) {
	t.Parallel()
	const pattern = "/api/datasources/uid/*/resources/*"
	ini, err := configs.ReadFile("config/grafana.ini")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(ini), "\nactions_allow_post_url = "+pattern+"\n") {
		t.Errorf("the demo's grafana.ini does not allow %s", pattern)
	}
	if got := compose(t).Services["grafana"].Environment["GF_SECURITY_ACTIONS_ALLOW_POST_URL"]; got == nil || *got != pattern {
		t.Errorf("docker-compose.yml: GF_SECURITY_ACTIONS_ALLOW_POST_URL of grafana is %v, want %s", got, pattern)
	}
	buttons := 0
	for _, file := range files(t, "dashboards/*.json") {
		for _, p := range boardPanels(t, file) {
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					if property.ID != "actions" {
						continue
					}
					var actions []struct {
						Title string
						Fetch struct{ Method, URL string }
					}
					if err := json.Unmarshal(property.Value, &actions); err != nil {
						t.Fatalf("%s: %q: %v", file, p.Title, err)
					}
					for _, a := range actions {
						buttons++
						filled := strings.NewReplacer("${datasource}", "foreshock", "${__data.fields.id}", "01ABC").Replace(a.Fetch.URL)
						head, command := path.Split(filled)
						// As Grafana's own matcher does: a star stands for anything, slashes too.
						if head != "/api/datasources/uid/foreshock/resources/cases/01ABC/" || a.Fetch.Method != "POST" {
							t.Errorf("%s: button %q: %s %s is no command of the plugin", filepath.Base(file), a.Title, a.Fetch.Method, filled)
						}
						if command == "" || strings.ContainsAny(command, "$?") {
							t.Errorf("%s: button %q has no command", filepath.Base(file), a.Title)
						}
					}
				}
			}
		}
	}
	if buttons < 2 {
		t.Errorf("%d buttons ship, want those of the dashboard Cases", buttons)
	}
}

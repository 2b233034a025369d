package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The examples of docs/escalation.md are a good configuration, together.
func TestEscalationManual(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/escalation.md")
	if err != nil {
		t.Fatal(err)
	}
	text := "channels: {ann-telegram: {type: log}, bob-telegram: {type: log}, pager: {type: log}, sms: {type: log}}\n"
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(raw), -1)
	for _, b := range blocks {
		text += b[1]
	}
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 3 || len(f.Escalation.Ladders) != 1 || len(f.Schedules["db"].Layers) != 3 || len(f.Watchdogs) != 1 || len(f.Calendars) != 1 {
		t.Errorf("%d examples: %+v", len(blocks), f.Rules)
	}
}

// One sentence per mistake, with its path, what was given and what is allowed.
func TestEscalationMistakes(t *testing.T) {
	t.Parallel()
	const base = "channels: {log: {type: log}}\npeople: {ann: {channels: [log]}}\n"
	layer := func(rest string) string { return base + "schedules: {ops: {layers: [{name: l, " + rest + "}]}}" }
	for _, tt := range []struct{ text, want string }{
		{"channels: {log: {type: log}}\npeople: {ann: {name: x}}", "people.ann.channels: is empty: want at least one configured channel"},
		{"channels: {log: {type: log}}\npeople: {ann: {channels: [sms]}}", `people.ann.channels: unknown channel "sms": want one of log`},
		{"channels: {log: {type: log}}\npeople: {ann: {channels: [log], zone: Europe/Berln}}", `people.ann.zone: unknown time zone "Europe/Berln"`},
		{base + "escalation: {ladders: [{name: l, steps: [{wait: 5m, targets: [ann]}]}]}", `escalation.ladders[0].steps[0].targets[0]: target "ann": want channel:NAME, person:NAME or schedule:NAME`},
		{base + "escalation: {ladders: [{name: l, steps: [{wait: 5m, targets: [person:bob]}]}]}", `escalation.ladders[0].steps[0].targets[0]: unknown person "bob": want one of ann`},
		{base + "escalation: {ladders: [{name: l, steps: [{wait: 5m, targets: [schedule:ops]}]}]}", `unknown schedule "ops": none is configured`},
		{base + "escalation: {ladders: [{name: l, steps: [{targets: [person:ann]}]}]}", `escalation.ladders[0].steps[0].wait: "0s": want a duration above 0`},
		{base + "escalation: {ladders: [{steps: []}]}", "escalation.ladders[0].name: is empty"},
		{base + "escalation: {ladders: [{name: l, repeat: -1}]}", "escalation.ladders[0].repeat: got -1, want 0 to 1000"},
		{base + "sla: {warn_at: 1.5}", "sla.warn_at: got 1.5, want a part above 0 and up to 1"},
		{base + "schedules: {ops: {layers: []}}", "schedules.ops.layers: is empty: want at least one"},
		{base + "schedules: {ops: {zone: Local, layers: []}}", `schedules.ops.zone: got "Local"`},
		{layer("people: [bob], start: 2026-01-05"), `schedules.ops.layers[0].people[0]: unknown person "bob": want one of ann`},
		{layer("people: [ann]"), `schedules.ops.layers[0].start: got "", want a date and a time of day like "2026-01-05 09:00"`},
		{layer("people: [ann], start: 2026-01-05, turn: monthly"), `schedules.ops.layers[0].turn: turn "monthly": want daily, weekly, or a duration`},
		{layer("people: [ann], start: 2026-01-05, until: 2026-01-01"), `schedules.ops.layers[0].until: "2026-01-01": want a time after start`},
		{layer("people: [ann], start: 2026-01-05, restrict: [{days: [moon], from: '9:00', to: '25:00'}]"), `schedules.ops.layers[0].restrict[0].days[0]: day "moon": want one of mon`},
		{layer("people: [ann], start: 2026-01-05, restrict: [{from: '09:00', to: '09:00'}]"), `schedules.ops.layers[0].restrict[0].to: "09:00" is where it begins`},
		{layer("calendar: team"), `schedules.ops.layers[0].calendar: unknown calendar "team"`},
		{layer("people: [ann], start: 2026-01-05") + "\ncalendars: {team: {}}", "calendars.team: 0 of url, url_file and file are set: want one"},
		{layer("people: [ann], start: 2026-01-05") + "\ncalendars: {team: {url: 'ftp://u:hunter2@h/x'}}", "calendars.team.url: want an address like https://"},
		{base + "watchdogs: [{name: w, max_silence: 5m, channels: [log]}]", "watchdogs[0].match: is empty"},
		{base + "watchdogs: [{name: w, match: [a=b], max_silence: 1s, channels: [log]}]", `watchdogs[0].max_silence: "1s": want at least 10s`},
		{base + "watchdogs: [{name: w, match: [a=b], max_silence: 5m}]", "watchdogs[0].channels: is empty"},
	} {
		_, err := Parse([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n\tgot  %v\n\twant %s", tt.text, err, tt.want)
		}
	}
}

package config

import (
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/foreshock/foreshock/pkg/registry"
	"github.com/foreshock/foreshock/webhook/notify"
)

// Channels are the configured channels by the name that routes use.
type Channels map[string]Channel

// Channel is one configured channel: the kind, and its settings as the kind's options take them.
type Channel struct {
	Type     string
	settings map[string]any
}

// Open makes the channel ready to send; see notify.Open.
func (c Channel) Open(env notify.Env) (notify.Channel, error) {
	return notify.Open(c.Type, registry.FromMap(c.settings), env)
}

// In is the channel with messages in the language.
func (c Channel) In(lang string) Channel {
	settings := maps.Clone(c.settings)
	settings["lang"] = lang
	return Channel{Type: c.Type, settings: settings}
}

// nameRunes are what a channel's name may consist of: it appears in metrics, keys and pages.
const nameRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

func goodName(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, nameRunes) == ""
}

// channels decodes the mapping of names to channels. Settings are checked later, when the channel is opened.
func (d *decoder) channels(n *yaml.Node, path string, v reflect.Value) {
	out := Channels{}
	d.entries(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		d.lines[at] = key.Line
		value, ok := d.resolveAlias(value, at)
		switch {
		case !ok:
			return
		case !goodName(key.Value) || key.Value == "internal":
			d.fail(key, path, "channel name %s: want 1 to 64 letters, digits, '-', '_' or '.', and not internal", shown(key))
			return
		}
		out[key.Value] = d.channel(value, at)
	})
	v.Set(reflect.ValueOf(out))
}

func (d *decoder) channel(n *yaml.Node, path string) Channel {
	c := Channel{settings: map[string]any{}}
	values := map[string]*yaml.Node{}
	d.entries(n, path, func(key, value *yaml.Node) {
		d.lines[join(path, key.Value)] = key.Line
		if value, ok := d.resolveAlias(value, join(path, key.Value)); ok {
			values[key.Value] = value
		}
	})
	if n.Kind != yaml.MappingNode {
		return c
	}
	kinds := "one of " + strings.Join(notify.Channels.Names(), ", ")
	kind, ok := values["type"]
	if !ok {
		d.fail(n, path+".type", "is missing: want %s", kinds)
		return c
	}
	c.Type = kind.Value
	params, err := notify.Channels.Params(c.Type)
	if err != nil {
		d.fail(kind, path+".type", "got %s, want %s", shown(kind), kinds)
		c.Type = ""
		return c
	}
	delete(values, "type")
	for name, value := range values {
		c.settings[name] = d.setting(value, join(path, name), paramType(params, name))
	}
	return c
}

func paramType(params []registry.Param, name string) string {
	for _, p := range params {
		if p.Name == name {
			return p.Type
		}
	}
	return ""
}

// setting is the value in the form that the registry decodes. Text is taken as written (see decoder.plain); a list or a mapping in its
// place is refused here, without showing it.
func (d *decoder) setting(n *yaml.Node, path, kind string) any {
	switch kind {
	case "string", "enum", "duration":
		if !d.scalar(n, path, "text") {
			return ""
		}
		return n.Value
	}
	var v any
	if err := n.Decode(&v); err != nil {
		d.fail(n, path, "cannot be read")
	}
	return v
}

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// dbusUnit is a unit as a stand-in for systemd knows it: its states, and the properties by interface and name.
type dbusUnit struct {
	load, active, sub string
	properties        map[string]any
}

func fixtureUnits() map[string]dbusUnit {
	const service, timer, socket = "org.freedesktop.systemd1.Service.", "org.freedesktop.systemd1.Timer.", "org.freedesktop.systemd1.Socket."
	started := map[string]any{"org.freedesktop.systemd1.Unit.ActiveEnterTimestamp": uint64(1767225700_000000)}
	with := func(of map[string]any) map[string]any { maps.Copy(of, started); return of }
	return map[string]dbusUnit{
		"ssh.service": {"loaded", "active", "running", with(map[string]any{
			service + "Type": "notify", service + "NRestarts": uint32(2), service + "TasksCurrent": uint64(3), service + "TasksMax": uint64(4915),
		})},
		"backup.service": {"loaded", "failed", "failed", map[string]any{
			service + "Type": "oneshot", service + "TasksCurrent": uint64(1<<64 - 1), service + "TasksMax": uint64(4915),
		}},
		"backup.timer":      {"loaded", "active", "waiting", with(map[string]any{timer + "LastTriggerUSec": uint64(1767225600_500000)})},
		"ssh.socket":        {"loaded", "active", "listening", with(map[string]any{socket + "NAccepted": uint32(7), socket + "NConnections": uint32(1), socket + "NRefused": uint32(0)})},
		"multi-user.target": {"loaded", "active", "active", with(map[string]any{})},
		"home.mount":        {"loaded", "active", "mounted", nil},
		"absent.service":    {"not-found", "inactive", "dead", nil},
	}
}

// serveSystemd is a system bus at a socket, with systemd on it unless units is nil: the handshake and the few calls that the collector makes, of the D-Bus
// specification. The function that it returns ends it and its connections.
func serveSystemd(t *testing.T, path string, units map[string]dbusUnit) func() {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			running.Go(func() { _ = serveBus(c, units) }) // it ends with the connection
		}
	})
	end := sync.OnceFunc(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	t.Cleanup(end)
	return end
}

func serveBus(c net.Conn, units map[string]dbusUnit) error {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		answer := ""
		switch word, rest, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "\x00"), " "); {
		case word == "AUTH" && rest == "": // which ways are there?
			answer = "REJECTED EXTERNAL\r\n"
		case word == "AUTH":
			answer = "OK 0123456789abcdef0123456789abcdef\r\n"
		case word == "NEGOTIATE_UNIX_FD":
			answer = "ERROR\r\n"
		}
		if strings.HasPrefix(line, "BEGIN") {
			break
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return err
		}
	}
	serial := uint32(0)
	for {
		m, err := dbus.DecodeMessage(r)
		if err != nil {
			return err
		}
		serial++
		reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(m.Serial())}}
		if body, err := answerCall(m, units); err != nil {
			reply.Type = dbus.TypeError
			reply.Headers[dbus.FieldErrorName] = dbus.MakeVariant(err.Error())
		} else if body != nil {
			reply.Body = []any{body}
			reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body))
		}
		if err := send(c, reply, serial); err != nil {
			return err
		}
	}
}

// send encodes a message. The library keeps the serial to itself; it stands at offset 8.
func send(c net.Conn, m *dbus.Message, serial uint32) error {
	var b strings.Builder
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		return err
	}
	raw := []byte(b.String())
	binary.LittleEndian.PutUint32(raw[8:], serial)
	_, err := c.Write(raw)
	return err
}

type listed struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           dbus.ObjectPath
	JobID                                          uint32
	JobType                                        string
	JobPath                                        dbus.ObjectPath
}

func answerCall(m *dbus.Message, units map[string]dbusUnit) (any, error) {
	member, _ := m.Headers[dbus.FieldMember].Value().(string)
	path, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	names := slices.Sorted(maps.Keys(units))
	switch member {
	case "Hello":
		return ":1.1", nil
	case "ListUnits":
		if units == nil {
			return nil, errors.New("org.freedesktop.DBus.Error.ServiceUnknown")
		}
		out := []listed{}
		for i, n := range names {
			u := units[n]
			out = append(out, listed{n, n, u.load, u.active, u.sub, "", dbus.ObjectPath("/unit/_" + string(rune('a'+i))), 0, "", "/"})
		}
		return out, nil
	case "Get":
		key := m.Body[0].(string) + "." + m.Body[1].(string)
		if v, ok := map[string]any{
			"org.freedesktop.systemd1.Manager.Version": "257.8-1~deb13u1", "org.freedesktop.systemd1.Manager.Virtualization": "kvm",
			"org.freedesktop.systemd1.Manager.SystemState": "degraded",
		}[key]; ok {
			return dbus.MakeVariant(v), nil
		}
		if i := strings.TrimPrefix(string(path), "/unit/_"); len(i) == 1 && int(i[0]-'a') < len(names) {
			if v, ok := units[names[i[0]-'a']].properties[key]; ok {
				return dbus.MakeVariant(v), nil
			}
		}
		return nil, errors.New("org.freedesktop.DBus.Error.UnknownProperty")
	}
	return nil, errors.New("org.freedesktop.DBus.Error.UnknownMethod")
}

package collector

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "ipvs", Summary: "connections and traffic of the kernel's load balancer",
		Source: "/proc/net/ip_vs, /proc/net/ip_vs_stats", New: func() Collector { return &ipvs{} },
	})
}

var (
	ipvsTotals = [...]*Family{
		counter("node_ipvs_connections_total", "The total number of connections made."),
		counter("node_ipvs_incoming_packets_total", "The total number of incoming packets."),
		counter("node_ipvs_outgoing_packets_total", "The total number of outgoing packets."),
		counter("node_ipvs_incoming_bytes_total", "The total amount of incoming data."),
		counter("node_ipvs_outgoing_bytes_total", "The total amount of outgoing data."),
	}
	ipvsBackends = [...]*Family{
		ipvsBackend("connections_active", "The current active connections by local and remote address."),
		ipvsBackend("connections_inactive", "The current inactive connections by local and remote address."),
		ipvsBackend("weight", "The current backend weight by local and remote address."),
	}
)

func ipvsBackend(name, help string) *Family {
	return gauge("node_ipvs_backend_"+name, help, "local_address", "local_port", "remote_address", "remote_port", "proto", "local_mark")
}

type ipvs struct{ proc string }

func (c *ipvs) Open(h *Host) error { c.proc = h.Proc; return nil }

func (c *ipvs) Families() []*Family { return append(ipvsTotals[:], ipvsBackends[:]...) }

func (c *ipvs) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	dir, err := procfs.NewFS(c.proc)
	if err != nil {
		return fmt.Errorf("reading the load balancer: %w", err)
	}
	t, err := dir.IPVSStats()
	if err != nil {
		return fmt.Errorf("reading the load balancer: %w", absent(err))
	}
	for i, v := range [...]uint64{t.Connections, t.IncomingPackets, t.OutgoingPackets, t.IncomingBytes, t.OutgoingBytes} {
		ipvsTotals[i].with().send(ch, float64(v))
	}
	backends, err := dir.IPVSBackendStatus()
	if err != nil {
		return fmt.Errorf("reading the load balancer's backends: %w", absent(err))
	}
	// One backend may be there several times, with several schedulers.
	sums := map[[6]string][len(ipvsBackends)]uint64{}
	for _, b := range backends {
		local := ""
		if b.LocalAddress != nil {
			local = b.LocalAddress.String()
		}
		key := [6]string{local, strconv.Itoa(int(b.LocalPort)), b.RemoteAddress.String(), strconv.Itoa(int(b.RemotePort)), b.Proto, b.LocalMark}
		v := sums[key]
		v[0] += b.ActiveConn
		v[1] += b.InactConn
		v[2] += b.Weight
		sums[key] = v
	}
	for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b [6]string) int { return slices.Compare(a[:], b[:]) }) {
		for i, v := range sums[key] {
			ipvsBackends[i].send(ch, float64(v), key[:]...)
		}
	}
	return nil
}

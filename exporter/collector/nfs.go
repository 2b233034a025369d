package collector

import (
	"context"
	"fmt"
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs/nfs"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "nfs", Summary: "what this host asks of NFS servers",
		Source: "/proc/net/rpc/nfs", New: func() Collector { return &nfsClient{} },
	})
	Collectors.Add(registry.Entry[Collector]{
		Name: "nfsd", Summary: "what this host does as an NFS server",
		Source: "/proc/net/rpc/nfsd", New: func() Collector { return &nfsServer{} },
	})
}

var (
	nfsPackets     = counter("node_nfs_packets_total", "Total NFSd network packets (sent+received) by protocol type.", "protocol")
	nfsConnections = counter("node_nfs_connections_total", "Total number of NFSd TCP connections.")
	nfsRPCs        = counter("node_nfs_rpcs_total", "Total number of RPCs performed.")
	nfsRetransmits = counter("node_nfs_rpc_retransmissions_total", "Number of RPC transmissions performed.")
	nfsRefreshes   = counter("node_nfs_rpc_authentication_refreshes_total", "Number of RPC authentication refreshes performed.")
	nfsRequests    = counter("node_nfs_requests_total", "Number of NFS procedures invoked.", "proto", "method")

	nfsdRequests    = counter("node_nfsd_requests_total", "Total number NFSd Requests by method and protocol.", "proto", "method")
	nfsdHits        = counter("node_nfsd_reply_cache_hits_total", "Total number of NFSd Reply Cache hits (client lost server response).")
	nfsdMisses      = counter("node_nfsd_reply_cache_misses_total", "Total number of NFSd Reply Cache an operation that requires caching (idempotent).")
	nfsdNoCache     = counter("node_nfsd_reply_cache_nocache_total", "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…).")
	nfsdStale       = counter("node_nfsd_file_handles_stale_total", "Total number of NFSd stale file handles")
	nfsdRead        = counter("node_nfsd_disk_bytes_read_total", "Total NFSd bytes read.")
	nfsdWritten     = counter("node_nfsd_disk_bytes_written_total", "Total NFSd bytes written.")
	nfsdThreads     = gauge("node_nfsd_server_threads", "Total number of NFSd kernel threads that are running.")
	nfsdCacheSize   = gauge("node_nfsd_read_ahead_cache_size_blocks", "How large the read ahead cache is in blocks.")
	nfsdNotFound    = counter("node_nfsd_read_ahead_cache_not_found_total", "Total number of NFSd read ahead cache not found.")
	nfsdPackets     = counter("node_nfsd_packets_total", "Total NFSd network packets (sent+received) by protocol type.", "proto")
	nfsdConnections = counter("node_nfsd_connections_total", "Total number of NFSd TCP connections.")
	nfsdErrors      = counter("node_nfsd_rpc_errors_total", "Total number of NFSd RPC errors by error type.", "error")
	nfsdRPCs        = counter("node_nfsd_server_rpcs_total", "Total number of NFSd RPCs.")
)

type nfsClient struct{ proc string }

func (c *nfsClient) Open(h *Host) error { c.proc = h.Proc; return nil }

func (c *nfsClient) Families() []*Family {
	return []*Family{nfsPackets, nfsConnections, nfsRPCs, nfsRetransmits, nfsRefreshes, nfsRequests}
}

func (c *nfsClient) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	dir, err := nfs.NewFS(c.proc)
	if err != nil {
		return fmt.Errorf("reading NFS client: %w", err)
	}
	s, err := dir.ClientRPCStats()
	if err != nil {
		return fmt.Errorf("reading NFS client: %w", absent(err))
	}
	nfsPackets.send(ch, float64(s.Network.UDPCount), "udp")
	nfsPackets.send(ch, float64(s.Network.TCPCount), "tcp")
	nfsConnections.with().send(ch, float64(s.Network.TCPConnect))
	nfsRPCs.with().send(ch, float64(s.ClientRPC.RPCCount))
	nfsRetransmits.with().send(ch, float64(s.ClientRPC.Retransmissions))
	nfsRefreshes.with().send(ch, float64(s.ClientRPC.AuthRefreshes))
	sendMethods(ch, nfsRequests, "2", &s.V2Stats, nil)
	sendMethods(ch, nfsRequests, "3", &s.V3Stats, nil)
	sendMethods(ch, nfsRequests, "4", &s.ClientV4Stats, nil)
	return nil
}

// sendMethods publishes each field of a struct of counters under its name, but those to leave out.
func sendMethods(ch chan<- prometheus.Metric, f *Family, proto string, counters any, without map[string]bool) {
	v := reflect.ValueOf(counters).Elem()
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !without[name] {
			f.send(ch, float64(v.Field(i).Uint()), proto, name)
		}
	}
}

// nfsdWithout are procedures that node_exporter does not publish: they do nothing, or are not in use.
var nfsdWithout = map[string]bool{"Null": true, "Op0Unused": true, "Op1Unused": true, "Op2Future": true, "PutPubFH": true, "PutRootFH": true}

type nfsServer struct{ proc string }

func (c *nfsServer) Open(h *Host) error { c.proc = h.Proc; return nil }

func (c *nfsServer) Families() []*Family {
	return []*Family{
		nfsdRequests, nfsdHits, nfsdMisses, nfsdNoCache, nfsdStale, nfsdRead, nfsdWritten, nfsdThreads, nfsdCacheSize, nfsdNotFound, nfsdPackets,
		nfsdConnections, nfsdErrors, nfsdRPCs,
	}
}

func (c *nfsServer) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	dir, err := nfs.NewFS(c.proc)
	if err != nil {
		return fmt.Errorf("reading NFS server: %w", err)
	}
	s, err := dir.ServerRPCStats()
	if err != nil {
		return fmt.Errorf("reading NFS server: %w", absent(err))
	}
	for _, m := range []struct {
		f *Family
		v uint64
	}{
		{nfsdHits, s.ReplyCache.Hits},
		{nfsdMisses, s.ReplyCache.Misses},
		{nfsdNoCache, s.ReplyCache.NoCache},
		{nfsdStale, s.FileHandles.Stale},
		{nfsdRead, s.InputOutput.Read},
		{nfsdWritten, s.InputOutput.Write},
		{nfsdThreads, s.Threads.Threads},
		{nfsdCacheSize, s.ReadAheadCache.CacheSize},
		{nfsdNotFound, s.ReadAheadCache.NotFound},
		{nfsdConnections, s.Network.TCPConnect},
		{nfsdRPCs, s.ServerRPC.RPCCount},
	} {
		m.f.with().send(ch, float64(m.v))
	}
	nfsdPackets.send(ch, float64(s.Network.UDPCount), "udp")
	nfsdPackets.send(ch, float64(s.Network.TCPCount), "tcp")
	nfsdErrors.send(ch, float64(s.ServerRPC.BadFmt), "fmt")
	nfsdErrors.send(ch, float64(s.ServerRPC.BadAuth), "auth")
	nfsdErrors.send(ch, float64(s.ServerRPC.BadcInt), "cInt")
	sendMethods(ch, nfsdRequests, "2", &s.V2Stats, nfsdWithout)
	sendMethods(ch, nfsdRequests, "3", &s.V3Stats, nfsdWithout)
	sendMethods(ch, nfsdRequests, "4", &s.V4Ops, nfsdWithout)
	nfsdRequests.send(ch, float64(s.WdelegGetattr), "4", "WdelegGetattr")
	return nil
}

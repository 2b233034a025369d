package collector

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "tcpstat", Summary: "TCP connections by state, and what waits in their queues",
		Source: "sock_diag(7)", New: func() Collector { return &tcpstat{} },
	})
}

var tcpStates = gauge("node_tcp_connection_states", "Number of connection states.", "state")

// tcpStateNames are the states of include/net/tcp_states.h, from 1 on; the two after them are sums of bytes.
var tcpStateNames = [...]string{
	"established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack", "listen", "closing",
	"rx_queued_bytes", "tx_queued_bytes",
}

const (
	tcpRxQueued = 11
	tcpTxQueued = 12
)

// TCPSockets counts sockets by state, in the order of tcpStateNames.
type TCPSockets [len(tcpStateNames)]uint64

type tcpstat struct {
	ask  func(family uint8) ([]byte, error)
	path string // is there when the kernel has IPv6
}

// OffByDefault: the kernel lists every connection.
func (c *tcpstat) OffByDefault() bool { return true }

func (c *tcpstat) Open(h *Host) error { c.ask, c.path = h.TCPSockets, h.proc("net/tcp6"); return nil }

func (c *tcpstat) Families() []*Family { return []*Family{tcpStates} }

func (c *tcpstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	families := []uint8{syscall.AF_INET}
	if _, err := os.Stat(c.path); !errors.Is(err, fs.ErrNotExist) {
		families = append(families, syscall.AF_INET6)
	}
	var n TCPSockets
	for _, family := range families {
		b, err := c.ask(family)
		if err != nil {
			return fmt.Errorf("asking for TCP connections: %w", err)
		}
		if err := n.add(b); err != nil {
			return fmt.Errorf("TCP connections: %w", err)
		}
	}
	for i, v := range n {
		if v > 0 || i >= tcpRxQueued {
			tcpStates.send(ch, float64(v), tcpStateNames[i])
		}
	}
	return nil
}

// The layout of struct inet_diag_msg: family, state, timer, retransmits, 48 bytes of the socket's identity, then 32-bit numbers: expiry, receive queue,
// send queue, user, inode.
const (
	inetDiagState   = 1
	inetDiagRQueue  = 56
	inetDiagWQueue  = 60
	inetDiagMessage = 72
)

// add counts the messages of a SOCK_DIAG_BY_FAMILY dump.
func (n *TCPSockets) add(b []byte) error {
	for len(b) > 0 {
		if len(b) < nlmsgHeader {
			return errNetlinkShort
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < nlmsgHeader || size > len(b) {
			return errNetlinkShort
		}
		body := b[nlmsgHeader:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case nlmsgDone:
			return nil
		case nlmsgError:
			if len(body) < 4 {
				return errNetlinkShort
			}
			return fmt.Errorf("the kernel answered: %w", syscall.Errno(-int32(binary.NativeEndian.Uint32(body))))
		default:
			if len(body) < inetDiagMessage {
				return errNetlinkShort
			}
			if state := int(body[inetDiagState]); state >= 1 && state <= tcpRxQueued {
				n[state-1]++
			}
			n[tcpRxQueued] += uint64(binary.NativeEndian.Uint32(body[inetDiagRQueue:]))
			n[tcpTxQueued] += uint64(binary.NativeEndian.Uint32(body[inetDiagWQueue:]))
		}
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

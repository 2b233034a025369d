package collector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// netlinkTimeout bounds a netlink read. The kernel answers at once; without a bound a lost answer would hold the collector for ever.
const netlinkTimeout = 2 * time.Second

// links asks the kernel for all network interfaces of this network namespace: one RTM_GETLINK dump, rtnetlink(7).
func links() ([]Link, error) {
	var out []Link
	err := dump(unix.NETLINK_ROUTE, unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg), func(b []byte) (done bool, err error) {
		out, done, err = parseLinks(out, b)
		return done, err
	})
	return out, err
}

// maxSocketDump bounds the list of connections: 84 bytes for each.
const maxSocketDump = 256 << 20

// tcpSockets asks the kernel for all TCP sockets of an address family, sock_diag(7).
func tcpSockets(family uint8) ([]byte, error) {
	request := make([]byte, 56) // struct inet_diag_req_v2: family, protocol, extensions, padding, states, identity
	request[0], request[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[4:], 0xfff) // all states
	var out []byte
	err := dump(unix.NETLINK_SOCK_DIAG, unix.SOCK_DIAG_BY_FAMILY, request, func(b []byte) (bool, error) {
		if len(out)+len(b) > maxSocketDump {
			return true, fmt.Errorf("more than %d bytes of connections", maxSocketDump)
		}
		out = append(out, b...)
		return ended(b), nil
	})
	return out, err
}

// ended says whether a datagram holds the end of a dump, or an error.
func ended(b []byte) bool {
	for len(b) >= nlmsgHeader {
		size := int(binary.NativeEndian.Uint32(b))
		if kind := binary.NativeEndian.Uint16(b[4:]); kind == nlmsgDone || kind == nlmsgError || size < nlmsgHeader {
			return true
		}
		b = b[min(align4(size), len(b)):]
	}
	return false
}

// dump sends one request and gives every datagram of the answer to each, until it says that it is the last.
func dump(protocol int, kind uint16, body []byte, each func(b []byte) (done bool, err error)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	timeout := unix.NsecToTimeval(netlinkTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return fmt.Errorf("setting the timeout: %w", err)
	}
	request := append(make([]byte, unix.SizeofNlMsghdr), body...)
	binary.NativeEndian.PutUint32(request[0:], uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], kind)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(request[8:], 1) // the sequence number
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	// The kernel fills at most 32 KiB at a time.
	buf := make([]byte, 32<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		if done, err := each(buf[:n]); err != nil || done {
			return err
		}
	}
}

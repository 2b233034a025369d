package collector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
)

// The numbers of the netlink protocol that are read here; include/uapi/linux/{netlink,rtnetlink,if_link}.h.
const (
	nlmsgError, nlmsgDone = 2, 3
	rtmNewLink            = 16
	nlmsgHeader           = 16
	ifInfo                = 16
	iflaIfname            = 3
	iflaStats             = 7
	iflaStats64           = 23
	nlaTypeMask           = 0x3fff
)

var errNetlinkShort = errors.New("a message is cut off")

// parseLinks reads the messages of one datagram of an RTM_GETLINK dump, appends the interfaces to out, and reports whether the dump is complete.
// An interface without statistics is left out.
func parseLinks(out []Link, b []byte) ([]Link, bool, error) {
	for len(b) > 0 {
		if len(b) < nlmsgHeader {
			return out, false, errNetlinkShort
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < nlmsgHeader || size > len(b) {
			return out, false, errNetlinkShort
		}
		body := b[nlmsgHeader:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case nlmsgDone:
			return out, true, nil
		case nlmsgError:
			if len(body) < 4 {
				return out, false, errNetlinkShort
			}
			return out, false, fmt.Errorf("the kernel answered: %w", syscall.Errno(-int32(binary.NativeEndian.Uint32(body))))
		case rtmNewLink:
			if len(body) < ifInfo {
				return out, false, errNetlinkShort
			}
			if l, ok := parseLink(body[ifInfo:]); ok {
				out = append(out, l)
			}
		}
		b = b[min(align4(size), len(b)):]
	}
	return out, false, nil
}

// parseLink reads the attributes of one interface.
func parseLink(b []byte) (l Link, ok bool) {
	wide := false
	for len(b) >= 4 {
		size, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])&nlaTypeMask
		if size < 4 || size > len(b) {
			break
		}
		value := b[4:size]
		switch {
		case kind == iflaIfname:
			for len(value) > 0 && value[len(value)-1] == 0 {
				value = value[:len(value)-1]
			}
			l.Name = string(value)
		case kind == iflaStats64 && len(value) >= 23*8:
			var v [24]uint64
			for i := range min(len(value)/8, len(v)) {
				v[i] = binary.NativeEndian.Uint64(value[8*i:])
			}
			l.Stats, ok, wide = linkStats(&v), true, true
			l.Stats.HasNoHandler = len(value) >= 24*8 // since Linux 4.6
		case kind == iflaStats && len(value) >= 23*4 && !wide:
			var v [24]uint64
			for i := range min(len(value)/4, len(v)) {
				v[i] = uint64(binary.NativeEndian.Uint32(value[4*i:]))
			}
			l.Stats, ok = linkStats(&v), true
			l.Stats.HasNoHandler = len(value) >= 24*4
		}
		b = b[min(align4(size), len(b)):]
	}
	return l, ok && l.Name != ""
}

// linkStats folds the detailed counters of struct rtnl_link_stats64 into the columns of /proc/net/dev as the kernel does in net/core/net-procfs.c:
// missed packets are drops, and frame and carrier errors are sums.
func linkStats(v *[24]uint64) LinkStats {
	const (
		rxPackets, txPackets, rxBytes, txBytes, rxErrors, txErrors, rxDropped, txDropped = 0, 1, 2, 3, 4, 5, 6, 7

		multicast, collisions, rxLength, rxOver, rxCRC, rxFrame, rxFifo, rxMissed = 8, 9, 10, 11, 12, 13, 14, 15

		txAborted, txCarrier, txFifo, txHeartbeat, txWindow, rxCompressed, txCompressed, rxNoHandler = 16, 17, 18, 19, 20, 21, 22, 23
	)
	return LinkStats{
		RxBytes: v[rxBytes], RxPackets: v[rxPackets], RxErrs: v[rxErrors], RxDrop: v[rxDropped] + v[rxMissed], RxFifo: v[rxFifo],
		RxFrame: v[rxFrame] + v[rxLength] + v[rxOver] + v[rxCRC], RxCompressed: v[rxCompressed], RxMulticast: v[multicast],
		TxBytes: v[txBytes], TxPackets: v[txPackets], TxErrs: v[txErrors], TxDrop: v[txDropped], TxFifo: v[txFifo], TxColls: v[collisions],
		TxCarrier: v[txCarrier] + v[txAborted] + v[txHeartbeat] + v[txWindow], TxCompressed: v[txCompressed], RxNoHandler: v[rxNoHandler],
	}
}

func align4(n int) int { return (n + 3) &^ 3 }

package collector

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// netlinkDump builds the answer to RTM_GETLINK with two interfaces, as include/uapi/linux/rtnetlink.h lays it out: eth0 with 64-bit counters of the
// values 1, 2, 3, … and old0 with 32-bit ones. It may lack the last counter, as before Linux 4.6.
func netlinkDump(missing int, done bool) []byte {
	put := binary.NativeEndian
	attr := func(kind uint16, value []byte) []byte {
		b := make([]byte, 4, 4+len(value)+3)
		put.PutUint16(b, uint16(4+len(value)))
		put.PutUint16(b[2:], kind)
		b = append(b, value...)
		return append(b, make([]byte, align4(len(b))-len(b))...)
	}
	message := func(kind uint16, body []byte) []byte {
		b := make([]byte, nlmsgHeader, nlmsgHeader+len(body))
		put.PutUint32(b, uint32(nlmsgHeader+len(body)))
		put.PutUint16(b[4:], kind)
		return append(b, body...)
	}
	counters := func(size, n int) (b []byte) {
		for i := range n {
			if size == 8 {
				b = put.AppendUint64(b, uint64(i+1))
			} else {
				b = put.AppendUint32(b, uint32(i+1))
			}
		}
		return b
	}
	eth := append(make([]byte, ifInfo), attr(iflaIfname, []byte("eth0\x00"))...)
	eth = append(eth, attr(iflaStats, counters(4, 23))...)
	eth = append(eth, attr(iflaStats64, counters(8, 25-missing))...)
	old := append(make([]byte, ifInfo), attr(iflaIfname, []byte("old0\x00"))...)
	old = append(old, attr(iflaStats, counters(4, 23))...)
	out := append(message(rtmNewLink, eth), message(rtmNewLink, old)...)
	out = append(out, message(rtmNewLink, append(make([]byte, ifInfo), attr(iflaIfname, []byte("nostats\x00"))...))...)
	if done {
		out = append(out, message(nlmsgDone, make([]byte, 4))...)
	}
	return out
}

func TestParseLinks(t *testing.T) {
	t.Parallel()
	// Counter i of the kernel's struct has the value i+1.
	stats := LinkStats{
		RxPackets: 1, TxPackets: 2, RxBytes: 3, TxBytes: 4, RxErrs: 5, TxErrs: 6, RxDrop: 7 + 16, TxDrop: 8, RxMulticast: 9, TxColls: 10,
		RxFrame: 14 + 11 + 12 + 13, RxFifo: 15, TxCarrier: 18 + 17 + 20 + 21, TxFifo: 19, RxCompressed: 22, TxCompressed: 23,
	}
	wide := stats
	wide.RxNoHandler, wide.HasNoHandler = 24, true
	for _, tc := range []struct {
		name    string
		missing int
		want    LinkStats
	}{{"with otherhost", 0, wide}, {"with nohandler", 1, wide}, {"old kernel", 2, stats}} {
		got, done, err := parseLinks(nil, netlinkDump(tc.missing, true))
		if err != nil || !done {
			t.Fatalf("%s: done %v, %v", tc.name, done, err)
		}
		want := []Link{{"eth0", tc.want}, {"old0", stats}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if _, done, err := parseLinks(nil, netlinkDump(0, false)); done || err != nil {
		t.Errorf("a dump that goes on in the next datagram: done %v, %v", done, err)
	}
	refusal := make([]byte, nlmsgHeader+4)
	binary.NativeEndian.PutUint32(refusal, uint32(len(refusal)))
	binary.NativeEndian.PutUint16(refusal[4:], nlmsgError)
	errno := int32(-1)
	binary.NativeEndian.PutUint32(refusal[nlmsgHeader:], uint32(errno))
	if _, _, err := parseLinks(nil, refusal); err == nil || err.Error() != "the kernel answered: operation not permitted" {
		t.Errorf("a refusal gave %v", err)
	}
}

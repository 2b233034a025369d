package collector

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "infiniband", Summary: "state, speed, traffic and errors of InfiniBand and RoCE ports",
		Source: "/sys/class/infiniband, Documentation/ABI/stable/sysfs-class-infiniband", New: func() Collector { return &infiniband{} },
	})
}

func ibCounter(name, help string) *Family {
	return counter("node_infiniband_"+name+"_total", help, "device", "port")
}

var (
	ibInfo = gauge("node_infiniband_info", "Non-numeric data from /sys/class/infiniband/<device>, value is always 1.",
		"device", "board_id", "firmware_version", "hca_type")
	// ibNumbers begin with a number: "4: ACTIVE", "100 Gb/sec (4X EDR)".
	ibNumbers = []unit{
		{"state", gauge("node_infiniband_state_id", "State of the InfiniBand port (0: no change, 1: down, 2: init, 3: armed, 4: active, 5: act defer)", "device", "port"), 1},
		{"phys_state", gauge("node_infiniband_physical_state_id", "Physical state of the InfiniBand port (0: no change, 1: sleep, 2: polling, 3: disable, 4: shift, 5: link up, "+
			"6: link error recover, 7: phytest)", "device", "port"), 1},
		{"rate", gauge("node_infiniband_rate_bytes_per_second", "Maximum signal transfer rate", "device", "port"), 1e9 / 8},
	}
	// ibCounters are in counters/. The data is told as a quarter of the bytes, whatever the number of lanes.
	ibCounters = []unit{
		{"excessive_buffer_overrun_errors", ibCounter("excessive_buffer_overrun_errors", "Number of times that OverrunErrors consecutive flow control update periods occurred, each having at least one overrun error."), 1},
		{"link_downed", ibCounter("link_downed", "Number of times the link failed to recover from an error state and went down"), 1},
		{"link_error_recovery", ibCounter("link_error_recovery", "Number of times the link successfully recovered from an error state"), 1},
		{"local_link_integrity_errors", ibCounter("local_link_integrity_errors", "Number of times that the count of local physical errors exceeded the threshold specified by LocalPhyErrors."), 1},
		{"multicast_rcv_packets", ibCounter("multicast_packets_received", "Number of multicast packets received (including errors)"), 1},
		{"multicast_xmit_packets", ibCounter("multicast_packets_transmitted", "Number of multicast packets transmitted (including errors)"), 1},
		{"port_rcv_constraint_errors", ibCounter("port_constraint_errors_received", "Number of packets received on the switch physical port that are discarded"), 1},
		{"port_xmit_constraint_errors", ibCounter("port_constraint_errors_transmitted", "Number of packets not transmitted from the switch physical port"), 1},
		{"port_rcv_data", ibCounter("port_data_received_bytes", "Number of data octets received on all links"), 4},
		{"port_xmit_data", ibCounter("port_data_transmitted_bytes", "Number of data octets transmitted on all links"), 4},
		{"port_rcv_discards", ibCounter("port_discards_received", "Number of inbound packets discarded by the port because the port is down or congested"), 1},
		{"port_xmit_discards", ibCounter("port_discards_transmitted", "Number of outbound packets discarded by the port because the port is down or congested"), 1},
		{"port_rcv_errors", ibCounter("port_errors_received", "Number of packets containing an error that were received on this port"), 1},
		{"port_rcv_packets", ibCounter("port_packets_received", "Number of packets received on all VLs by this port (including errors)"), 1},
		{"port_xmit_packets", ibCounter("port_packets_transmitted", "Number of packets transmitted on all VLs from this port (including errors)"), 1},
		{"port_xmit_wait", ibCounter("port_transmit_wait", "Number of ticks during which the port had data to transmit but no data was sent during the entire tick"), 1},
		{"unicast_rcv_packets", ibCounter("unicast_packets_received", "Number of unicast packets received (including errors)"), 1},
		{"unicast_xmit_packets", ibCounter("unicast_packets_transmitted", "Number of unicast packets transmitted (including errors)"), 1},
		{"port_rcv_remote_physical_errors", ibCounter("port_receive_remote_physical_errors", "Number of packets marked with the EBP (End of Bad Packet) delimiter received on the port."), 1},
		{"port_rcv_switch_relay_errors", ibCounter("port_receive_switch_relay_errors", "Number of packets that could not be forwarded by the switch."), 1},
		{"symbol_error", ibCounter("symbol_error", "Number of minor link errors detected on one or more physical lanes."), 1},
		{"VL15_dropped", ibCounter("vl15_dropped", "Number of incoming VL15 packets dropped due to resource limitations."), 1},
	}
)

type infiniband struct {
	DeviceInclude string `json:"device_include" help:"Regexp of devices to publish; not together with device-exclude."`
	DeviceExclude string `json:"device_exclude" help:"Regexp of devices to leave out; not together with device-include."`

	dir    string
	file   file
	filter *filter
}

func (c *infiniband) Validate() error {
	_, err := newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *infiniband) Open(h *Host) (err error) {
	c.dir = h.sys("class/infiniband")
	c.filter, err = newFilter("device", c.DeviceExclude, "", c.DeviceInclude)
	return err
}

func (c *infiniband) Families() []*Family {
	out := []*Family{ibInfo}
	for _, u := range append(ibNumbers, ibCounters...) {
		out = append(out, u.f)
	}
	return out
}

func (c *infiniband) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	devices, err := list(c.dir, "")
	if err != nil {
		return fmt.Errorf("listing InfiniBand devices: %w", err)
	}
	if len(devices) == 0 {
		return ErrNoData
	}
	for _, device := range devices {
		if c.filter.drops([]byte(device)) {
			continue
		}
		dir := c.dir + "/" + device
		ibInfo.send(ch, 1, device, c.file.text(dir+"/board_id"), c.file.text(dir+"/fw_ver"), c.file.text(dir+"/hca_type"))
		ports, _ := numbered(dir+"/ports", "") // none while the device starts
		for _, port := range ports {
			at := dir + "/ports/" + port
			for _, u := range ibNumbers {
				if v, ok := leadingNumber(c.file.text(at + "/" + u.file)); ok {
					u.f.send(ch, u.scale(v), device, port)
				}
			}
			// A device without performance management says "N/A": that counter is left out.
			c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, device, port) }, at+"/counters", ibCounters)
		}
	}
	return nil
}

// leadingNumber reads the number at the start of a text, as 4 of "4: ACTIVE".
func leadingNumber(text string) (float64, bool) {
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.') {
		end++
	}
	v, err := parseFloat([]byte(text[:end]))
	return v, err == nil
}

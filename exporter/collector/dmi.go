package collector

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "dmi", Summary: "maker, model and firmware of the machine",
		Source: "/sys/class/dmi/id", New: func() Collector { return &dmi{} },
	})
}

var dmiInfo = gauge("node_dmi_info", "A metric with a constant '1' value labeled by bios_date, bios_release, bios_vendor, bios_version, "+
	"board_asset_tag, board_name, board_serial, board_vendor, board_version, chassis_asset_tag, "+
	"chassis_serial, chassis_vendor, chassis_version, product_family, product_name, product_serial, "+
	"product_sku, product_uuid, product_version, system_vendor if provided by DMI.",
	"bios_date", "bios_release", "bios_vendor", "bios_version", "board_asset_tag", "board_name", "board_serial", "board_vendor", "board_version",
	"chassis_asset_tag", "chassis_serial", "chassis_vendor", "chassis_version", "product_family", "product_name", "product_serial", "product_sku",
	"product_uuid", "product_version", "system_vendor")

// dmi reads once: what it tells changes with the next boot only. A label whose file is missing or for root only is empty, which to Prometheus is a label
// that is not there.
type dmi struct {
	info  series
	found bool
}

func (c *dmi) Open(h *Host) error {
	var f file
	var values []string
	for _, label := range dmiInfo.Labels {
		name := label
		if label == "system_vendor" {
			name = "sys_vendor"
		}
		v := f.text(h.sys("class/dmi/id/" + name))
		c.found = c.found || v != ""
		values = append(values, v)
	}
	c.info = dmiInfo.sparse(values...)
	return nil
}

func (c *dmi) Families() []*Family { return []*Family{dmiInfo} }

func (c *dmi) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	if !c.found {
		return ErrNoData
	}
	c.info.send(ch, 1)
	return nil
}

package collector

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foreshock/foreshock/pkg/registry"
)

func init() {
	Collectors.Add(registry.Entry[Collector]{
		Name: "edac", Summary: "corrected and uncorrected memory errors by controller, row and channel",
		Source: "/sys/devices/system/edac, Documentation/admin-guide/RAS", New: func() Collector { return &edac{} },
	})
}

var (
	edacCE        = counter("node_edac_correctable_errors_total", "Total correctable memory errors.", "controller")
	edacUE        = counter("node_edac_uncorrectable_errors_total", "Total uncorrectable memory errors.", "controller")
	edacRowCE     = counter("node_edac_csrow_correctable_errors_total", "Total correctable memory errors for this csrow.", "controller", "csrow")
	edacRowUE     = counter("node_edac_csrow_uncorrectable_errors_total", "Total uncorrectable memory errors for this csrow.", "controller", "csrow")
	edacChannelCE = counter("node_edac_channel_correctable_errors_total", "Total correctable memory errors for this channel.",
		"controller", "csrow", "channel", "dimm_label")
	edacChannelUE = counter("node_edac_channel_uncorrectable_errors_total", "Total uncorrectable memory errors for this channel.",
		"controller", "csrow", "channel", "dimm_label")
)

type edac struct {
	dir  string
	file file
}

func (c *edac) Open(h *Host) error { c.dir = h.sys("devices/system/edac/mc"); return nil }

func (c *edac) Families() []*Family {
	return []*Family{edacCE, edacUE, edacRowCE, edacRowUE, edacChannelCE, edacChannelUE}
}

func (c *edac) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	controllers, err := numbered(c.dir, "mc")
	if err != nil {
		return fmt.Errorf("listing memory controllers: %w", err)
	}
	for _, name := range controllers {
		dir, mc := c.dir+"/"+name, name[len("mc"):]
		c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, mc) }, dir, []unit{{"ce_count", edacCE, 1}, {"ue_count", edacUE, 1}})
		// Errors of which the controller does not know the row.
		c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, mc, "unknown") }, dir,
			[]unit{{"ce_noinfo_count", edacRowCE, 1}, {"ue_noinfo_count", edacRowUE, 1}})
		rows, _ := numbered(dir, "csrow")
		for _, row := range rows {
			c.row(ch, dir+"/"+row, mc, row[len("csrow"):])
		}
	}
	return nil
}

func (c *edac) row(ch chan<- prometheus.Metric, dir, mc, row string) {
	c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, mc, row) }, dir, []unit{{"ce_count", edacRowCE, 1}, {"ue_count", edacRowUE, 1}})
	files, _ := list(dir, "ch")
	for _, name := range files {
		channel, ok := strings.CutSuffix(name[len("ch"):], "_ce_count")
		if !ok {
			continue
		}
		label := "unknown"
		if text := c.file.text(dir + "/ch" + channel + "_dimm_label"); text != "" {
			label = strings.NewReplacer("#", "", "csrow", "_csrow", "channel", "_channel").Replace(text)
		}
		c.file.sendUnits(func(f *Family, v float64) { f.send(ch, v, mc, row, channel, label) }, dir,
			[]unit{{"ch" + channel + "_ce_count", edacChannelCE, 1}, {"ch" + channel + "_ue_count", edacChannelUE, 1}})
	}
}

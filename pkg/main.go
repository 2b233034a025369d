// Command pkg is Foreshock's back end as a Grafana plugin, built as gpx_foreshock: Grafana starts this program and speaks gRPC with it.
package main

import (
	"os"
	_ "time/tzdata" // days begin in the zone of the query, whatever the machine has installed

	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/foreshock/foreshock/pkg/plugin"
)

func main() {
	if err := datasource.Manage("foreshock-anomaly-datasource", plugin.NewDatasource, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("plugin ended", "error", err)
		os.Exit(1)
	}
}

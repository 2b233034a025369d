package collector

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// BenchmarkContainers reads a hundred containers of version 2, with every file that the kernel has, from ordinary files.
func BenchmarkContainers(b *testing.B) {
	_, files := tree(b, "v2_docker")
	one := "/system.slice/docker-" + strings.Repeat("a1", 32) + ".scope/"
	hundred := map[string]string{"sys/fs/cgroup/cgroup.controllers": "memory\n"}
	for name, text := range files {
		if strings.HasPrefix(name, "proc/") {
			hundred[name] = text
		}
		if _, file, ok := strings.Cut(name, one); ok {
			for i := range 100 {
				hundred[fmt.Sprintf("sys/fs/cgroup/system.slice/docker-%064x.scope/%s", i, file)] = text
			}
		}
	}
	c := hostOf(b, hundred)
	ch := make(chan prometheus.Metric, 1024)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range ch {
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Update(context.Background(), ch); err != nil {
			b.Fatal(err)
		}
	}
	close(ch)
	<-done
}

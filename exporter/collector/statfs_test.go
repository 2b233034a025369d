package collector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// slowDisk is a statfs of which some paths hang until they are released.
type slowDisk struct {
	mu    sync.Mutex
	hangs map[string]chan struct{}
	asked map[string]int
}

func newSlowDisk(paths ...string) *slowDisk {
	d := &slowDisk{hangs: map[string]chan struct{}{}, asked: map[string]int{}}
	for _, p := range paths {
		d.hangs[p] = make(chan struct{})
	}
	return d
}

func (d *slowDisk) statfs(path string) (Usage, error) {
	d.mu.Lock()
	d.asked[path]++
	wait := d.hangs[path]
	d.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if path == "/broken" {
		return Usage{}, errors.New("input/output error")
	}
	return Usage{Size: uint64(len(path))}, nil
}

// calls returns how often each path was asked.
func (d *slowDisk) calls() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.asked)
}

func (d *slowDisk) release(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.hangs[path])
	delete(d.hangs, path)
}

func fine(path string) answer { return answer{usage: Usage{Size: uint64(len(path))}} }

// TestHungMount: mounts that hang cost the time limit once and are then left out at no cost; the others are always read, also those that come
// after them; a mount that answers again is read again.
func TestHungMount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := newSlowDisk("/nfs1", "/nfs2")
		s := newStatter(disk.statfs, 4, quiet())
		paths := []string{"/nfs1", "/nfs2", "/", "/broken", "/home"}
		ask := func(wantTook time.Duration) []answer {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			got := s.ask(ctx, paths)
			if took := time.Since(start); took != wantTook {
				t.Errorf("took %s, want %s", took, wantTook)
			}
			return got
		}
		hung, broken := answer{trouble: troubleTimeout}, answer{trouble: "input/output error"}
		want := []answer{hung, hung, fine("/"), broken, fine("/home")}
		equal(t, want, ask(5*time.Second))
		for range 20 {
			equal(t, want, ask(0))
		}
		if asked := disk.calls(); asked["/nfs1"] != 1 || asked["/nfs2"] != 1 {
			t.Errorf("mounts that hang were asked again: %v", asked)
		}
		disk.release("/nfs2")
		synctest.Wait()
		want[1] = fine("/nfs2")
		equal(t, want, ask(0))
		disk.release("/nfs1")
		synctest.Wait()
		want[0] = fine("/nfs1")
		equal(t, want, ask(0))
	})
}

func equal(t *testing.T, want, got []answer) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyHungMounts: the number of threads that hang in the kernel is bounded, and a mount that was not asked is never taken for an empty one.
func TestManyHungMounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var paths []string
		for i := range 300 {
			paths = append(paths, fmt.Sprintf("/nfs/%d", i))
		}
		disk := newSlowDisk(paths...)
		s := newStatter(disk.statfs, 16, quiet())
		for range 30 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			for i, a := range s.ask(ctx, append(paths, "/")) {
				if i < len(paths) && a.trouble != troubleTimeout && a.trouble != troubleSkipped {
					t.Fatalf("%s: got %+v", paths[i], a)
				}
				if i == len(paths) && a.trouble != troubleSkipped {
					t.Fatalf("/: got %+v", a)
				}
			}
			cancel()
		}
		asked := disk.calls()
		if len(asked) != maxStuck {
			t.Errorf("%d mounts were asked, want %d", len(asked), maxStuck)
		}
		for p := range asked {
			disk.release(p)
		}
		synctest.Wait()
		s.mu.Lock()
		if len(s.stuck) != 0 {
			t.Errorf("%d mounts are still marked as stuck", len(s.stuck))
		}
		s.mu.Unlock()
		for _, p := range paths {
			if asked[p] == 0 {
				disk.release(p)
			}
		}
		equal(t, []answer{fine("/")}, s.ask(t.Context(), []string{"/"}))
	})
}

// TestFilesystemDeadline: with a mount that hangs, the collector hands over the others before the scrape gives up on it.
func TestFilesystemDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := newSlowDisk("/srv/nfs")
		host := ThisHost(quiet())
		host.Proc, host.Statfs = "../testdata/fixture/proc", disk.statfs
		s, err := NewSet(Config{Host: host, Log: quiet(), Enabled: []string{"filesystem"}})
		if err != nil {
			t.Fatal(err)
		}
		got := values(t, s, 2*time.Second)
		want := map[string]float64{
			"success{collector=filesystem}": 1,
			"node_filesystem_device_error{device=filer:/export/home,device_error=mountpoint timeout,fstype=nfs4,mountpoint=/srv/nfs}": 1,
			"node_filesystem_size_bytes{device=/dev/sdb1,device_error=,fstype=ext4,mountpoint=/srv/worn}":                             float64(len("/srv/worn")),
			"node_filesystem_readonly{device=/dev/sdb1,device_error=,fstype=ext4,mountpoint=/srv/worn}":                               1,
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s is %v, want %v", k, got[k], v)
			}
		}
		if _, ok := got["node_filesystem_size_bytes{device=filer:/export/home,device_error=mountpoint timeout,fstype=nfs4,mountpoint=/srv/nfs}"]; ok {
			t.Error("a mount that hangs has a size")
		}
		disk.release("/srv/nfs")
		synctest.Wait()
	})
}

// TestMountsChange: a mount that went away leaves no series and no memory behind.
func TestMountsChange(t *testing.T) {
	t.Parallel()
	c := Collectors
	entry, err := c.Get("filesystem")
	if err != nil {
		t.Fatal(err)
	}
	fs := entry.New().(*filesystem)
	host := ThisHost(quiet())
	host.Proc, host.Statfs = t.TempDir(), newSlowDisk().statfs
	if err := fs.Open(host); err != nil {
		t.Fatal(err)
	}
	ch := make(chan prometheus.Metric, 1000)
	for i := range 5 {
		write(t, host.Proc+"/1/mountinfo", fmt.Sprintf("27 1 0:50 / /data%d rw - tmpfs none rw\n28 27 0:51 / /data%d ro - tmpfs none rw\n", i, i))
		if err := fs.Update(t.Context(), ch); err != nil {
			t.Fatal(err)
		}
		if len(fs.mounts) != 1 {
			t.Errorf("%d mounts are kept, want 1", len(fs.mounts))
		}
		// The second mount on the same point is the same series, and is the one that is seen.
		if n := len(ch); n != 9 {
			t.Errorf("%d metrics, want 9", n)
		}
		for range len(ch) {
			s := (<-ch).(*sample)
			if s.f == fsReadonly && s.value != 1 || s.f == fsMountInfo && s.pairs[2].GetValue() != "51" {
				t.Errorf("%s %v is that of the mount below", s.f.Name, s.pairs)
			}
		}
	}
}

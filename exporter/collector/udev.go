package collector

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	diskInfoFamily = gauge("node_disk_info", "Info of /sys/block/<block_device>.",
		"device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational")
	diskFilesystemInfo = gauge("node_disk_filesystem_info", "Info about disk filesystem.", "device", "type", "usage", "uuid", "version")
	diskMapperInfo     = gauge("node_disk_device_mapper_info", "Info about disk device mapper.",
		"device", "name", "uuid", "vg_name", "lv_name", "lv_layer")
	diskATA = []struct {
		key string
		f   *Family
	}{
		{"ID_ATA_WRITE_CACHE", gauge("node_disk_ata_write_cache", "ATA disk has a write cache.", "device")},
		{"ID_ATA_WRITE_CACHE_ENABLED", gauge("node_disk_ata_write_cache_enabled", "ATA disk has its write cache enabled.", "device")},
		{"ID_ATA_ROTATION_RATE_RPM", gauge("node_disk_ata_rotation_rate_rpm", "ATA disk rotation rate in RPMs (0 for SSDs).", "device")},
	}
)

func diskInfoFamilies() []*Family {
	out := append(make([]*Family, 0, 3+len(diskATA)), diskInfoFamily, diskFilesystemInfo, diskMapperInfo)
	for _, a := range diskATA {
		out = append(out, a.f)
	}
	return out
}

// udev reads the properties of block devices from the udev data base. An entry is parsed again only when its file has changed: udev replaces the
// file, so its time or number differs then.
type udev struct {
	dir     string
	entries map[[2]uint64]*udevEntry
	file    file
}

type udevEntry struct {
	path    string
	info    os.FileInfo
	props   map[string]string
	version int // counts the times it was read
}

// of returns the properties of a device, an empty entry where there are none.
func (u *udev) of(major, minor uint64) *udevEntry {
	id := [2]uint64{major, minor}
	e := u.entries[id]
	if e == nil {
		if u.entries == nil || len(u.entries) >= maxDisks {
			u.entries = map[[2]uint64]*udevEntry{}
		}
		e = &udevEntry{path: filepath.Join(u.dir, "b"+label(major)+":"+label(minor))}
		u.entries[id] = e
	}
	info, err := os.Stat(e.path)
	if err != nil {
		if e.props != nil {
			e.info, e.props = nil, nil
			e.version++
		}
		return e
	}
	if e.info != nil && os.SameFile(info, e.info) && info.ModTime().Equal(e.info.ModTime()) && info.Size() == e.info.Size() {
		return e
	}
	b, err := u.file.read(e.path)
	if err != nil {
		return e
	}
	e.props = parseUdev(b)
	e.version++
	// A file as young as the clock's grain may be written once more without its time moving: read it again next time.
	if e.info = info; time.Since(info.ModTime()) < time.Second {
		e.info = nil
	}
	return e
}

// parseUdev returns the device properties (lines E:KEY=value) of an entry.
func parseUdev(b []byte) map[string]string {
	props := map[string]string{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if rest, ok := bytes.CutPrefix(line, []byte("E:")); ok {
			if key, value, ok := strings.Cut(string(rest), "="); ok {
				props[key] = value
			}
		}
	}
	return props
}

// diskIdentity is everything that the information metrics of a disk depend on.
type diskIdentity struct {
	name         string
	major, minor uint64
	rotational   string
	udev         *udevEntry
}

// diskInfo keeps the information series of a disk until its identity changes.
type diskInfo struct {
	of      diskIdentity
	version int
	list    []valued
}

type valued struct {
	s series
	v float64
}

func (i *diskInfo) send(ch chan<- prometheus.Metric, id diskIdentity) {
	if i.list == nil || i.of != id || i.version != id.udev.version {
		i.of, i.version, i.list = id, id.udev.version, id.series()
	}
	for _, x := range i.list {
		x.s.send(ch, x.v)
	}
}

func (id diskIdentity) series() []valued {
	p := id.udev.props
	// The serial number printed on the label; then the short one; then what virtio devices have.
	serial := p["SCSI_IDENT_SERIAL"]
	for _, key := range []string{"ID_SERIAL_SHORT", "ID_SERIAL"} {
		if serial == "" {
			serial = p[key]
		}
	}
	out := []valued{{diskInfoFamily.with(id.name, label(id.major), label(id.minor),
		p["ID_PATH"], p["ID_WWN"], p["ID_MODEL"], serial, p["ID_REVISION"], id.rotational), 1}}
	if t := p["ID_FS_TYPE"]; t != "" {
		out = append(out, valued{diskFilesystemInfo.with(id.name, t, p["ID_FS_USAGE"], p["ID_FS_UUID"], p["ID_FS_VERSION"]), 1})
	}
	if n := p["DM_NAME"]; n != "" {
		out = append(out, valued{diskMapperInfo.with(id.name, n, p["DM_UUID"], p["DM_VG_NAME"], p["DM_LV_NAME"], p["DM_LV_LAYER"]), 1})
	}
	if p["ID_ATA"] != "" {
		for _, a := range diskATA {
			if v, err := strconv.ParseFloat(p[a.key], 64); err == nil {
				out = append(out, valued{a.f.with(id.name), v})
			}
		}
	}
	return out
}

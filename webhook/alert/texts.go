package alert

import (
	"math"
	"strconv"
)

// labels reads an object of labels, every one whole. null is no labels; any
// other value is skipped.
func (d *decoder) labels() (Labels, error) {
	out := Labels{}
	if d.s.peek() != '{' {
		return out, d.s.skip()
	}
	err := d.s.object(d.room(), func(key string) error {
		k := kept{max: d.room(), b: make([]byte, 0, 24)}
		if err := d.s.text(&k); err != nil {
			return err
		}
		if k.total > int64(len(k.b)) {
			return ErrTooBig // one label alone is more than all may need
		}
		out[d.name(key)] = string(k.b)
		return d.spend(labelOverhead + len(key) + len(k.b))
	})
	return out, err
}

// room is how many bytes one text may have before Limits.Memory is exceeded by
// it; negative when there is no limit.
func (d *decoder) room() int {
	if d.lim.Memory <= 0 {
		return -1
	}
	return int(max(0, d.lim.Memory-d.memory) + 1)
}

// annotations reads an object of prose.
func (d *decoder) annotations(field string, cuts *[]Cut) (Labels, error) {
	out := Labels{}
	if d.s.peek() != '{' {
		return out, d.s.skip()
	}
	over := 0
	err := d.s.object(scarce, func(key string) error {
		if d.prose > d.lim.Prose {
			if over++; over > maxScarce {
				k := kept{}
				err := d.s.text(&k)
				addCut(cuts, Cut{Field: field, Bytes: k.total})
				return err
			}
		}
		text, err := d.prosaic(field+"."+key, cuts)
		if err != nil {
			return err
		}
		d.prose += int64(len(key) + labelOverhead)
		out[d.name(key)] = text
		return d.spend(labelOverhead + len(key))
	})
	return out, err
}

// prosaic reads a text that may be cut.
func (d *decoder) prosaic(field string, cuts *[]Cut) (string, error) {
	k := kept{max: d.lim.Annotation}
	if d.prose > d.lim.Prose {
		k.max = min(k.max, scarce)
	}
	if err := d.s.text(&k); err != nil {
		return "", err
	}
	d.prose += int64(len(k.b))
	if k.total > int64(len(k.b)) {
		addCut(cuts, Cut{Field: field, Bytes: k.total, Kept: len(k.b)})
	}
	return string(k.b), d.spend(len(k.b))
}

func addCut(cuts *[]Cut, c Cut) {
	if n := len(*cuts); n >= maxCuts {
		last := &(*cuts)[n-1]
		last.Field, last.Bytes, last.Kept = "others", last.Bytes+c.Bytes, last.Kept+c.Kept
		return
	}
	*cuts = append(*cuts, c)
}

// values reads Grafana's numbers; what is no finite number is left out.
func (d *decoder) values() (map[string]float64, error) {
	if d.s.peek() != '{' {
		return nil, d.s.skip()
	}
	out := map[string]float64{}
	err := d.s.object(scarce, func(key string) error {
		k := kept{max: 64}
		if err := d.s.text(&k); err != nil {
			return err
		}
		v, bad := strconv.ParseFloat(string(k.b), 64)
		if bad == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && len(out) < 1000 {
			out[d.name(key)] = v
			return d.spend(labelOverhead + len(key))
		}
		return nil
	})
	return out, err
}

// name returns key, as one copy for all short ones that repeat.
func (d *decoder) name(key string) string {
	if known, ok := d.names[key]; ok {
		return known
	}
	if len(key) <= 64 && len(d.names) < 4096 {
		d.names[key] = key
	}
	return key
}

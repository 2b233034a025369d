package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

func loadNAB(dir string, l layout, limit int) (Set, error) {
	var set Set
	var err error
	if set.Profiles, err = loadProfiles(filepath.Join(dir, "profiles.json")); err != nil {
		return Set{}, err
	}
	raw, err := readAll(filepath.Join(dir, "windows.json"))
	if err != nil {
		return Set{}, err
	}
	var meta map[string]struct {
		Rows    int      `json:"rows"`
		Windows [][2]int `json:"windows"`
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return Set{}, fmt.Errorf("%s/windows.json: %w", dir, err)
	}
	names, err := list(dir, ending)
	if err != nil {
		return Set{}, err
	}
	for _, name := range names {
		if limit > 0 && len(set.Series) == limit {
			break
		}
		one, err := loadSeries(dir, name, l)
		if err != nil {
			return Set{}, err
		}
		m, ok := meta[name]
		if !ok || m.Rows != len(one.Values) {
			return Set{}, fmt.Errorf("%s/windows.json: %s: got %d rows, want %d", dir, name, m.Rows, len(one.Values))
		}
		if limit > 0 && len(m.Windows) == 0 {
			continue
		}
		for _, w := range m.Windows {
			one.Events = append(one.Events, Range{w[0], w[1]})
		}
		one.Probation = probation(len(one.Values))
		one.Buffer = Period(one.Values)
		set.Series = append(set.Series, one)
	}
	if limit <= 0 {
		set.Published, err = loadPublished(filepath.Join(dir, "peer_scores"), set.Series)
	}
	return set, err
}

// Published is the scores that somebody else's detector gave to every row of every file of a set.
type Published struct {
	Name string
	// Scores[f] are those of file f.
	Scores [][]float64
}

// loadPublished reads the scores stored beside NAB, one file per detector, one line per data file: its name, then a score per row; an empty one is 0. None are no error,
// and a detector without scores for every row is left out.
func loadPublished(dir string, files []Labelled) ([]Published, error) {
	names, err := list(dir, ending)
	if errors.Is(err, ErrNoData) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Published
	for _, name := range names {
		byFile := map[string][]float64{}
		err := eachLine(filepath.Join(dir, name+ending), func(_ int, line []byte) error {
			file, rest, _ := bytes.Cut(line, []byte{','})
			var scores []float64
			for cell := range bytes.SplitSeq(rest, []byte{','}) {
				x := 0.0
				if len(cell) > 0 {
					var err error
					if x, err = strconv.ParseFloat(string(cell), 64); err != nil {
						return fmt.Errorf("got %q, want a number", cell)
					}
				}
				scores = append(scores, x)
			}
			byFile[string(file)] = scores
			return nil
		})
		if err != nil {
			return nil, err
		}
		one := Published{Name: name}
		for _, f := range files {
			if s := byFile[f.Name]; len(s) == len(f.Values) {
				one.Scores = append(one.Scores, s)
			}
		}
		if len(one.Scores) == len(files) {
			out = append(out, one)
		}
	}
	return out, nil
}

// probation is how many first rows NAB does not score: 15 % of the file, of 5,000 rows at most.
func probation(rows int) int { return min(int(0.15*float64(rows)), 750) }

func loadProfiles(path string) ([]Profile, error) {
	raw, err := readAll(path)
	if err != nil {
		return nil, err
	}
	var all map[string]struct {
		CostMatrix struct {
			TP float64 `json:"tpWeight"`
			FN float64 `json:"fnWeight"`
			FP float64 `json:"fpWeight"`
		}
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var out []Profile
	for _, name := range []string{Standard, LowFP, LowFN} {
		p, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("%s: profile %s is missing", path, name)
		}
		out = append(out, Profile{Name: name, Hit: p.CostMatrix.TP, Miss: p.CostMatrix.FN, FalseAlarm: p.CostMatrix.FP})
	}
	return out, nil
}

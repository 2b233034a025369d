package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrNoData is wrapped by Load when the directory does not hold the set.
var ErrNoData = errors.New("no such data")

// Labelled is one labelled series: the rows that are judged, and the published ones before them.
type Labelled struct {
	Set, Name string
	// Values, Label and Times (milliseconds) have one entry per judged row. Rows of NAB need not be regular or in order.
	Values []float64
	Label  []bool
	Times  []int64
	// Past and PastTimes are the rows of the published training half before the judged ones; empty where a set has none.
	Past      []float64
	PastTimes []int64
	// Step is the usual distance of rows in milliseconds; rows without timestamps are a minute apart from 2024-01-01 on.
	Step int64
	// Buffer is the largest buffer of VUS, the period of Values.
	Buffer int
	// Events are the labelled ranges as row indices; for NAB its windows.
	Events []Range
	// Probation is how many first rows NAB does not score.
	Probation int
	// Trained is how many first rows of Values the publishers of UCR declare to be ordinary; 0 elsewhere.
	Trained int
}

// Vectors is one labelled multivariate entity. Train and Test are row by row.
type Vectors struct {
	Set, Name   string
	Channels    []string
	Train, Test [][]float64
	// Label and Events are those of the test part.
	Label  []bool
	Events []Range
	Step   int64
	Buffer int
}

// Set is what Load read: Series for sets of single series, Vectors for multivariate ones.
type Set struct {
	Name    string
	Series  []Labelled
	Vectors []Vectors
	// Profiles are the cost matrices of NAB, Published what other detectors said of its files, where that is stored.
	Profiles  []Profile
	Published []Published
}

// longest is the most samples that a judged series may have; longer ones are left out, as in the published tables.
const longest = 160_000

// from is where rows without timestamps begin.
var from = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// layout says how a set is stored and which of its files a table takes.
type layout struct {
	name string
	load func(dir string, l layout, limit int) (Set, error)
	// half is set where the rows before train_rows of the manifest are history.
	half bool
	// table is how many files of the fixed order the published table has; 0 is all.
	table int
	step  time.Duration
	// vectors is set for multivariate sets.
	vectors bool
}

var layouts = []layout{
	{name: "nab", load: loadNAB},
	{name: "aiops_kpi", load: loadShuffled, half: true},
	{name: "wsd", load: loadShuffled, half: true},
	{name: "ucr", load: loadShuffled, table: 30, step: time.Minute},
	{name: "tods", load: loadShuffled, step: time.Minute},
	{name: "smd", load: loadVectors, vectors: true, step: time.Minute},
	{name: "asd", load: loadVectors, vectors: true, step: 5 * time.Minute},
}

// Sets returns the names of all sets in the order of tables.
func Sets() []string {
	names := make([]string, len(layouts))
	for i, l := range layouts {
		names[i] = l.name
	}
	return names
}

// IsMultivariate reports whether the set of that name holds vectors.
func IsMultivariate(name string) bool {
	return slices.ContainsFunc(layouts, func(l layout) bool { return l.name == name && l.vectors })
}

// Load reads a set from dir/<name>, as the reference scorer does: for the KPI sets the second half of each series (the first is Past), series up to 160,000 samples,
// without those that have no anomaly, in the order of a fixed shuffle, at most limit of them (0: as many as the published table has). NAB always has all its files,
// since its score is one over all; a limit takes the first in alphabetical order that have a window. It returns an error that wraps ErrNoData when the directory or a file is missing.
func Load(dir, name string, limit int) (Set, error) {
	for _, l := range layouts {
		if l.name == name {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
				return Set{}, fmt.Errorf("%w: %s has no folder %s", ErrNoData, dir, name)
			}
			s, err := l.load(filepath.Join(dir, name), l, limit)
			s.Name = name
			return s, err
		}
	}
	return Set{}, fmt.Errorf("unknown set %q: want one of %s", name, strings.Join(Sets(), ", "))
}

// list returns the base names of the files with that ending, without it, sorted.
func list(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, missing(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // with the ending, as a shell sorts them
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], ending)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: %s holds no *%s", ErrNoData, dir, ending)
	}
	return names, nil
}

const ending = ".csv.gz"

func loadShuffled(dir string, l layout, limit int) (Set, error) {
	names, err := list(dir, ending)
	if err != nil {
		return Set{}, err
	}
	trained, err := trainRows(filepath.Join(filepath.Dir(dir), "manifest.json"))
	if err != nil {
		return Set{}, err
	}
	if limit <= 0 {
		limit = l.table
	}
	shuffled(names, 1)
	var set Set
	for _, name := range names {
		if limit > 0 && len(set.Series) == limit {
			break
		}
		one, err := loadSeries(dir, name, l)
		if err != nil {
			return Set{}, err
		}
		n := trained[l.name+"/"+name+ending]
		if l.half {
			if n <= 0 || n >= len(one.Values) {
				return Set{}, fmt.Errorf("manifest.json: %s/%s: got train_rows %d of %d rows, want some before the judged half", l.name, name, n, len(one.Values))
			}
			one.Past, one.PastTimes = one.Values[:n:n], one.Times[:n:n]
			one.Values, one.Times, one.Label = one.Values[n:], one.Times[n:], one.Label[n:]
		} else {
			one.Trained = n
		}
		if !slices.Contains(one.Label, true) || len(one.Values) > longest {
			continue
		}
		one.Buffer = Period(one.Values)
		one.Events = Ranges(one.Label)
		set.Series = append(set.Series, one)
	}
	return set, nil
}

// trainRows reads how many first rows of each file the publishers declare to be for training.
func trainRows(path string) (map[string]int, error) {
	raw, err := readAll(path)
	if err != nil {
		return nil, err
	}
	var entries []struct {
		Path      string `json:"path"`
		TrainRows int    `json:"train_rows"`
	}
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rows := map[string]int{}
	for _, e := range entries {
		rows[e.Path] = e.TrainRows
	}
	return rows, nil
}

func loadSeries(dir, name string, l layout) (Labelled, error) {
	path := filepath.Join(dir, name+ending)
	c, err := readColumns(path, true)
	if err != nil {
		return Labelled{}, err
	}
	value, ok := c.column("value")
	label, labelled := c.column("label")
	if !ok || !labelled {
		return Labelled{}, fmt.Errorf("%s: got columns %s, want value and label", path, strings.Join(c.header, ", "))
	}
	one := Labelled{Set: l.name, Name: name, Values: value, Label: flags(label), Times: make([]int64, len(value)), Step: l.step.Milliseconds()}
	if t, ok := c.column("timestamp"); ok {
		for i, s := range t {
			one.Times[i] = int64(s) * 1000
		}
		one.Step = spacing(one.Times)
	} else {
		for i := range one.Times {
			one.Times[i] = from + int64(i)*one.Step
		}
	}
	return one, nil
}

func flags(label []float64) []bool {
	out := make([]bool, len(label))
	for i, x := range label {
		out[i] = x != 0
	}
	return out
}

// spacing returns the median distance of rows, at least a second.
func spacing(times []int64) int64 {
	if len(times) < 2 {
		return time.Minute.Milliseconds()
	}
	d := make([]int64, len(times)-1)
	for i := range d {
		d[i] = times[i+1] - times[i]
	}
	slices.Sort(d)
	return max(d[len(d)/2], 1000)
}

func loadVectors(dir string, l layout, limit int) (Set, error) {
	names, err := list(dir, ".train.csv.gz")
	if err != nil {
		return Set{}, err
	}
	var set Set
	for _, name := range names {
		if limit > 0 && len(set.Vectors) == limit {
			break
		}
		v := Vectors{Set: l.name, Name: name, Step: l.step.Milliseconds()}
		train, err := readColumns(filepath.Join(dir, name+".train.csv.gz"), true)
		if err != nil {
			return Set{}, err
		}
		test, err := readColumns(filepath.Join(dir, name+".test.csv.gz"), true)
		if err != nil {
			return Set{}, err
		}
		label, err := readColumns(filepath.Join(dir, name+".label.txt.gz"), false)
		if err != nil {
			return Set{}, err
		}
		if len(train.header) != len(test.header) || len(label.values) != 1 || len(test.values) == 0 || len(label.values[0]) != len(test.values[0]) {
			return Set{}, fmt.Errorf("%s/%s: train, test and label parts differ in channels or rows", dir, name)
		}
		v.Channels, v.Train, v.Test, v.Label = test.header, rows(train), rows(test), flags(label.values[0])
		if !slices.Contains(v.Label, true) {
			continue
		}
		v.Buffer, v.Events = Period(test.values[0]), Ranges(v.Label)
		set.Vectors = append(set.Vectors, v)
	}
	return set, nil
}

// rows turns columns into rows; a value that is no number is 0, as in the reference scorer.
func rows(c columns) [][]float64 {
	n, width := len(c.values[0]), len(c.values)
	all := make([]float64, n*width)
	out := make([][]float64, n)
	for i := range out {
		out[i] = all[i*width : (i+1)*width : (i+1)*width]
		for k, column := range c.values {
			if x := column[i]; x == x {
				out[i][k] = x
			}
		}
	}
	return out
}

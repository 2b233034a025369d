package prom

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/foreshock/foreshock/pkg/series"
)

// Answer is what a range query gave. Set is sorted by labels, holds no two members with the same labels and none without
// any value. A sample that is missing, stale or NaN at the server is NaN; infinities stay what they are.
type Answer struct {
	Set      series.Set
	Warnings []string // the server's: the answer may be incomplete
	Infos    []string // the server's: the query may not mean what was meant
	Notices  []Notice // this client's: what was left out of the answer
}

// Notice says what a reader of an answer must know and cannot see in it.
type Notice struct {
	Kind  NoticeKind
	Count int    // series kept (NoticeSeriesCut, NoticeBytesCut) or concerned (NoticeHistograms); else 0
	Text  string // one sentence
}

// NoticeKind is for callers that act on a notice or have its text in other languages.
type NoticeKind string

// The notices.
const (
	NoticeSeriesCut      NoticeKind = "series cut"      // more series than Limits.MaxSeries: the first by labels are here
	NoticeBytesCut       NoticeKind = "bytes cut"       // more memory than Limits.MaxBytes: the first series by labels are here
	NoticeHistograms     NoticeKind = "histograms"      // native histogram samples, which are no numbers, were left out
	NoticeHistoryChanged NoticeKind = "history changed" // Blocks: old samples are not what they were when last read
	NoticeHistoryGone    NoticeKind = "history gone"    // Blocks: old samples have left the storage since they were last read
)

// Cut reports whether series are missing from the answer because of a limit of the client.
func (a Answer) Cut() bool {
	return slices.ContainsFunc(a.Notices, func(n Notice) bool { return n.Kind == NoticeSeriesCut || n.Kind == NoticeBytesCut })
}

// remarks collects what answers say beside their data.
type remarks struct{ warnings, infos []string }

// maxRemarks per answer are kept; servers repeat themselves.
const maxRemarks = 50

func (r *remarks) add(more remarks) {
	r.warnings = appendNew(r.warnings, more.warnings...)
	r.infos = appendNew(r.infos, more.infos...)
}

func appendNew(to []string, more ...string) []string {
	for _, m := range more {
		if len(to) < maxRemarks && !slices.Contains(to, m) {
			to = append(to, m)
		}
	}
	return to
}

// accumulator holds the members of an answer while its parts arrive, maybe at once. It keeps the first series by labels
// that fit into the limits: whatever the order of arrival, the same ones, and never more than that in memory. (If one of
// the first n of all labels occurs in a part, it is among the first n of that part.)
type accumulator struct {
	grid   series.Grid
	limits Limits

	mu         sync.Mutex
	members    []*member // sorted by labels
	bytes      int64
	bound      series.Labels // the first labels that did not fit; nil while all do
	why        NoticeKind
	histograms map[uint64]struct{} // hashes of the labels of series with native histograms
	remarks    remarks
}

type member struct {
	labels series.Labels
	values []float64 // of the whole grid
	part   int       // the last one that had it
}

// errDuplicate is one part of an answer with the same labels twice.
var errDuplicate = errors.New("it has two series with the same labels")

// memberCost is the memory of a series with n samples.
func memberCost(labels series.Labels, n int) int64 {
	cost := int64(n)*8 + 128
	for _, l := range labels {
		cost += int64(len(l.Name)+len(l.Value)) + 32
	}
	return cost
}

// values is the whole grid of a series seen in the numbered part, NaN where nothing was written yet; nil when the series
// is cut. Parts write disjoint ranges of it.
func (a *accumulator) values(labels series.Labels, part int) ([]float64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bound != nil && labels.Compare(a.bound) >= 0 {
		return nil, nil
	}
	at, found := slices.BinarySearchFunc(a.members, labels, func(m *member, l series.Labels) int { return m.labels.Compare(l) })
	if found {
		m := a.members[at]
		if m.part == part {
			return nil, fmt.Errorf("%w: %s", errDuplicate, labels)
		}
		m.part = part
		return m.values, nil
	}
	m := &member{labels: labels, part: part, values: make([]float64, a.grid.N)}
	for i := range m.values {
		m.values[i] = math.NaN()
	}
	a.members = slices.Insert(a.members, at, m)
	a.bytes += memberCost(labels, a.grid.N)
	for len(a.members) > a.limits.MaxSeries || a.bytes > a.limits.MaxBytes {
		a.why = NoticeSeriesCut
		if a.bytes > a.limits.MaxBytes {
			a.why = NoticeBytesCut
		}
		last := len(a.members) - 1
		a.bound = a.members[last].labels
		a.bytes -= memberCost(a.bound, a.grid.N)
		a.members[last] = nil
		a.members = a.members[:last]
	}
	if a.bound != nil && labels.Compare(a.bound) >= 0 {
		return nil, nil
	}
	return m.values, nil
}

// addHistogram remembers that a series has native histogram samples.
func (a *accumulator) addHistogram(labels series.Labels) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.histograms == nil {
		a.histograms = map[uint64]struct{}{}
	}
	if len(a.histograms) < maxIntern {
		a.histograms[labels.Hash()] = struct{}{}
	}
}

func (a *accumulator) addRemarks(r remarks) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remarks.add(r)
}

// answer is called when all parts are in.
func (a *accumulator) answer() Answer {
	out := Answer{Set: series.Set{Grid: a.grid}}
	for _, m := range a.members {
		if slices.ContainsFunc(m.values, func(v float64) bool { return v == v }) {
			out.Set.Members = append(out.Set.Members, series.Series{Labels: m.labels, Grid: a.grid, Values: m.values})
		}
	}
	slices.Sort(a.remarks.warnings) // parts arrive in any order
	slices.Sort(a.remarks.infos)
	out.Warnings, out.Infos = a.remarks.warnings, a.remarks.infos
	if a.bound != nil {
		out.Notices = append(out.Notices, cutNotice(a.why, len(a.members), a.limits))
	}
	if n := len(a.histograms); n > 0 {
		out.Notices = append(out.Notices, histogramNotice(n))
	}
	return out
}

func cutNotice(why NoticeKind, kept int, limits Limits) Notice {
	if why == NoticeBytesCut {
		return Notice{Kind: why, Count: kept, Text: fmt.Sprintf("the query gives more series than fit into %d bytes: only the first %d, by labels, are here", limits.MaxBytes, kept)}
	}
	return Notice{Kind: why, Count: kept, Text: fmt.Sprintf("the query gives more than %d series: only the first, by labels, are here", limits.MaxSeries)}
}

func histogramNotice(n int) Notice {
	return Notice{Kind: NoticeHistograms, Count: n, Text: fmt.Sprintf("native histogram samples of %d series were left out: apply histogram_quantile, histogram_sum or histogram_count", n)}
}

// head is an answer of the API without its data.
type head struct {
	status, errorType, message string
	resultType                 string
	remarks                    remarks
}

// head reads a whole answer; result reads data.result, positioned at it.
func (s *scanner) head(result func() error) (head, error) {
	var h head
	err := s.object(func(key string) (err error) {
		switch key {
		case "status":
			h.status, err = s.text()
		case "errorType":
			h.errorType, err = s.text()
		case "error":
			h.message, err = s.text()
		case "message": // gateways
			err = s.gatewayMessage(&h)
		case "warnings":
			err = s.texts(&h.remarks.warnings)
		case "infos":
			err = s.texts(&h.remarks.infos)
		case "isPartial": // VictoriaMetrics: a node did not answer
			var c byte
			if c, err = s.peek(); err == nil && c == 't' {
				h.remarks.warnings = appendNew(h.remarks.warnings, "the answer is partial: some of the server's nodes did not answer")
			}
			if err == nil {
				err = s.skip()
			}
		case "data":
			err = s.data(&h, result)
		default:
			err = s.skip()
		}
		return err
	})
	if err == nil {
		err = s.atEnd()
	}
	return h, err
}

func (s *scanner) gatewayMessage(h *head) error {
	if c, err := s.peek(); err != nil || c != '"' || h.message != "" {
		if err != nil {
			return err
		}
		return s.skip()
	}
	text, err := s.text()
	h.message = text
	return err
}

func (s *scanner) data(h *head, result func() error) error {
	if c, err := s.peek(); err != nil || c != '{' { // null, "" with an error
		if err != nil {
			return err
		}
		return s.skip()
	}
	return s.object(func(key string) (err error) {
		switch key {
		case "resultType":
			h.resultType, err = s.text()
		case "result":
			err = result()
		default:
			err = s.skip()
		}
		return err
	})
}

// texts adds an array of strings, or null, to a list of remarks.
func (s *scanner) texts(to *[]string) error {
	if c, err := s.peek(); err != nil {
		return err
	} else if c == 'n' {
		return s.word("null")
	}
	return s.array(func() error {
		b, err := s.str()
		if err == nil && len(*to) < maxRemarks {
			*to = appendNew(*to, strings.ToValidUTF8(string(b[:min(len(b), maxMessage)]), ""))
		}
		return err
	})
}

// labels reads an object of strings.
func (s *scanner) labels() (series.Labels, error) {
	ls := make(series.Labels, 0, 8)
	err := s.object(func(name string) error {
		b, err := s.str()
		if err != nil {
			return err
		}
		if len(b) > 0 { // an empty value is no label
			ls = append(ls, series.Label{Name: name, Value: s.intern(b)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ls, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(ls); i++ {
		if ls[i].Name == ls[i-1].Name {
			return nil, fmt.Errorf("a series has the label %q twice", ls[i].Name)
		}
	}
	return ls, nil
}

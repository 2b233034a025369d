// Package evaluate scores detectors against labels: the measures of the literature, exact to their papers, over public labelled sets.
//
// The idea: whatever gives one score per sample can be measured, so that a formula under development and a registered detector stand in one table. Higher is more
// abnormal; the scale is free, but for NAB, which takes one threshold over all files.
//
//	set, err := evaluate.Load("../shared/data", "wsd", 0)
//	figures, err := evaluate.Univariate(ctx, set, func(s evaluate.Labelled) ([]float64, error) {
//		return myScore(s.Values), nil // one score per row; s.Past holds the published training half
//	})
//	fmt.Println(figures.Mean.VUSPR, figures.Files[0].Name, figures.Files[0].VUSPR)
//
// Replay runs a detector and a policy again over the past, as they would have alarmed; Plan makes a table of detectors and sets.
//
// Point-adjusted F1 is not here: by it random scores win. The package reads files, and fetches nothing.
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Measures are the figures of one series, or their mean over several. All lie in 0 to 1, NaN without a labelled sample.
type Measures struct {
	VUSPR  float64 `json:"vus_pr"`
	VUSROC float64 `json:"vus_roc"`
	AUCPR  float64 `json:"auc_pr"`
	AUCROC float64 `json:"auc_roc"`
	// F1 is that of single samples at the threshold that is best for the series.
	F1 float64 `json:"f1"`
}

// Measure computes all measures of one score per sample. NaN counts as 0. The slices must be of one length.
func Measure(label []bool, score []float64, buffer int) Measures {
	r := rank(score, label)
	m := Measures{AUCPR: r.aucPR(), AUCROC: r.aucROC(), F1: r.bestF1()}
	m.VUSPR, m.VUSROC = r.vus(buffer)
	return m
}

// File is what was found for one file.
type File struct {
	Name string
	Measures
	// Score is what the function returned.
	Score []float64
	// Samples is how many rows were judged and Took the processor time of the function, where the system tells it per thread; else its time by the clock.
	Samples int
	Took    time.Duration
	// Skipped is set where no row is labelled: such a file counts for NAB only, not in the mean.
	Skipped bool
}

// Figures are those of a whole set.
type Figures struct {
	Files []File
	// Mean is over the files with a label.
	Mean Measures
}

// Univariate scores every series of a set, as many at once as there are cores. The function must be safe for concurrent use and return one score per row.
func Univariate(ctx context.Context, set Set, score func(Labelled) ([]float64, error)) (Figures, error) {
	return each(ctx, runtime.GOMAXPROCS(0), len(set.Series), func(i int) (File, error) {
		s := set.Series[i]
		return measured(s.Name, s.Label, s.Buffer, func() ([]float64, error) { return score(s) })
	})
}

func measured(name string, label []bool, buffer int, score func() ([]float64, error)) (File, error) {
	done := stopwatch()
	s, err := score()
	took := done()
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(s) != len(label) {
		return File{}, fmt.Errorf("%s: got %d scores, want one per row, which is %d", name, len(s), len(label))
	}
	f := File{Name: name, Score: s, Samples: len(s), Took: took, Measures: Measure(label, s, buffer)}
	f.Skipped = f.VUSPR != f.VUSPR
	return f, nil
}

// each runs n tasks on that many workers. All errors are returned; the first does not stop the others, the end of ctx does.
func each(ctx context.Context, workers, n int, task func(i int) (File, error)) (Figures, error) {
	files := make([]File, n)
	errs := make([]error, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, min(workers, n)) {
		wg.Go(func() {
			for i := range next {
				files[i], errs[i] = task(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			errs[i] = ctx.Err()
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return Figures{}, err
	}
	return Figures{Files: files, Mean: mean(files)}, nil
}

func mean(files []File) Measures {
	var m Measures
	n := 0.0
	for _, f := range files {
		if f.Skipped {
			continue
		}
		n++
		m.VUSPR += f.VUSPR
		m.VUSROC += f.VUSROC
		m.AUCPR += f.AUCPR
		m.AUCROC += f.AUCROC
		m.F1 += f.F1
	}
	m.VUSPR, m.VUSROC, m.AUCPR, m.AUCROC, m.F1 = m.VUSPR/n, m.VUSROC/n, m.AUCPR/n, m.AUCROC/n, m.F1/n
	return m
}

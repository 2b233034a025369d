package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// progressAfter is how long several files may take without a word, and how often one is given then.
const progressAfter = 2 * time.Second

// runMany judges each file into a file of its own in the output directory, as many at once as there are cores. A file that fails does not
// stop the others; the worst failure is the exit code.
func (d *detectCommand) runMany(ctx context.Context) error {
	targets, err := d.targets()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.output, 0o777); err != nil {
		return badInputf("--output: %w", err)
	}
	one := *d
	if len(d.files) > 1 {
		one.workers = 1 // the files share the cores
	}
	var (
		mu     sync.Mutex
		done   int
		failed []error
		wg     sync.WaitGroup
		next   = make(chan int)
	)
	stop := d.progress(func() int { mu.Lock(); defer mu.Unlock(); return done })
	for range min(workers(), len(d.files)) {
		wg.Go(func() {
			for i := range next {
				err := one.into(ctx, d.files[i], targets[i])
				mu.Lock()
				done++
				if err != nil {
					failed = append(failed, err)
				}
				mu.Unlock()
			}
		})
	}
	for i := range d.files {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	stop()
	return d.report(ctx, failed)
}

// targets returns the result's path for each file, and refuses two files that would share one and a file that would be written over.
func (d *detectCommand) targets() ([]string, error) {
	ext := map[string]string{"csv": ".csv", "json": ".json", "intervals": ".csv"}[d.outFormat()]
	targets := make([]string, len(d.files))
	owner := map[string]string{}
	for i, f := range d.files {
		base := filepath.Base(f)
		if f == "-" {
			base = "stdin"
		}
		base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".csv")
		target := filepath.Join(d.output, base+ext)
		if other, twice := owner[target]; twice {
			return nil, badInputf("--output: %s and %s would both be written to %s, want files with different names", other, f, target)
		}
		owner[target] = f
		targets[i] = target
	}
	for _, f := range d.files {
		in, err := os.Stat(f)
		if err != nil {
			continue // reading it tells
		}
		for _, target := range targets {
			if out, err := os.Stat(target); err == nil && os.SameFile(in, out) {
				return nil, badInputf("--output: %s would be written over, want another directory", f)
			}
		}
	}
	return targets, nil
}

// into writes the verdicts of a file to the target, which appears only when it is complete.
func (d *detectCommand) into(ctx context.Context, name, target string) error {
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return fmt.Errorf("create the result of %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	out := buffered(f)
	if err := d.file(ctx, name, out); err != nil {
		return err
	}
	if err := errors.Join(out.Flush(), f.Chmod(0o644), f.Close(), os.Rename(f.Name(), target)); err != nil {
		return fmt.Errorf("write %s: %w", target, err)
	}
	return nil
}

// progress prints how far the work is, from progressAfter on, until stop is called.
func (d *detectCommand) progress(done func() int) (stop func()) {
	if d.quiet {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressAfter)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				d.note(d.text("progress", "done", strconv.Itoa(done()), "of", strconv.Itoa(len(d.files))))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// report prints the failures and returns the worst.
func (d *detectCommand) report(ctx context.Context, failed []error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	var worst error
	for _, err := range failed {
		d.fail(err)
		var wrong *inputError
		if worst == nil || !errors.As(err, &wrong) {
			worst = err
		}
	}
	if worst == nil {
		return nil
	}
	return &reported{worst}
}

package evaluate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// columns is a file of numbers: its header and its columns.
type columns struct {
	header []string
	values [][]float64
}

func (c columns) column(name string) ([]float64, bool) {
	for i, h := range c.header {
		if h == name {
			return c.values[i], true
		}
	}
	return nil, false
}

// readColumns reads a gzipped CSV of numbers. Without a header the columns have no names. An empty cell is an error: the sets have none.
func readColumns(path string, header bool) (columns, error) {
	var c columns
	err := eachLine(path, func(row int, line []byte) error {
		if row == 1 && header {
			c.header = strings.Split(string(line), ",")
			c.values = make([][]float64, len(c.header))
			return nil
		}
		if c.values == nil {
			c.values = make([][]float64, bytes.Count(line, []byte{','})+1)
		}
		return c.add(line)
	})
	return c, err
}

// eachLine calls do for every line of a gzipped file that is not empty, counted from 1. The line is valid until do returns.
func eachLine(path string, do func(row int, line []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return missing(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 1<<16), 1<<24)
	for row := 1; lines.Scan(); row++ {
		line := bytes.TrimRight(lines.Bytes(), "\r")
		if len(line) == 0 {
			continue
		}
		if err := do(row, line); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, row, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (c columns) add(line []byte) error {
	for k := range c.values {
		cell, rest, more := bytes.Cut(line, []byte{','})
		if more != (k < len(c.values)-1) {
			return fmt.Errorf("want %d columns", len(c.values))
		}
		x, err := strconv.ParseFloat(string(cell), 64)
		if err != nil {
			return fmt.Errorf("column %d: got %q, want a number", k+1, cell)
		}
		c.values[k] = append(c.values[k], x)
		line = rest
	}
	return nil
}

// missing says what to do about a file that is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoData, err)
	}
	return err
}

// readAll returns the content of a small file.
func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, missing(err)
	}
	defer f.Close()
	return io.ReadAll(f)
}

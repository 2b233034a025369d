package store

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// FillEveryTable writes n rows of odd values into every table that there is, whoever made it, and returns how many tables that were.
func FillEveryTable(ctx context.Context, url string, n int) (tables int, err error) {
	s, err := openCopy(ctx, Options{URL: url})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	all, err := s.tables(ctx)
	if err != nil {
		return 0, err
	}
	for _, t := range all {
		i := 0
		err := s.write(ctx, t, func() ([]any, error) {
			if i++; i > n {
				return nil, nil
			}
			row := make([]any, len(t.columns))
			for c, col := range t.columns {
				switch col.kind {
				case "int":
					row[c] = int64(i) + int64(c)<<40
				case "float":
					row[c] = float64(i) * math.Pi
				case "bool":
					row[c] = i%2 == 0
				case "text":
					row[c] = fmt.Sprintf("%d: \"'\\%%_ 日本 \U0001f525 \u202e\n\t%s", i, col.name)
				default:
					row[c] = []byte{0, 255, byte(i), 0}
				}
			}
			return row, nil
		})
		if err != nil {
			return 0, fmt.Errorf("filling %s: %w", t.name, err)
		}
	}
	return len(all), nil
}

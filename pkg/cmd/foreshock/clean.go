package main

import (
	"slices"
	"strings"

	"github.com/foreshock/foreshock/pkg/detect"
	"github.com/foreshock/foreshock/pkg/series"
)

// takeClean takes the column that marks what is fit for training out of a table and its set, and returns it as a mask; the zero series where none was asked for.
func takeClean(t *table, l *laid, column string) (*table, *laid, series.Series) {
	if column == "" {
		return t, l, series.Series{}
	}
	rest := *l
	last := len(l.set.Members) - 1 // the reader puts it there
	rest.set.Members = slices.Clone(l.set.Members[:last])
	if last == 1 { // as if the column had never been there
		rest.set.Members[0].Labels = nil
		t = only(t, t.columns[0])
	}
	return t, &rest, maskOf(l.set.Members[last])
}

// maskOf returns where a column is fit for training: where it is not 0.
func maskOf(column series.Series) series.Series {
	column.Labels = nil
	mask, _ := detect.NewClean("column == bool 1", series.Set{Grid: column.Grid, Members: []series.Series{column}}).Mask(nil)
	return mask
}

// anchoredOnly refuses a filter of what fits learn from where one fit learns from everything.
func anchoredOnly(clean string, f fitting) error {
	if strings.TrimSpace(clean) == "" || !f.review() {
		return nil
	}
	return badInputf("--clean: got %q with --fit %s, want --fit anchored: a review has no training of its own", clean, f.mode)
}

package digest

import (
	"time"

	"github.com/foreshock/foreshock/pkg/logs"
)

// Figures are what one source has come to, since its state was new. They are not changed once they are published.
type Figures struct {
	Lines, Bytes uint64
	// Messages by level, and when the last one of each was read (zero: never).
	Messages [numLevels]uint64
	Last     [numLevels]time.Time
	// Excluded messages were left out by include and exclude, Sampled ones were counted and not looked at.
	Excluded, Sampled uint64
	// Unparsed messages were not in the format of parse.
	Unparsed uint64
	Rules    []RuleFigure
	Fields   []FieldFigure
	Numbers  []NumberFigure
	// OverTemplates are messages of templates without a series of their own.
	OverTemplates uint64
	Templates     []TemplateFigure // those that have series, sorted by id
	Miner         logs.Stats
	Sequences     SequenceFigures
	// All templates, for who asks; nil when they are off. They are made once, and everybody has the same: they are not to be changed.
	All func() []logs.Template `json:"-"`
}

// RuleFigure is what one rule counted.
type RuleFigure struct {
	Name  string
	Count uint64
	Last  time.Time
}

// FieldFigure is what one field counted. Over counts messages with values that have no series.
type FieldFigure struct {
	Name   string
	Values map[string]uint64
	Over   uint64
}

// TemplateFigure is one template with a series.
type TemplateFigure struct {
	ID       logs.ID
	Text     string
	Messages [numLevels]uint64
	Last     time.Time
	Rarity   float64
	Shifts   uint64
}

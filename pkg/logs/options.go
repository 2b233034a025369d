package logs

import (
	"fmt"
	"regexp"

	"github.com/foreshock/foreshock/pkg/registry"
)

// Options of a Miner. The defaults of DefaultOptions serve every system; none needs to be tuned to one.
type Options struct {
	MaxTemplates  int               `json:"max_templates" yaml:"max_templates" min:"16" max:"1000000" help:"How many templates are kept; of more, those seen least recently are forgotten."`
	MaxSignatures int               `json:"max_signatures" yaml:"max_signatures" min:"64" max:"10000000" help:"How many masked lines are remembered, so that their like is found at once."`
	MaxLine       int               `json:"max_line" yaml:"max_line" min:"64" max:"1048576" unit:"bytes" help:"What is read of a line; the rest is cut off."`
	Siblings      int               `json:"siblings" yaml:"siblings" min:"2" max:"1000" help:"From how many words in one place on, all else equal, the place is a variable. One less where twice the context is equal."`
	Context       int               `json:"context" yaml:"context" min:"1" max:"100" help:"How many other words must be equal for that."`
	Bucket        int               `json:"bucket" yaml:"bucket" min:"8" max:"10000" help:"How many templates of one shape are kept apart before the places with the most words become variables."`
	Window        registry.Duration `json:"window" yaml:"window" min:"1" max:"86400" help:"How long the windows are in which lines are counted to tell a shift of the rate."`
	Masks         []string          `json:"masks" yaml:"masks" help:"Regular expressions (RE2) of what varies, looked for before the built-in masks."`
	Protected     []string          `json:"protected" yaml:"protected" help:"More words that tell templates apart."`
}

// DefaultOptions are one setting for all systems.
func DefaultOptions() Options {
	return Options{MaxTemplates: 4096, MaxSignatures: 32768, MaxLine: 4096, Siblings: 4, Context: 3, Bucket: 128, Window: registry.Duration(300e9)}
}

// Validate reports the first value out of range.
func (o *Options) Validate() error {
	for _, f := range []struct {
		name             string
		got, least, most int
	}{
		{"max_templates", o.MaxTemplates, 16, 1_000_000},
		{"max_signatures", o.MaxSignatures, 64, 10_000_000},
		{"max_line", o.MaxLine, 64, 1 << 20},
		{"siblings", o.Siblings, 2, 1000},
		{"context", o.Context, 1, 100},
		{"bucket", o.Bucket, 8, 10000},
	} {
		if f.got < f.least || f.got > f.most {
			return fmt.Errorf("%s: got %d, want %d to %d", f.name, f.got, f.least, f.most)
		}
	}
	if o.Window < registry.Duration(1e9) || o.Window > registry.Day {
		return fmt.Errorf("window: got %s, want 1s to 1d", o.Window)
	}
	for i, pattern := range o.Masks {
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("masks[%d]: got %q, want a regular expression (RE2): %w", i, pattern, err)
		}
	}
	return nil
}

// enough is how many different words in one place make it a variable.
func (o *Options) enough(context int) int {
	if context >= 2*o.Context {
		return max(2, o.Siblings-1)
	}
	return o.Siblings
}

func (o *Options) masks() []customMask {
	var all []customMask
	for _, pattern := range o.Masks {
		all = append(all, customMask{regexp.MustCompile(pattern)})
	}
	return all
}

package stage

import "context"

// absorb merges the case into another one that turned out to be the same
// problem; true when it did.
func (v *review) absorb(context.Context) (bool, error) { return false, nil }

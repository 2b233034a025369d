package digest

// SequenceFigures are what sessions have come to.
type SequenceFigures struct {
	Normal, Abnormal uint64
}

// sessions judges the order of messages.
type sessions struct{}

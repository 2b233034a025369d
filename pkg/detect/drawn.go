package detect

// drawer is implemented by learners that know a window by a random part of it. What comes again and again in a series may be missing in one part and be there in another:
// every time that it comes, it is abnormal to the one and usual to the other. So the threshold of such a measure must not come from other parts alone.
type drawer interface{ draws() }

func (*LOF) draws()         {}
func (*OneClassSVM) draws() {}
func (*JointDBSCAN) draws() {}

// atLeast raises the threshold to what the measure itself would need to keep to its budget on the window: most samples of it are none that it knows.
func (t *threshold) atLeast(own threshold) {
	t.theta = max(t.theta, own.theta)
}

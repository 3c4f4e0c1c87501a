//go:build !amd64 && !arm64

package simd

// Sets returns the sets of this machine, the slowest first.
func Sets() []Set { return []Set{Go} }

func (s Set) dots(d *int8Dots) { dotsGo(d) }

func (s Set) dotsAt(d *int8Dots) { dotsAtGo(d) }

func (s Set) dot(sums *[dotLanes]float64, a, b, _ []float32) { dotGo(sums, a, b) }

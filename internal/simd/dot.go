package simd

// dotLanes is how many sums Dot keeps: number i of the vectors goes to sum i
// modulo dotLanes, in every set.
const dotLanes = 16

// Dot returns the product of two vectors of the same length, which may be any.
// A product of two float32 is exact in float64 and the order of the additions is
// fixed, so every set gives the same bits, nearer to the true value than a
// float32 can tell. Meanwhile it has as much of next fetched, which is as long
// as b or nil: rows from all over a large matrix are mostly waited for.
func (s Set) Dot(a, b, next []float32) float64 {
	if len(a) != len(b) {
		panic("simd: Dot of vectors that do not fit")
	}
	if len(next) < len(b) {
		next = b
	}
	var sums [dotLanes]float64
	whole := len(a) / dotLanes * dotLanes
	if whole > 0 {
		s.dot(&sums, a[:whole], b[:whole], next)
	}
	for i, v := range a[whole:] {
		sums[i] += float64(v) * float64(b[whole+i])
	}
	for n := dotLanes / 2; n > 0; n /= 2 {
		for i := range n {
			sums[i] += sums[n+i]
		}
	}
	return sums[0]
}

func dotGo(sums *[dotLanes]float64, a, b []float32) {
	// Four sums at a time stay in registers.
	for lane := 0; lane < dotLanes; lane += 4 {
		p, q, r, s := sums[lane], sums[lane+1], sums[lane+2], sums[lane+3]
		for i := lane; i+3 < len(a); i += dotLanes {
			x, y := a[i:i+4:i+4], b[i:i+4:i+4]
			p += float64(x[0]) * float64(y[0])
			q += float64(x[1]) * float64(y[1])
			r += float64(x[2]) * float64(y[2])
			s += float64(x[3]) * float64(y[3])
		}
		sums[lane], sums[lane+1], sums[lane+2], sums[lane+3] = p, q, r, s
	}
}

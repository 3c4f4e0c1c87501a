package simd

import "golang.org/x/sys/cpu"

// Sets returns the sets of this machine, the slowest first.
func Sets() []Set {
	if cpu.ARM64.HasASIMDDP {
		return []Set{Go, NEON}
	}
	return []Set{Go}
}

func (s Set) dots(d *int8Dots) {
	if s != NEON {
		dotsGo(d)
		return
	}
	var sums [4]int32
	for i := 0; i < d.count; i += 4 {
		rows := min(4, d.count-i)
		first := int64(i * d.width)
		at := [4]int64{first, first, first, first}
		for j := range rows {
			at[j] += int64(j * d.width)
		}
		dot4NEON(&sums, d.x, d.values, &at)
		for j := range rows {
			d.dst[i+j] = float32(sums[j]) * d.scales[i+j]
		}
	}
}

func (s Set) dotsAt(d *int8Dots) {
	if s != NEON {
		dotsAtGo(d)
		return
	}
	var sums [4]int32
	for i := 0; i < d.count; i += 4 {
		rows := d.at[i:min(i+4, d.count)]
		var at [4]int64
		for j := range at {
			at[j] = int64(rows[min(j, len(rows)-1)]) * int64(d.width)
		}
		dot4NEON(&sums, d.x, d.values, &at)
		for j, row := range rows {
			d.dst[i+j] = float32(sums[j]) * d.scales[row]
		}
	}
}

func (s Set) dot(sums *[dotLanes]float64, a, b, _ []float32) { dotGo(sums, a, b) }

// dot4NEON sets sums to the products of x and the four rows of values that start
// at the given offsets.
//
//go:noescape
func dot4NEON(sums *[4]int32, x, values []int8, at *[4]int64)

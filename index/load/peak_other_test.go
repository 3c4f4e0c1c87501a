//go:build !linux

package load

func peak() int64      { return 0 }
func resetPeak() int64 { return 0 }

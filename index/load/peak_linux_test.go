package load

import (
	"bytes"
	"fmt"
	"os"
)

// peak is the most memory that the process had since resetPeak, in bytes; 0
// where the system does not say.
func peak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kilobytes int64
	fmt.Sscan(string(after), &kilobytes)
	return kilobytes << 10
}

// resetPeak begins again, and returns the memory that there is now; 0 where it
// cannot begin again.
func resetPeak() int64 {
	if os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) != nil {
		return 0
	}
	return peak()
}

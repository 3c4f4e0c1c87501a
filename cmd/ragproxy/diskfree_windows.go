package main

import "golang.org/x/sys/windows"

// freeSpace is how many bytes this user may still write below dir.
func freeSpace(dir string) (free uint64, known bool) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	err = windows.GetDiskFreeSpaceEx(path, &free, nil, nil)
	return free, err == nil
}

package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// takesEscapes switches a console to escape sequences; old ones have none.
func takesEscapes(f *os.File) bool {
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(windows.Handle(f.Fd()), mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

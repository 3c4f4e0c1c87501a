// Package testdata carries the sample corpus that `ragproxy demo` indexes and
// that tests of several packages share.
package testdata

import "embed"

// Sample is the folder "sample".
//
//go:embed sample
var Sample embed.FS

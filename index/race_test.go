//go:build race

package index_test

const race = true

package vector

// readBack does nothing here: coder/hnsw saves files by a package that is not for
// Windows, so it does not build.
func readBack(stream []byte, layers, rows int) error { return nil }

package index

import "context"

// Server is an engine that is not on this machine's disk: it may be out of
// reach, and what is in it outlives the process that put it there.
type Server interface {
	Engine
	// Check asks whether the engine can be worked with, and tells what it is, in
	// some words for people ("PostgreSQL 18.0, pgvector 0.8.1"). The error says
	// what to do.
	Check(ctx context.Context) (string, error)
	// Drop removes a collection with all that is kept of it; ErrNotFound if there
	// is none, and as of Begin if it is being written.
	Drop(ctx context.Context, collection string) error
}

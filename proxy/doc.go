// Package proxy is the HTTP side: an OpenAI-compatible endpoint that adds
// retrieval to chat completions and passes everything else on.
//
// A request's life, in chat.go:
//
//	read the body, find its spans            request.go
//	read what the client asks of retrieval   options.go
//	rewrite, search, write the prompt        package retrieval
//	put the prompt into the body's bytes     request.go
//	ask the upstream, raw                    upstream.go
//	relay its lines, ours between them       relay.go, package dialect
//
// Start at [New]. To change what clients see, go to package dialect; to
// change the prompt, to retrieval/prompts.
package proxy

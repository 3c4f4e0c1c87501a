// Package builtin is an OpenAI-compatible upstream without a model: it makes
// ragproxy work with no key and no network, and says that it is no language
// model wherever an API can say so.
//
// Start at [New], which gives an http.Handler that knows GET /v1/models and
// POST /v1/chat/completions, streamed or not. A request is one of two things:
//
//   - an answer: it copies the sentences that fit the question best from the
//     passages in the messages, each with its [n] (passages.go finds the
//     passages, units.go cuts sentences, answer.go chooses);
//   - a rewrite, marked by the header "X-RAG-Purpose: rewrite": it turns the
//     last user turn into a standalone question by rules (rewrite.go, topic.go).
//
// Both are deterministic. Token counts are counts of words.
package builtin

// Package openwebui holds the dialect openwebui to the chat UI that it is
// named after: it runs the pinned Open WebUI and the binary, and asks in a
// browser. It is no part of CI, for its size; `make openwebui` runs it:
//
//	bash internal/openwebui/install.sh .artifacts/openwebui
//	RAGPROXY_TEST_OPENWEBUI=$PWD/.artifacts/openwebui RAGPROXY_TEST_BROWSER=$(command -v chromium) \
//	    go test -count=1 -v ./internal/openwebui
//
// Open WebUI runs with everything off that would leave this machine, and the
// browser reaches no address but loopback. Screenshots are written to
// RAGPROXY_TEST_SHOTS, if that is set.
package openwebui

// Package browsertest holds the playground to what people see: it builds the
// binary, runs it, and drives Chromium through the page. It needs a browser
// and axe-core, once:
//
//	bash internal/browsertest/install.sh .artifacts/browser
//	RAGPROXY_TEST_BROWSER=$(cat .artifacts/browser/path) RAGPROXY_TEST_AXE=.artifacts/browser/node_modules/axe-core/axe.min.js \
//	    go test -v ./internal/browsertest
//
// Screenshots are written to RAGPROXY_TEST_SHOTS, if that is set.
package browsertest

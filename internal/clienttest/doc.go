// Package clienttest holds ragproxy to what real clients do with it: the
// official and the common SDKs of Go, Python and Node run, unchanged, against
// the proxy in every dialect, and what each can reach of the sources is
// recorded in testdata/matrix.txt and shown in docs/clients.md.
//
// The Go clients always run. Those of Python and Node need an installation of
// the pinned versions, once:
//
//	bash internal/clienttest/install.sh /tmp/clients
//	RAGPROXY_TEST_CLIENTS=/tmp/clients go test ./internal/clienttest
//
// With -update both files are written anew. To add a client, write its script
// beside the others in clients/ and a line into the table of client_test.go.
package clienttest

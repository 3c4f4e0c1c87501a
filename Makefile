# `make check` is what CI runs; the other targets are its parts and longer runs.
.PHONY: build test race lint fuzz bench check

FUZZTIME ?= 60s

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/ragproxy ./cmd/ragproxy

test:
	go test ./...

race:
	go test -race -timeout 20m ./...

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	go vet ./... ./testdata
	go tool staticcheck ./... ./testdata

# Every fuzz target of the project for FUZZTIME each.
fuzz:
	bash .ci/fuzz $(FUZZTIME)

# The proxy against httputil.ReverseProxy, about four minutes, Linux only; then
# the parts by themselves.
bench:
	go run ./internal/relaybench
	go test -run '^$$' -bench . -benchmem ./...

check:
	bash .ci/run

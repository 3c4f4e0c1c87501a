# `make check` is what CI runs; the other targets are its parts and longer runs.
.PHONY: build test race lint fuzz bench torture soak release vuln browser check

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

# The proxy against httputil.ReverseProxy, about four minutes, Linux only; the
# engines against their peers from PyPI; then the parts by themselves. PEERS=no
# leaves out what needs Python.
PYTHON ?= python3
bench:
	go run ./internal/relaybench
ifneq ($(PEERS),no)
	$(PYTHON) -m venv .artifacts/bench
	.artifacts/bench/bin/pip install -q -r index/vector/bench/requirements.txt -r index/lexical/bench/requirements.txt
	.artifacts/bench/bin/python index/vector/bench/peer.py --dir $${RAGPROXY_BENCH_DIR:-.artifacts/vectors}
	.artifacts/bench/bin/python index/lexical/bench/peer.py
endif
	go test -run '^$$' -bench . -benchmem ./...

# An index under 10,000 kill -9 in the middle of what it does, a quarter of an
# hour; a gigabyte of text; a million questions of keys that may not see all;
# 10,000 connections that never end their request.
torture:
	RAGPROXY_KILLS=10000 go test -count=1 -timeout 4h -v -run '^TestTorture$$' ./index
	RAGPROXY_MEMORY_MB=1000 go test -count=1 -timeout 1h -v -run '^TestMemory$$' ./index
	RAGPROXY_LEAK_TRIPLES=1000000 go test -count=1 -timeout 1h -v -run '^TestNoLeak$$' ./proxy
	RAGPROXY_LORIS_CONNECTIONS=10000 go test -count=1 -v -run SlowLoris ./proxy

# 200 streams for SOAK_FOR while the index is rewritten, keys come and go and
# the configuration is reloaded; no token may be lost and nothing may leak.
# Linux only.
SOAK_FOR ?= 1h
soak:
	go run ./internal/soak -for $(SOAK_FOR)

# The pinned Open WebUI (Python 3.11 or 3.12, 770 MB on disk) over ragproxy, asked
# in a real browser; the screenshot is left in .artifacts/openwebui/shots.
.PHONY: openwebui
openwebui:
	bash internal/openwebui/install.sh .artifacts/openwebui
	bash internal/browsertest/install.sh .artifacts/browser
	RAGPROXY_TEST_OPENWEBUI=$(CURDIR)/.artifacts/openwebui RAGPROXY_TEST_BROWSER=$$(cat .artifacts/browser/path) \
	RAGPROXY_TEST_SHOTS=$(CURDIR)/.artifacts/openwebui/shots go test -count=1 -v ./internal/openwebui

# The engine on a real PostgreSQL with pgvector (from PyPI, 60 MB; Linux only):
# the contract, the command line, a failover during 10,000 acknowledged writes,
# and how long a search takes. The data races are looked for in the first two.
.PHONY: postgres
postgres: export RAGPROXY_TEST_POSTGRES = $(CURDIR)/.artifacts/postgres
postgres:
	bash internal/pgtest/install.sh .artifacts/postgres
	go test -count=1 -race -timeout 20m ./internal/pgtest ./index/postgres ./index/enginetest
	RAGPROXY_FAILOVER_DOCUMENTS=10000 go test -count=1 -timeout 30m -v -run '^TestPostgres' ./cmd/ragproxy
	go test -run '^$$' -bench . -timeout 30m ./index/postgres

# OpenSearch with its k-NN plugin from Maven Central (Maven and a JDK 17, one and
# a half gigabyte of memory for three nodes): the contract, the command line, and
# a node that is killed amid writes.
.PHONY: opensearch
opensearch:
	bash internal/ostest/install.sh .artifacts/opensearch
	RAGPROXY_TEST_OPENSEARCH=$(CURDIR)/.artifacts/opensearch go test -count=1 -timeout 60m -run 'OpenSearch|opensearch|Cluster' \
	./internal/ostest ./index/opensearch ./index/enginetest ./cmd/ragproxy

# The commit that is checked out, for each platform, with sums and what each
# binary is made of. The same commit and the same Go give the same bytes.
release:
	rm -rf dist
	go run ./internal/release -o dist

vuln:
	bash .ci/vuln

# The playground in a real browser; screenshots are left in .artifacts/browser/shots.
browser: build
	bash internal/browsertest/install.sh .artifacts/browser
	RAGPROXY_TEST_BROWSER=$$(cat .artifacts/browser/path) RAGPROXY_TEST_AXE=$(CURDIR)/.artifacts/browser/node_modules/axe-core/axe.min.js \
	RAGPROXY_TEST_SHOTS=$(CURDIR)/.artifacts/browser/shots RAGPROXY_TEST_BINARY=$(CURDIR)/bin/ragproxy \
	go test -count=1 -v ./internal/browsertest

check:
	bash .ci/run

# shunt: the few things one does here. `make demo` and `make test` are all a
# newcomer needs; both work on a fresh Debian or Ubuntu machine with Go.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 5s

.PHONY: build demo test lint unit peers fuzz soak bench bench-short clean

build: ## one static binary: ./shunt
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o shunt ./cmd/shunt

demo: build ## a multi-CDN failover on loopback, to watch
	./shunt demo

test: lint unit peers fuzz ## everything that must pass

lint:
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	go vet -tags peers,browser ./...
	go run $(STATICCHECK) -tags peers,browser ./...

unit: ## all Go tests, with the race detector
	test/install-packages
	test/install-places
	go test -race ./...

peers: build ## the binary among real DNS and web servers; pictures of the dashboard go to artefacts/
	test/install-packages
	SHUNT_SCREENSHOTS=$(CURDIR)/artefacts go test -count=1 -tags peers$$(! command -v chromium >/dev/null || echo ,browser) ./test/peers/

fuzz: ## each fuzz target for FUZZTIME
	test/fuzz $(FUZZTIME)

soak: ## ten minutes of mixed load on all transports: nothing may leak
	SHUNT_SOAK=10m go test -count=1 -timeout 20m -v -run TestSoak ./resolver

fuzz-packets: ## the packet parser, 50,000,000 times: ten minutes of one quiet CPU
	test/fuzz-packets

bench: ## the tables of docs/performance.md, beside other servers: about 14 minutes on two quiet CPUs
	bench/install-packages
	go run ./bench -big -go -out docs/performance.md

bench-short: ## does the same still work? It prints figures and keeps none
	bench/install-packages
	go run ./bench -short

clean:
	rm -rf shunt artefacts

# midaz: the infrastructure of the Midaz platform from one file.
#
#   make demo    everything from nothing: tools, images, the stack, and how to look around
#   make test    all tests; those that need a Docker Engine run when one answers
#   make help    the rest

SHELL   := /bin/sh
GO      ?= $(shell command -v go || { [ -x /usr/local/go/bin/go ] && echo /usr/local/go/bin/go; } || echo go)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MIDAZ   := bin/midaz
GOFILES := $(shell find cmd engine resources schema specs -name '*.go' 2>/dev/null) go.mod go.sum

export GOTOOLCHAIN ?= auto

# Which images the stack runs: official, or debian (built here, see specs/debian.infra.yaml).
# `make up` and `make demo` choose; later commands go on with that choice.
IMAGES ?= $(shell cat .cache/images 2>/dev/null || echo official)
SPEC.official := --file midaz.infra.yaml
SPEC.debian   := --file midaz.infra.yaml --file specs/debian.infra.yaml
SPEC = $(SPEC.$(IMAGES))

.DEFAULT_GOAL := help
.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/^\([a-z-]*\):.*## /\1\t/' | expand -t 14

# --- the stack ---------------------------------------------------------------------------

.PHONY: demo
demo: ## set up everything, apply the stack with images built here, show it
	@GO=$$(.ci/go) && $(MAKE) --no-print-directory build GO="$$GO"
	@.ci/engine
	@specs/debian/base.sh
	@$(MAKE) --no-print-directory start IMAGES=debian
	@specs/debian/look-around.sh

.PHONY: up
up: build ## apply the stack with the official images
	@$(MAKE) --no-print-directory start IMAGES=official

.PHONY: start
start: build
	@$(MIDAZ) env $(SPEC) >&2
	@$(MIDAZ) up $(SPEC) || { status=$$?; [ $(IMAGES) != official ] || echo 'Where no image registry answers: make demo' >&2; exit $$status; }
	@mkdir -p .cache && echo $(IMAGES) > .cache/images

.PHONY: down
down: build ## stop and remove the stack; volumes stay
	$(MIDAZ) down $(SPEC)

.PHONY: infra
infra: build ## COMMAND="info|up|down|logs|ps|plan|drift|…" of the infrastructure
	@[ -n "$(COMMAND)" ] || { echo 'say which: make infra COMMAND="info|up|down|logs"' >&2; exit 64; }
ifneq ($(filter up,$(COMMAND)),)
	@$(MAKE) --no-print-directory start
else
	@$(MIDAZ) $(COMMAND) $(SPEC)
endif

.PHONY: images
images: build ## build the images of the Debian overlay
	@specs/debian/build.sh

# --- the program -------------------------------------------------------------------------

.PHONY: build
build: $(MIDAZ) ## bin/midaz

$(MIDAZ): $(GOFILES)
	$(GO) build -buildvcs=false -trimpath -ldflags '-s -w -X github.com/LerianStudio/midaz-infra/cmd/midaz/internal/report.Version=$(VERSION)' -o $@ ./cmd/midaz

.PHONY: generate
generate: build ## what is generated and checked in: the schemas
	$(GO) generate ./...
	$(MIDAZ) schema > schema/midaz.infra.schema.json
	$(GO) test ./cmd/midaz -count=1 -run '^TestSchemasOfFormats$$' -update

.PHONY: docs
docs: ## docs/reference from tables, flags, rules and schemas, and the output in docs/tutorials
	$(GO) test ./cmd/midaz -count=1 -run '^TestDocs(Reference|Tutorials|Conformance|Packages)$$' -update

.PHONY: man
man: build ## the manual pages, into .cache/man
	$(MIDAZ) man .cache/man

.PHONY: completions
completions: build ## the completion scripts, into .cache/completions
	@mkdir -p .cache/completions
	$(MIDAZ) completion bash > .cache/completions/midaz.bash
	$(MIDAZ) completion zsh > .cache/completions/_midaz
	$(MIDAZ) completion fish > .cache/completions/midaz.fish

# --- tests -------------------------------------------------------------------------------

.PHONY: test
test: check unit e2e ## all of it

.PHONY: unit
unit: ## what needs no engine
	$(GO) test -timeout 10m ./...
	@$(MAKE) --no-print-directory worlds

WORLDS ?= 2000
.PHONY: worlds
worlds: ## random worlds and specs, killed at a random write, then applied again; WORLDS= says how many (2000)
	cd engine && MIDAZ_WORLDS=$(WORLDS) $(GO) test -count=1 -timeout 2h -run '^TestConverge$$'

FAULTS ?= all
.PHONY: faults
faults: build ## every fault at each call of an apply, on a real engine and broker (over an hour); the table goes to .cache/faults.md
	@mkdir -p .cache
	MIDAZ_FAULTS="$(FAULTS)" MIDAZ_FAULTS_LANES=4 MIDAZ_FAULTS_TABLE=$(CURDIR)/.cache/faults.md $(GO) test -tags e2e -count=1 -timeout 3h -parallel 4 -v -run '^TestFaults$$' ./e2e

RECOVERY ?= all
.PHONY: recovery
recovery: build ## a run killed before and after each write, then each kind of next spec, on a real engine (hours); the table goes to .cache/recovery.md
	@mkdir -p .cache
	MIDAZ_BIN=$(CURDIR)/$(MIDAZ) MIDAZ_RECOVERY="$(RECOVERY)" MIDAZ_RECOVERY_LANES=4 MIDAZ_RECOVERY_TABLE=$(CURDIR)/.cache/recovery.md $(GO) test -tags e2e -count=1 -timeout 6h -parallel 4 -v -run '^TestRecovery$$' ./e2e

.PHONY: readback
readback: build ## changes that an engine only says it has made, on Docker 20.10, 26.1, and 28.5
	.ci/engines start
	for suite in bookworm trixie forky; do MIDAZ_BIN=$(CURDIR)/$(MIDAZ) .ci/engines with $$suite $(GO) test -tags e2e -count=1 -timeout 15m -run '^TestReadBack$$' ./e2e || exit 1; done

PROJECTS ?= 400
.PHONY: imports
imports: ## generated Compose projects, imported and compared with what Compose's own loader reads; PROJECTS= says how many (400)
	MIDAZ_PROJECTS=$(PROJECTS) $(GO) test -count=1 -timeout 1h -run '^TestImportComposeAgreesWithCompose$$' ./cmd/midaz

INSPECTS ?= 40
.PHONY: inspects
inspects: build ## what docker inspect says of containers that Compose makes, and of those of the imported project; INSPECTS= says how many (40)
	@specs/debian/build.sh valkey
	MIDAZ_INSPECTS=$(INSPECTS) $(GO) test -tags e2e -count=1 -timeout 1h -v -run '^TestImportedProjectHasTheSameContainers$$' ./cmd/midaz

.PHONY: canary
canary: ## a secret at every position of the language, every command in every format, and all that was written searched for it
	MIDAZ_CANARY=all $(GO) test -count=1 -timeout 2h -run '^TestCanary' ./cmd/midaz

.PHONY: agree
agree: ## plan and drift of every row in every state
	MIDAZ_AGREE=20000 $(GO) test -count=1 -timeout 2h -run '^TestPlanAndDriftAgree$$' ./cmd/midaz

.PHONY: nightly
nightly: ## what takes too long for every change: 100,000 random worlds, a million inputs for each fuzz target, 400 imported Compose projects, 40 of them on an engine, secrets at every position, plan and drift of every row in every state, all faults, all recoveries, what is read back on three engines, every field on three engines and three brokers, all migrations, 1,000 routes
	@$(MAKE) --no-print-directory worlds WORLDS=100000
	@$(MAKE) --no-print-directory fuzz FUZZTIME=1000000x
	@$(MAKE) --no-print-directory imports
	@$(MAKE) --no-print-directory inspects
	@$(MAKE) --no-print-directory canary
	@$(MAKE) --no-print-directory agree
	@$(MAKE) --no-print-directory faults
	@$(MAKE) --no-print-directory recovery
	@$(MAKE) --no-print-directory readback
	@$(MAKE) --no-print-directory engines conformance
	@$(MAKE) --no-print-directory brokers
	@$(MAKE) --no-print-directory migration
	@$(MAKE) --no-print-directory routes
	MIDAZ_CONFORMANCE_COMPLETE=1 $(GO) test ./cmd/midaz -count=1 -run '^TestDocsConformance$$'

.PHONY: e2e
e2e: build ## on a real engine, when one answers (with MIDAZ_E2E_REQUIRED=1 one must)
	@GO="$(GO)" .ci/e2e

.PHONY: engines
engines: build ## Docker 20.10, 26.1 and 28.5 side by side, for tests (.ci/engines stop)
	@MIDAZ=$(CURDIR)/$(MIDAZ) specs/debian/build.sh valkey
	@.ci/engines start

.PHONY: conformance
conformance: build ## every row of every kind on every engine of `make engines`; the table goes to docs/conformance.md
	@MIDAZ=$(CURDIR)/$(MIDAZ) specs/debian/build.sh valkey
	@.ci/conformance

.PHONY: brokers
brokers: build ## all that needs a broker on RabbitMQ 3.10, 4.0 and 4.3, and every row of every kind; the table goes to docs/conformance.md
	@GO="$(GO)" MIDAZ=$(CURDIR)/$(MIDAZ) MIDAZ_BIN=$(CURDIR)/$(MIDAZ) .ci/brokers test

ROUTES ?= 1000
.PHONY: routes
routes: build ## what midaz route tells against a real broker, on ROUTES (1000) random topologies
	@specs/debian/build.sh rabbitmq
	MIDAZ_BIN=$(CURDIR)/$(MIDAZ) MIDAZ_ROUTES=$(ROUTES) $(GO) test -tags e2e -count=1 -timeout 30m -run '^TestRouteAgreesWithBroker$$' -v ./e2e

.PHONY: migration
migration: build ## queues changed under load on a real broker, the tool killed at every call in turn
	@specs/debian/build.sh rabbitmq
	MIDAZ_BIN=$(CURDIR)/$(MIDAZ) MIDAZ_MIGRATION=all $(GO) test -tags e2e -count=1 -timeout 30m -run TestMigration -v ./e2e

.PHONY: check
check: build ## formatting, vet, what is generated, documentation, the stack's own files
	@files=$$(find . -name '*.go' -not -path './.cache/*' | xargs gofmt -l); [ -z "$$files" ] || { echo "gofmt would change: $$files" >&2; exit 1; }
	$(GO) vet -tags e2e ./...
	@$(MIDAZ) schema | cmp - schema/midaz.infra.schema.json || { echo 'the schema is stale: make generate' >&2; exit 1; }
	$(GO) test ./cmd/midaz -run '^TestDocs'
	@.ci/spec

.PHONY: race
race: ## unit tests under the race detector (needs a C compiler)
	$(GO) test -race ./...

BENCH ?= .
.PHONY: bench
bench: build ## benchmarks, on an engine beside Compose where one is found; BENCH= chooses
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...
	@if docker version >/dev/null 2>&1; then $(GO) test -tags e2e -run '^$$' -bench '$(BENCH)' -benchtime 3x ./e2e/bench; fi

FUZZTIME ?= 1m
# Inputs that reach new code are made smaller in at most 100 tries each, not for a minute.
# A target's seeds are run by `make unit` too; inputs that failed once stay under testdata/fuzz.
# One of them for longer: go test -run '^$$' -fuzz '^FuzzLoad$$' -fuzztime 10m ./specs
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (1m; 1000000x is a million inputs)
	@grep -rlE --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $$(dirname "$$file")"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$(dirname "$$file")" </dev/null || exit 1; \
		done; \
	done

.PHONY: vulncheck
vulncheck: ## known vulnerabilities in what the program is built from
	@GO="$(GO)" .ci/vulncheck

.PHONY: clean
clean: ## what was built here; never the stack
	@.ci/engines stop
	rm -rf bin .cache

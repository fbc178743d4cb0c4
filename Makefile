# Gengfu. `make demo` shows it, `make test` proves it; the rest is for work on it.
.PHONY: demo test check deny bench bench-peers bench-replay mind-cost mind-storm score score-report setup web unit core rig long long-round-trip long-outage long-kill long-isolation long-sick-disk long-two-days long-crash long-soak long-fuzz long-laws long-mind clean
.DEFAULT_GOAL := demo

CARGO ?= cargo
RIG = $(CARGO) test -p gengfu-tests --test gengfu --

demo: ## a simulated plant, the gateway and the console; prints the address to open
	@command -v $(CARGO) >/dev/null || { echo "make demo needs Rust: https://rustup.rs"; exit 1; }
	@command -v cc >/dev/null || { echo "make demo needs a C compiler (SQLite is built from source): apt-get install gcc"; exit 1; }
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web || echo "web bundle not built: the page works without, less well"; \
	else echo "npm is missing: the page works without its bundle, less well (apt-get install npm)"; fi
	$(CARGO) build -p gengfu --bin gengfu
	target/debug/gengfu demo

test: setup check deny core rig ## everything; installs what it needs first
	@echo "make test: all passed"

check: web ## fast: format, lints, unit tests, tidy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace --exclude gengfu-tests
	$(RIG) tidy

deny: ## licences and sources of all that is linked, by deny.toml
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check licenses bans sources; \
	else echo "NOT RUN make deny: cargo-deny is missing (cargo install --locked cargo-deny)"; fi

core: ## the mind without std, as the node runs it, and the images for the board
	$(CARGO) check -p gengfu-core --target thumbv7em-none-eabihf
	$(CARGO) clippy -p gengfu-node --features board --lib --bins --target thumbv7em-none-eabihf -- -D warnings

rig: ## the real binary against real brokers, stores, browsers and faults
	$(CARGO) build --workspace --bin gengfu
	$(RIG) --skip tidy

setup: ## installs what the tests need, and says so first
	tests/setup

web: ## the browser bundle, out of web/ into web/dist
	@if [ ! -f web/package.json ]; then echo "no web/ yet"; \
	elif ! command -v npm >/dev/null; then echo "npm is missing: no web bundle"; \
	else cd web && { [ -d node_modules ] || { echo "installing npm packages of web/"; npm ci --no-audit --no-fund; }; } && npm run build; fi

bench: mind-storm ## the figures of docs/benchmarks.md, in its own words
	$(CARGO) build --release --workspace --bin gengfu --bin figures
	target/release/figures

# Where the harness for other gateways is, and which of them; it says how they are installed, under PEERS_HOME.
PEER_BENCH ?= ../shared/bench
PEERS ?= nodered thingsboard
PEER_DEVICES ?= 10 50 200

bench-peers: ## Gengfu, a bare poller and two other gateways on the same load, one after the other in one run
	@[ -f "$(PEER_BENCH)/bench.py" ] || { echo "NOT RUN make bench-peers: no harness in $(PEER_BENCH) (PEER_BENCH=folder)"; exit 0; }; \
	[ -x "$${GWBENCH:-$${PEERS_HOME:-$${TMPDIR:-/tmp}/peers}/target/release/gwbench}" ] || { echo "NOT RUN make bench-peers: the peers are not installed ($(PEER_BENCH)/setup.sh)"; exit 0; }; \
	$(CARGO) build --release --workspace --bin gengfu && OUT=$$(mktemp -d) && trap 'rm -rf "$$OUT"' EXIT && export OUT && \
	export CANDIDATE="$(abspath $(PEER_BENCH))/candidates/gengfu.sh" GENGFU="$(CURDIR)/target/release/gengfu" && cd "$(PEER_BENCH)" && \
	for devices in $(PEER_DEVICES); do for peer in floor candidate $(PEERS); do \
	python3 bench.py w1 $$peer $$devices reps=$${REPS:-3} || exit 1; done; done && python3 bench.py report

bench-replay: ## a back-test of a month of a thousand points alone
	$(CARGO) build --release --workspace --bin gengfu --bin figures
	target/release/figures replay

mind-cost: ## what a reading costs in core: ns on this machine, instructions on the emulated board
	$(CARGO) run --release -p gengfu-node --example cost
	$(RIG) --nocapture same_mind::a_reading

mind-storm: ## a bad second of a site of 20,000 points in core: time, and memory held against its budget
	$(CARGO) run --release -p gengfu-core --example storm

SCORES = score_scenarios score_skab score_nab
SCORE_BUILD = $(CARGO) build --release --workspace $(SCORES:%=--example %)

score: ## runs the detectors over DATA/{scenarios,skab,nab} and writes what they say, row by row, to OUT
	@[ -n "$(DATA)" ] && [ -n "$(OUT)" ] || { echo "usage: make score DATA=folder OUT=folder"; exit 1; }
	$(SCORE_BUILD)
	failed=; for score in $(SCORES); do target/release/examples/$$score "$(DATA)" "$(OUT)" || failed="$$failed $$score"; done; \
	[ -z "$$failed" ] || { echo "not all was run:$$failed"; exit 1; }

score-report: DATA ?= ../shared/data
score-report: ## the same, held against the labels in DATA: the tables of docs/benchmarks.md
	$(SCORE_BUILD)
	out=$$(mktemp -d) && trap 'rm -rf "$$out"' EXIT && \
	for score in $(SCORES); do echo "== $$score" && target/release/examples/$$score "$(DATA)" "$$out" --report || exit 1; done

long: long-round-trip long-outage long-isolation long-sick-disk long-kill long-two-days long-crash long-soak long-fuzz long-laws long-mind ## the issue's full lengths; keep the output in docs/
long-round-trip:
	GENGFU_LONG=1 $(RIG) --nocapture round_trip
long-outage: # five minutes each; GENGFU_LONG=600 takes ten
	GENGFU_LONG=$${GENGFU_LONG:-300} $(RIG) --nocapture outage::
long-kill:
	GENGFU_LONG=1 $(RIG) --nocapture kill9
long-isolation:
	GENGFU_LONG=1 $(RIG) --nocapture isolation
long-sick-disk:
	GENGFU_LONG=1 $(RIG) --nocapture sick_disk
long-fuzz: ## every decoder that reads disk or wire, many bytes; `make check` runs few of the same
	PROPTEST_CASES=$${FUZZ_CASES:-200000} $(CARGO) test -p gengfu --lib -- survive
long-laws: ## the alarm's table and the engine's laws, at length; `make check` runs a slice. GENGFU_SEED=... begins elsewhere
	GENGFU_EVENTS=$${GENGFU_EVENTS:-100000000} $(CARGO) test --release -p gengfu-core --lib -- --nocapture laws
	PROPTEST_CASES=$${LAW_CASES:-20000} $(CARGO) test --release -p gengfu-core --lib -- engine::tests
long-mind: DATA ?= ../shared/data
long-mind: ## millions of events on this machine and on the emulated board; recorded series of DATA too
	GENGFU_LONG=1 GENGFU_DATA="$(abspath $(DATA))" $(RIG) --nocapture same_mind
long-two-days:
	GENGFU_LONG=1 $(RIG) --nocapture two_days
long-crash: # GENGFU_FAULTS="kill -9,bit flips" runs some rows of the matrix, GENGFU_REPETITIONS=10 so many times, GENGFU_SEED=... the same again
	GENGFU_LONG=1 $(RIG) --nocapture crash
long-soak: # half an hour; GENGFU_SEED=... the same again
	GENGFU_LONG=1 $(RIG) --nocapture soak

clean:
	$(CARGO) clean
	rm -rf web/dist web/node_modules

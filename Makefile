# A menu. What each target needs is built or fetched first; only cargo, its linker and go must be there.
.DEFAULT_GOAL := help
DUET := $(or $(CARGO_TARGET_DIR),target)/release/duet
TESTED := $(or $(CARGO_TARGET_DIR),target)/debug/duet
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
AXUM := "target/servers/rust-axum/release/rust-axum --addr 127.0.0.1:0 --threads 1"
NETHTTP := "target/servers/go-nethttp/go-nethttp --addr 127.0.0.1:0 --threads 1"
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.8

.PHONY: help tools postgres build bench bench-backends bench-pressure bench-heap bench-game-site smoke test check lint rust-test fault-test go-test data-test microbench peers compare-load compare-transports load-figures lead-in window-lengths stranger-walk fuzz proto program-scaling clean

help: ## show this menu
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 20

tools: ## check that new enough Rust and Go are installed
	@sh .ci/tools.sh

postgres: ## fetch a PostgreSQL below target/ where none is installed (14 MB, by pip)
	@sh .ci/postgres.sh

build: tools ## build the harness
	cargo build --release --locked --package duet --bin duet

bench: build postgres ## measure the standard suite (ten minutes) and write results/latest
	$(DUET) run standard

bench-backends: build postgres ## measure servers that wait, for a database and others, TLS, HTTP/2 and gRPC (a quarter of an hour)
	$(DUET) run backends

bench-pressure: build ## measure what shows under pressure (three quarters of an hour)
	$(DUET) run pressure --out results/pressure
	$(DUET) run neighbour --out results/neighbour
	$(DUET) run burst --out results/burst

bench-heap: build ## measure memory and the worst second beside a million entries (38 minutes)
	$(DUET) run heap --out results/heap

bench-game-site: build ## measure the programs at the sizes the benchmarks game publishes (half an hour)
	$(DUET) run game-site

# By the command that the tests built, which looks for overflows too.
smoke: tools postgres ## measure everything once, briefly
	cargo test --locked --workspace --no-run
	rm -rf results/smoke
	$(TESTED) run smoke --out results/smoke

test: tools postgres rust-test go-test data-test smoke ## run all tests, and measure everything once
	@echo "all tests passed"

check: lint test ## lint and test: all of CI

lint: tools ## formatting and static analysis, no warning tolerated
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	test -z "$$(gofmt -l go-server bench)"
	cd go-server && go vet ./... && $(STATICCHECK) ./...
	go vet bench/transport_server.go
	$(ACTIONLINT)

# Most tests wait most of the time. Those whose verdicts depend on what the machine is doing come after
# the others, and few at once.
rust-test: tools postgres
	RUST_TEST_THREADS=3 cargo test --locked --workspace -- --skip alone::
	cargo test --locked --workspace --test alone

fault-test: tools ## let every n-th system call of a short gate fail, by strace (hours)
	DUET_FAULTS=all cargo test --locked --package duet --test alone faults -- --test-threads 1

go-test: tools
	cd go-server && go test -race ./...

data-test:
	@if command -v python3 >/dev/null; then python3 bench/data/make_cases.py --check; else echo "python3 is not installed: data not compared with its generator"; fi

microbench: tools ## time the harness's own hot paths
	cargo bench --locked --package duet

peers: ## install the load generators that duet load is compared with
	@sh .ci/peers.sh

compare-load: build ## compare duet load with wrk, oha, hey, h2load, ab and a bare loop (ten minutes)
	$(DUET) verify rust-axum go-nethttp
	cargo build --release --locked --package duet-loadgen --example bare_epoll
	mkdir -p target/tools/bin && cp $(dir $(DUET))examples/bare_epoll target/tools/bin/
	python3 bench/compare_load.py $(DUET) $(AXUM) $(NETHTTP)

compare-transports: build ## the same over HTTPS, h2c and HTTP/2 over TLS, on a server of Go's net/http (six minutes)
	go build -o target/tools/bin/transport-server bench/transport_server.go
	python3 bench/compare_load.py $(DUET) target/tools/bin/transport-server --transports https,h2c,h2 --connections 1,64

load-figures: build ## duet load: system calls, memory, send lag, overload (five minutes)
	$(DUET) verify rust-axum
	python3 bench/load_figures.py $(DUET) $(AXUM)

lead-in: build ## what lead-in and length of windows do to a ratio: the table of METHOD.md (a quarter of an hour)
	python3 bench/lead_in.py $(DUET)

window-lengths: build ## what the length of windows does to a ratio, on servers that stay the same (20 minutes)
	$(DUET) verify rust-axum go-nethttp
	python3 bench/window_lengths.py $(DUET) $(AXUM) $(NETHTTP) /hello "/items/20?m=7"

stranger-walk: build ## gate small servers in six languages, with equal code and 5 % slower (half an hour)
	python3 bench/stranger_walk.py $(DUET)

fuzz: ## feed parser, template check and HTTP/2 with mutations of responses for three minutes
	@sh .ci/fuzz.sh 60

proto: ## make the sources of proto/shop.proto anew (pip is needed)
	sh bench/proto.sh

program-scaling: build ## measure how the programs gain from a second CPU (a quarter of an hour)
	$(DUET) verify rust-programs-std rust-programs-idiomatic rust-programs-tuned go-programs-std go-programs-tuned
	python3 bench/program_scaling.py

clean: ## remove everything that was built
	cargo clean

# The interface to the project; `make help` lists it.

CARGO ?= cargo
# How many seeds a long run of the simulator takes.
SEEDS ?= 100000
# How many rounds of faults a cluster is put through, of how many seconds, and from which seed on; by
# chance where none is said.
ROUNDS ?= 20
SECONDS ?= 30
SEED ?=
# The bug that is planted alone.
PLANT ?=

# What a first start needs: no optimising, no load generator, no traces.
QUICK = --profile quick --no-default-features
# What is linted and tested: all but the allocator, whose C takes longer than anything else.
WHOLE = --workspace --no-default-features --features load,otlp

# The tests of all files that name a server: each as the modules that lead to it. What runs on each database alike
# says so in its name.
ON_SERVERS = on_mysql $(shell cd tests/it && grep -rlw --exclude=mod.rs on_mysql . \
	| sed 's,^\./,,; s,\.rs$$,::,; s,/,::,g')

.PHONY: help run cluster release test test-mysql test-group test-keycloak chaos chaos-planted lint bench simulate notices sbom

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\): .*## \(.*\)/  make \1 \2/p' $(MAKEFILE_LIST)

run: ## build it and serve a demo shop on http://127.0.0.1:8080
	$(CARGO) run $(QUICK) --locked -- serve --demo

cluster: ## build it and serve a demo shop from three nodes, with a MariaDB and a proxy of their own
	$(CARGO) build $(QUICK) --locked
	scripts/services run -- scripts/cluster $(CURDIR)/target/quick/emporium

release: ## build what is measured and shipped: target/release/emporium
	$(CARGO) build --release --locked

test: ## run every test, with a MariaDB and a Redis of their own
	scripts/services run -- $(CARGO) test --locked $(WHOLE) --no-fail-fast --lib --bins --test it --test cluster

chaos: ## put a cluster of real processes through ROUNDS=… of seeded faults, of SECONDS=… each, from SEED=… on
	EMPORIUM_CHAOS_ROUNDS=$(ROUNDS) EMPORIUM_CHAOS_SECONDS=$(SECONDS) EMPORIUM_CHAOS_SEED=$(SEED) \
		scripts/services run -- $(CARGO) test --locked --no-default-features --features load,otlp \
		--test cluster -- --nocapture

chaos-planted: ## plant bugs (PLANT=… or all) in a cluster of real processes, and see faults find each
	EMPORIUM_CHAOS_PLANT=$(PLANT) scripts/services run -- $(CARGO) test --locked --no-default-features \
		--features load,otlp,shortcuts --test cluster -- --nocapture what_is_planted_is_found

test-mysql: ## run what needs a server on Oracle's MySQL too, unpacked into target/mysql
	scripts/mysql run -- scripts/services run -- \
		$(CARGO) test --locked $(WHOLE) --no-fail-fast --test it -- $(ON_SERVERS)

test-group: ## kill the primary of a replication group of three MySQL servers under load, and see what is left
	$(CARGO) build --locked --no-default-features --features load
	scripts/mysql-group target/debug/emporium

test-keycloak: ## what rests on a real Keycloak 26, fetched by Maven into target/keycloak; needs Java 17
	scripts/keycloak run -- $(CARGO) test --locked $(WHOLE) --test it -- keycloak::

lint: ## formatting, clippy, who may see whom, documentation and its links, dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --locked $(WHOLE) --all-targets -- -D warnings
	$(CARGO) test --locked $(WHOLE) --test it -- architecture:: documents:: kinds::
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked $(WHOLE) --no-deps --document-private-items
	scripts/notices check
	scripts/deny

notices: ## write anew what others made, and under which terms: docs/third-party.md
	scripts/notices

sbom: ## write a bill of materials: target/emporium.cdx.json
	scripts/sbom

bench: ## measure, and write docs/figures.md and docs/figures.json
	scripts/services run -- $(CARGO) bench --locked --bench figures

simulate: ## run the simulator over SEEDS=… (default 100000)
	EMPORIUM_SEEDS=$(SEEDS) $(CARGO) test --release --locked -p emporium-simulator -- --nocapture simulate_many_seeds

# All commands run in .venv, which is created by the first target that needs it. Requirements: Python ≥ 3.11,
# make and access to a package index. The installation is faster if uv is installed.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: demo
demo: $(INSTALLED) ## scrape a bundled site, with a retry and a dead letter (half a minute)
	@$(BIN)/scrapeq demo

.PHONY: up
up: $(INSTALLED) ## run the whole system on this machine until Ctrl-C
	@$(BIN)/scrapeq up

.PHONY: test
test: $(INSTALLED) ## run the tests; tests that need a missing program are skipped, and the output says why
	@$(PYTEST) $(PYTEST_ARGS) -m "not long"

.PHONY: test-long
test-long: $(INSTALLED) ## run the slowest tests, which are variants of tests of make test
	@$(PYTEST) $(PYTEST_ARGS) -m long
# The tests start our commands many times. Compiled bytecode makes each start half a second faster.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Most tests wait for deadlines and other processes, so more of them run at the same time than there are processors.
PYTEST_ARGS ?= --numprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: format
format: $(INSTALLED) ## rewrite the code in its standard format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

.PHONY: lint
lint: $(INSTALLED) ## check format and lint
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

.PHONY: types
types: $(INSTALLED) ## check types (mypy --strict)
	@$(BIN)/mypy

.PHONY: terraform-check
terraform-check: $(INSTALLED) ## check terraform/: format, schema, its tests, apply, second plan, destroy (all offline)
	@CI=true $(PYTEST) tests/terraform $(PYTEST_ARGS)

.PHONY: terraform-scan
terraform-scan: ## check terraform/ for known weaknesses with checkov, in a separate environment
	@test -x .venv/checkov/bin/checkov || { $(PYTHON) -m venv .venv/checkov && .venv/checkov/bin/pip install --quiet "checkov>=3.2,<4"; }
	@.venv/checkov/bin/checkov --config-file terraform/.checkov.yaml

.PHONY: check
check: lint types test ## run lint, types and test, which must pass before a commit

.PHONY: docs
docs: $(INSTALLED) ## build the documentation as a site into .site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Built: .site/index.html"

.PHONY: reference
reference: $(INSTALLED) ## rewrite the tables of docs/reference/ that are generated from the code
	@$(BIN)/python -m tests.repository.reference_pages

.PHONY: bench
bench: $(INSTALLED) ## measure the whole system with 1,000 jobs; see benchmarks/README.md
	@$(BIN)/python -m benchmarks.pages_of_200_ms

.PHONY: bench-pubsub
bench-pubsub: $(INSTALLED) ## compare localpubsub with the official emulator (ten minutes)
	@$(BIN)/python -m benchmarks.pubsub
	@$(BIN)/python -m benchmarks.pubsub_backlog
	@$(BIN)/python -m benchmarks.pubsub_bulk

.PHONY: bench-peers
bench-peers: $(INSTALLED) ## compare with other queues (three hours; it can be interrupted); ONLY=dramatiq-rabbitmq: one row
	@$(BIN)/python -m benchmarks.peers $(if $(ONLY),--only 'scrapeq $(ONLY)') $(BENCH_ARGS)

.PHONY: simulate
simulate: $(INSTALLED) ## run 10,000 seeds of the simulation; Ctrl-C stops them and prints a summary
	@$(BIN)/python -m simulation

.PHONY: chaos
chaos: $(INSTALLED) ## break the running system in every way, and account for every job (hours); Ctrl-C prints a summary
	@$(BIN)/python -m tests.journey.chaos --all --seed 7 --jobs 2000 --record
	@$(BIN)/python -m tests.journey.chaos --all --seeds 10 --jobs 100 --record

.PHONY: soak
soak: $(INSTALLED) ## keep the system busy for 20 minutes, and check that no process grows; draws docs/images/soak.svg
	@$(BIN)/python -m tests.journey.soak --minutes 20 --record

.PHONY: lock
lock: $(INSTALLED) ## update locks/ from pyproject.toml
	@$(BIN)/python -m pip install --quiet "uv>=0.9"
	@$(BIN)/uv pip compile pyproject.toml --quiet --all-extras $(LOCK_FLAGS) --output-file locks/dev.txt
	@for service in dispatcher worker; do \
		$(BIN)/uv pip compile pyproject.toml --quiet --extra $$service $(LOCK_FLAGS) \
			--constraints locks/dev.txt --output-file locks/$$service.txt; done
	@for broker in rabbitmq:pika redis:redis sqs:boto3; do \
		echo "$${broker#*:}" | $(BIN)/uv pip compile - --quiet $(LOCK_FLAGS) \
			--constraints locks/dev.txt --output-file locks/brokers/$${broker%:*}.txt; done
	@$(BIN)/uv pip compile pyproject.toml --quiet --extra page --extra bigquery $(LOCK_FLAGS) \
		--constraints locks/dev.txt --output-file locks/console.txt
	@$(BIN)/uv pip compile pyproject.toml --quiet --extra console --extra postgresql $(LOCK_FLAGS) \
		--constraints locks/dev.txt --output-file locks/relay.txt
	@$(BIN)/uv pip compile localpubsub/pyproject.toml --quiet --all-extras $(LOCK_FLAGS) \
		--constraints locks/dev.txt --output-file locks/localpubsub.txt
	@$(BIN)/uv pip compile benchmarks/peers/requirements.in --quiet $(LOCK_FLAGS) \
		--constraints locks/dev.txt --output-file locks/peers.txt
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-package scrapeq --no-emit-package localpubsub --custom-compile-command "make lock"

.PHONY: picture
picture: $(INSTALLED) ## run the demo and draw its last screen for the README (docs/images/demo.svg)
	@$(BIN)/python -m scripts.demo_picture

.PHONY: tour-picture
tour-picture: $(INSTALLED) ## run the tour and draw its recording (docs/images/tour.svg)
	@$(BIN)/python -m scripts.tour_picture

.PHONY: page-pictures
page-pictures: $(INSTALLED) ## take pictures of all screens of the operator's page into .pictures/ (needs Chromium)
	@$(BIN)/python -m tests.console.web.pictures

.PHONY: clean
clean: ## remove the environment and all build results
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): locks/dev.txt pyproject.toml localpubsub/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 1; }
	@echo "Installing into .venv (only the first time; pip needs one to four minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "Cannot create a virtual environment (on Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/python scripts/install_environment.py
	@touch $@

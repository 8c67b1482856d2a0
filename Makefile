# Everything runs in .venv, which the first target that needs it makes. Only Python ≥ 3.11, make and a
# package index are needed; uv, where it is there, makes the installation quicker.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: demo
demo: $(INSTALLED) ## scrape the bundled site from its sitemap, with a dead letter at the end (one minute)
	@$(BIN)/scrapeq demo

.PHONY: up
up: $(INSTALLED) ## start the whole system on this machine until Ctrl-C
	@$(BIN)/scrapeq up

.PHONY: test
test: $(INSTALLED) ## run the tests; those that need a server this machine lacks say so and are skipped
	@$(PYTEST) $(PYTEST_ARGS) -m "not long"

.PHONY: test-long
test-long: $(INSTALLED) ## run the tests that take longest: variants of what make test covers
	@$(PYTEST) $(PYTEST_ARGS) -m long
# Tests start our commands many times: without compiled bytecode each start takes half a second longer.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Most tests wait, for deadlines and other processes: so more of them at a time than there are processors.
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
terraform-scan: ## look for known weaknesses in terraform/ with checkov, in an environment of its own
	@test -x .venv/checkov/bin/checkov || { $(PYTHON) -m venv .venv/checkov && .venv/checkov/bin/pip install --quiet "checkov>=3.2,<4"; }
	@.venv/checkov/bin/checkov --config-file terraform/.checkov.yaml

.PHONY: check
check: lint types test ## lint, types and tests: what has to pass

.PHONY: docs
docs: $(INSTALLED) ## build the documentation as a site into .site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Built: .site/index.html"

.PHONY: reference
reference: $(INSTALLED) ## renew the tables of docs/reference/ that are made from the code
	@$(BIN)/python -m tests.repository.reference_pages

.PHONY: bench
bench: $(INSTALLED) ## measure; see benchmarks/README.md
	@$(BIN)/python -m benchmarks.pages_of_200_ms

.PHONY: bench-pubsub
bench-pubsub: $(INSTALLED) ## measure localpubsub beside the official emulator (ten minutes)
	@$(BIN)/python -m benchmarks.pubsub
	@$(BIN)/python -m benchmarks.pubsub_backlog

.PHONY: lock
lock: $(INSTALLED) ## renew locks/ from pyproject.toml
	@$(BIN)/python -m pip install --quiet "uv>=0.9"
	@$(BIN)/uv pip compile pyproject.toml --quiet --all-extras $(LOCK_FLAGS) --output-file locks/dev.txt
	@for service in dispatcher worker; do \
		$(BIN)/uv pip compile pyproject.toml --quiet --extra $$service $(LOCK_FLAGS) \
			--constraints locks/dev.txt --output-file locks/$$service.txt; done
LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-package scrapeq --custom-compile-command "make lock"

.PHONY: clean
clean: ## remove the environment and what was built
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(INSTALLED): locks/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try make PYTHON=python3.12"; exit 1; }
	@echo "Installing into .venv (once; about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "No virtual environment could be made (on Debian: apt install python3-venv)"; exit 1; }
	@if command -v uv > /dev/null; then \
		uv pip install --quiet --python $(BIN)/python --require-hashes --requirement locks/dev.txt \
		&& uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/dev.txt \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

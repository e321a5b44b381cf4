# Every target is one line; CI calls the same ones. `make` alone explains them.
BIN := .venv/bin
SHELL := /bin/bash
PYTEST := $(BIN)/python -m pytest -q
FAST := $(wildcard tests/unit tests/contract tests/codec tests/simulation tests/house)
SLOW := $(wildcard tests/integration tests/conformance tests/security)
PLACES := src tests scripts examples $(wildcard benchmarks)
.DEFAULT_GOAL := help
.PHONY: help setup run demo test check integration conformance bench docs lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## virtual environment, system packages (apt, if allowed), runtimes; quick when nothing changed
	@scripts/setup.sh

run: setup  ## start a node in the foreground
	@$(BIN)/functory up

demo: setup  ## start a node, deploy the examples, call them, stop the node
	@$(BIN)/python scripts/demo.py

test: setup  ## unit, contract, codec, simulation and house tests
	@$(PYTEST) $(FAST)

check: setup  ## format, lint, floors, types, house
	@$(BIN)/ruff format --check $(PLACES) && $(BIN)/ruff check $(PLACES) && $(BIN)/lint-imports && $(BIN)/mypy && $(PYTEST) tests/house

integration: setup  ## integration, conformance and security tests: against the real things
	@$(if $(SLOW),$(PYTEST) $(SLOW),echo "no such tests yet")

conformance: setup  ## AWS clients against a running node
	@$(if $(wildcard tests/conformance),$(PYTEST) tests/conformance,echo "no such tests yet")

bench: setup  ## measure the numbers of SPECIFICATION.md; needs a quiet machine
	@$(if $(wildcard benchmarks/run.py),$(BIN)/python benchmarks/run.py,echo "no benchmarks yet")

docs: setup  ## write the generated pages of docs/ anew
	@$(BIN)/python scripts/generate_docs.py

lock: setup  ## choose the newest versions that pyproject.toml allows (needs uv)
	@scripts/lock.sh

clean:  ## remove what `make` made
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis && find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything a developer runs; CI runs `make check` and nothing else. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first interpreter that will do, unless PYTHON names one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
    $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
BIN := .venv/bin
T ?= tests
PYTEST_WORKERS ?= 2

.PHONY: help setup dev test check fmt lint types drift bench crash-drill lock

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: ## Create or update .venv, with everything in it
	@$(PYTHON) tools/set_up.py

dev: setup ## Run server, worker and PostgreSQL on http://127.0.0.1:8080 with a demo organisation
	@exec $(BIN)/outrider dev

test: setup ## Run all tests; T=tests/core for some of them
	@tools/install_peers.sh
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadfile $(T)

check: setup ## What CI runs: format, lint, import rules, types, drift of the API files, tests
	@$(BIN)/ruff format --check
	@$(MAKE) --no-print-directory lint types drift test

fmt: setup ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

lint: setup ## Linter, import rules and the project's own rules
	@$(BIN)/ruff check
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.check_tenancy

types: setup ## Type checker
	@$(BIN)/basedpyright

drift: setup ## Fail when a committed API description differs from the code
	@[ ! -e tools/check_schema_drift.py ] || $(BIN)/python -m tools.check_schema_drift

bench: setup ## Benchmark: a table, and bench/results/latest.json
	@PYTHONPATH=. $(BIN)/python -m bench

crash-drill: setup ## Kill everything under load and count what was lost; bench/results/crash-drill.json
	@PYTHONPATH=. $(BIN)/python -m bench.crash_drill

lock: setup ## Write the lock files anew; A="--upgrade" takes new versions
	@tools/lock.sh $(A)

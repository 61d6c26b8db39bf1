# dealbridge on one machine. Every target can be run again at any time; each sets up what it needs.
#
#   make demo    set up, start everything, win a deal, show what reached the ERP and the PSA
#   make test    set up and pass all tests (no cloud account, no Docker)
#   make up      leave the platform running; .local/endpoints.json says where
#   make down    stop it
#   make soak    the proof: fault matrix, planted bugs, 20,000 seeded worlds; writes docs/reliability.md
#   make storm   500 deals while the engine's workers are killed at random
#   make bench   measure what is fast and what it costs; writes docs/performance.md
#   make check   format, lint, types, template
#   make lock    resolve the dependencies anew

PYTHON ?= $(shell for found in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3.13 python3; do \
	"$$found" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null && command -v "$$found" && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
export AWS_DEFAULT_REGION ?= us-east-1
export SAM_CLI_TELEMETRY := 0

.PHONY: setup demo test test-fast soak storm up down status bench check lint types template lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.13 is needed: install it, or name it with make PYTHON=/path/to/python3.13"; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes about a minute."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)

demo: setup
	@dealbridge-local demo

up: setup
	@dealbridge-local up

down: setup
	@dealbridge-local down

status: setup
	@dealbridge-local status

soak: setup
	@python -m tests.faults.proof $(SOAK)

storm: setup
	@dealbridge-local storm

bench: setup
	@python -m bench $(BENCH)

test: setup check
	@pytest -q

test-fast: setup
	@pytest -q tests/unit tests/template tests/integration

check: lint types template

lint: setup
	@ruff format --check --quiet . && ruff check --quiet .

types: setup
	@mypy

template: setup
	@sam validate --lint

lock: setup
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check uv
	@uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade pyproject.toml --group dev -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade -c requirements.lock layers/dependencies/requirements.in -o layers/dependencies/requirements.txt

clean: down
	@rm -rf $(VENV) .aws-sam .local .mypy_cache .pytest_cache .ruff_cache

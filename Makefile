# Needs python3 (3.11 or newer), g++, make, git and perl; everything else goes into .venv.

PYTHON ?= python3
# More arguments for pytest, as in: make test PYTEST_ARGS="-k mapper".
PYTEST_ARGS ?=
# Board of `make bitstream`, see docs/bitstreams.md.
BOARD ?= ulx3s-85f
# Parallel test processes.
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo bitstream test test-all formal bench bench-peers lint firmware coverage clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	    awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(READY) ## Make .venv with everything in it (again only when its inputs change)

# setuptools goes first and is pinned, so that no step takes an unpinned build tool.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "NeuFlow needs Python 3.11 or newer, not " + sys.version.split()[0] + \
	    "; name one with: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint constraints.txt setuptools
	$(PIP) install --constraint constraints.txt --no-build-isolation --editable '.[test]'
	@touch $@

demo: setup ## Compile LeNet-5, classify digits on the simulated hardware, compare every bit
	@$(BIN)/neuflow demo

bitstream: setup ## Build the bitstream of BOARD (ulx3s-85f unless told) in build/
	@$(BIN)/neuflow build --board $(BOARD) -o build/$(BOARD)

test: setup ## Run the tests, but not those that take minutes each
	@$(BIN)/python -m pytest -n $(JOBS) -m "not slow" $(PYTEST_ARGS)

test-all: firmware formal ## Run everything: firmware rebuild, proofs, all tests
	@$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

formal: setup ## Run the formal proofs
	@set -e; for proof in formal/[!_]*.py; do \
	    echo "== $$proof"; \
	    $(BIN)/python -m formal.$$(basename $$proof .py); \
	done

bench: setup ## Run the benchmarks
	@set -e; for bench in benchmarks/[!_]*.py; do \
	    echo "== $$bench"; \
	    $(BIN)/python $$bench; \
	done

bench-peers: setup $(PEERS)/.ready ## Run convolutions on accelerators that NNgen makes, next to ours
	@$(BIN)/python benchmarks/peers.py --nngen $(PEERS)/bin/python

# NNgen has an environment of its own: what it needs must not move what this project needs.
$(PEERS)/.ready: constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install \
	    --constraint constraints.txt nngen
	@touch $@

lint: setup ## Check the style of the Python code
	@$(BIN)/ruff check .

firmware: setup ## Rebuild the firmware and compare it with the committed binary
	@$(PIP) install --quiet --constraint constraints.txt ziglang
	@$(BIN)/python -m hdl.control.firmware.build --check

coverage: setup ## Run the tests under coverage and show what they miss
	@$(BIN)/coverage run -m pytest -m "not slow" $(PYTEST_ARGS)
	@$(BIN)/coverage report

clean: ## Remove what the tools generated, but not .venv
	rm -rf build sim_build .pytest_cache .ruff_cache .hypothesis .coverage htmlcov

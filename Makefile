# `make` alone says what there is.  Everything happens in .venv; nothing else on the machine changes.
#
# pip gets the version of torch in the same command as everything else, or a dependency of a
# dependency would bring a build for graphics cards that is 3 GB larger.  Where the default index
# has no CPU build, name one that does:  make demo PIP_ARGS="--extra-index-url URL"

PYTHON ?= python3
PIP_ARGS ?=
TESTS ?=
BENCHMARKS ?=
PAPERS ?=

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS) \
  $(shell grep '^torch==' constraints.txt)
OLDEST := 3.11

export FLWR_TELEMETRY_ENABLED ?= 0
export RAY_USAGE_STATS_ENABLED ?= 0
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench conformance papers clean

help:  ## say what there is
	@echo "Usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo "Options: PYTHON=python3.12   PIP_ARGS='...'   TESTS='tests/core -m \"not slow\"'"

setup: $(VENV)/.test  ## install fedrobust and what its developers need

demo: $(VENV)/.run  ## install fedrobust and watch a defense withstand an attack
	$(BIN)/fedrobust simulate

test: $(VENV)/.test  ## run the tests; TESTS='...' are arguments of pytest
	$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.test  ## lint, format, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.bench $(PEERS)/.installed  ## compare with peers; BENCHMARKS='rules' or '--quick'
	$(BIN)/python -m benchmarks $(BENCHMARKS)

conformance: $(VENV)/.bench $(PEERS)/.installed  ## compare the results of every rule with those of peers
	$(BIN)/python -m benchmarks.conformance

papers: $(VENV)/.bench  ## reproduce results of papers: hours; PAPERS='--jobs 2' or tables by name
	$(BIN)/python -m examples.papers $(PAPERS)

clean:  ## delete what builds and tests leave behind; .venv and runs/ stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST)".split("."))))' || { \
	  echo "fedrobust needs Python $(OLDEST) or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "type: make $(MAKECMDGOALS) PYTHON=python$(OLDEST)" >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python could not make $(VENV); on Debian and Ubuntu, type: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fedrobust into $(VENV): some minutes the first time ..."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fedrobust and its tests into $(VENV): some minutes the first time ..."
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fedrobust and its kernels into $(VENV) ..."
	@$(INSTALL) --editable '.[dev,fast]'
	@touch $@ $(VENV)/.test $(VENV)/.run

$(PEERS)/.installed: benchmarks/peers/requirements.txt benchmarks/peers/install.py | $(BIN)/python
	@echo "Installing the systems we compare with into $(PEERS): some minutes the first time ..."
	@$(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python benchmarks/peers/install.py $(PIP_ARGS)
	@touch $@

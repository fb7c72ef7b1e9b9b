# The tasks of this repository; `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
TORCH := $(shell sed -n "s/^torch==//p" constraints.txt)
# Where the CPU build of torch is looked for if pip's own sources have none.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# One BLAS thread for each test worker: faster than many on few cores, and the same figures everywhere.
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
READY := $(VENV)/.crossbit-ready

.DEFAULT_GOAL := help
.PHONY: help demo test asan audit lint format bench docs clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Learn codes for 5,575 glyphs and their names, compare three methods, search both ways
	$(BIN)/crossbit demo $(ARGS)

test: $(READY) ## Run the tests; ARGS="-k split" chooses some
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) $(ARGS)

asan: $(READY) ## Run the tests of the Hamming kernel under the address sanitizer
	tests/hamming/asan.sh $(BIN)/python

audit: $(READY) ## Look the installed packages up among known vulnerabilities
	$(BIN)/python -m pip install -q pip-audit
	$(BIN)/pip-audit --skip-editable --progress-spinner off

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## List the benchmarks; ARGS="wikipedia" runs one
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(READY) ## Write docs/cli.md anew from the help texts
	$(BIN)/python docs/make_cli.py

clean: ## Remove caches and build products (runs/ and .venv stay)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Torch comes first, by itself: the CPU build is a tenth of the default one. It is taken from
# pip's own sources (a local wheel, a mirror), else from TORCH_INDEX, else the default build.
$(READY): pyproject.toml setup.py constraints.txt $(wildcard src/crossbit/hamming/kernel/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Crossbit needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; run make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null \
	  || $(BIN)/python -m pip install -q "torch==$(TORCH)+cpu" 2>/dev/null \
	  || $(BIN)/python -m pip install -q --index-url $(TORCH_INDEX) "torch==$(TORCH)" \
	  || $(BIN)/python -m pip install -q "torch==$(TORCH)"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[torch,dev]"
	@touch $@

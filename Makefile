# make demo: a simulated study from scans and arrays to the report. make test: all tests. Both install what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CORES ?= 2
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SNAKEMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake

.PHONY: demo test test-fast test-slurm lint format setup clean help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.installed  ## Python environment in .venv; PLINK, beagle and the like
	@envs/install_programs.sh

$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Installing the Python environment into $(VENV) (some minutes the first time) ..."
	@envs/install_python.sh $(VENV) $(PYTHON)
	@touch $@

demo: setup  ## simulate a small study and take it all the way to pathways and a report
	@$(SNAKEMAKE) --cores $(CORES) --configfile config/demo.yaml

test: setup  ## all tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(CORES)

test-fast: setup  ## unit tests only
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(CORES) tests/unit

test-slurm: setup  ## the workflow on a SLURM of one node, which is installed (as root) and started for it
	@envs/install_slurm.sh
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m slurm tests/e2e/test_slurm.py

lint: setup  ## ruff, snakefmt, snakemake --lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(SNAKEMAKE) --lint --configfile config/demo.yaml

format: setup  ## format Python and rules
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile rules

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .ruff_cache

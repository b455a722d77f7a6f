# Every target sets itself up from a fresh clone; the only things needed are Python 3.11+ and a package index.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# On a machine without a GPU, a smaller torch: make setup PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# Tests run in a process for each core, so that one thread in each is enough.
ONE_THREAD := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo measure test test-all test-browser check format docs bench lock clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything pinned in requirements.lock

# torch first and alone, at its pinned version: left to the resolver, a dependency could pull another build.
$(STAMP): pyproject.toml requirements.lock
	@echo "setting up $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install $$(grep '^torch==' requirements.lock)
	@PYTHONWARNINGS=ignore $(PIP) install -c requirements.lock -e '.[dev]'
	@touch $@

demo: setup ## Index the demo corpus, start the service, ask five questions (ONCE=1: then stop)
	@$(BIN)/python examples/demo/run.py $(if $(ONCE),--once)

measure: setup ## Measure the defaults on the example corpora (ENCODER=, READER= for others; minutes)
	@$(BIN)/python -m examples.measure $(if $(ENCODER),--encoder $(ENCODER)) $(if $(READER),--reader $(READER))

test: setup ## Run the fast tests: offline, CPU only
	@$(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal

test-all: setup ## Run the slow tests too
	@$(BIN)/python -m pytest -m 'not (gpu or browser or ray or milvus)'

test-browser: setup ## Run the page's tests in Chromium (installs Debian's if there is none, which needs root)
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-noto-cjk)
	@$(ONE_THREAD) $(BIN)/python -m pytest -m browser tests/browser

check: setup ## Lint, format, types, import layers, docs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/house

format: setup ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: setup ## Build the documentation as a site into site/, offline; check its links
	@$(BIN)/python -m website.build

bench: setup ## Measure speed against peers (minutes to hours; DATA=, KOREAN=, PASSAGES= for more; writes benchmarks/results)
	@$(BIN)/python -m benchmarks.sparse
	@$(if $(DATA),$(BIN)/python -m benchmarks.train --data $(DATA))
	@$(if $(DATA),$(BIN)/python -m benchmarks.encode --data $(DATA))
	@$(if $(DATA),$(BIN)/python -m benchmarks.reader --data $(DATA))
	@$(if $(KOREAN),$(BIN)/python -m benchmarks.analysis --data $(KOREAN))
	@$(if $(PASSAGES),$(BIN)/python -m benchmarks.scale --passages $(PASSAGES))

lock: ## Resolve the newest versions anew into requirements.lock
	@rm -rf .lock-venv && $(PYTHON) -m venv .lock-venv
	@.lock-venv/bin/python -m pip install -q $$(grep '^torch==' requirements.lock)
	@.lock-venv/bin/python -m pip install -q -e '.[dev]'
	@echo "# Every pin, as a pip constraints file: pip install -c requirements.lock -e '.[dev]'. Made by make lock." > .lock-venv/lock
	@.lock-venv/bin/python -m pip freeze --exclude-editable | sed 's/^torch==\([0-9.]*\).*/torch==\1/' >> .lock-venv/lock
	@mv .lock-venv/lock requirements.lock
	@rm -rf .lock-venv

clean: ## Remove .venv and what the demo and the tools wrote
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build site *.egg-info

# Every target sets itself up from a fresh clone; the only things needed are Python 3.11+ and a package index.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# The CPU build of torch, for a machine without a GPU: make setup PIP_EXTRA_INDEX_URL=$(CPU_TORCH)
CPU_TORCH := https://download.pytorch.org/whl/cpu
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

# Tests run in a process for each core, so that one thread in each is enough.
ONE_THREAD := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo measure test test-all test-browser test-stores check format docs bench lock hashes audit clean

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Create .venv with everything pinned in requirements.lock

# Every file must have a hash of the lock. torch, which has a build for each kind of machine, is pinned alone, and comes
# last: what it needs and the lock does not have belongs to the build.
$(STAMP): pyproject.toml requirements.lock
	@echo "Installing the $$(grep -c '^[^# ]*==' requirements.lock) packages of requirements.lock, torch among them, into $(VENV): about 3 minutes, 3.6 GB on disk."
	@echo "On Linux, PyPI's torch adds gigabytes of CUDA. Without a GPU: make setup PIP_EXTRA_INDEX_URL=$(CPU_TORCH)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@grep -v '^torch==' requirements.lock > $(VENV)/hashed.txt
	@$(PIP) install --no-deps --require-hashes -r $(VENV)/hashed.txt
	@echo "All but torch are installed. Installing $$(grep '^torch==' requirements.lock) …"
	@$(PIP) install $$(grep '^torch==' requirements.lock)
	@PYTHONWARNINGS=ignore $(PIP) install --no-deps --no-build-isolation -e .
	@$(PIP) check
	@touch $@

demo: setup ## Index the demo corpus, start the service, ask five questions (ONCE=1: then stop)
	@$(BIN)/python examples/demo/run.py $(if $(ONCE),--once)

measure: setup ## Measure the defaults on the example corpora (ENCODER=, READER= for others; minutes)
	@$(BIN)/python -m examples.measure $(if $(ENCODER),--encoder $(ENCODER)) $(if $(READER),--reader $(READER))

test: setup ## Run the fast tests: offline, CPU only
	@$(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal

test-all: setup ## Run the slow tests too
	@$(BIN)/python -m pytest -m 'not (gpu or browser or ray or milvus or postgres)'

test-browser: setup ## Run the page's tests in Chromium (installs Debian's if there is none, which needs root)
	@command -v chromium >/dev/null || test -n "$$CHROMIUM" || (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-noto-cjk)
	@$(ONE_THREAD) $(BIN)/python -m pytest -m browser tests/browser

test-stores: setup ## Run the tests of vectors in a database, against servers that they start (MILVUS_URI= for another Milvus)
	@$(ONE_THREAD) $(BIN)/python -m pytest -m 'postgres or milvus'

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
	@.lock-venv/bin/python -m pip install -q setuptools
	@.lock-venv/bin/python -m pip freeze --all --exclude-editable | grep -v '^\(pip\|wheel\)==' > requirements.lock
	@$(MAKE) --no-print-directory hashes

# Of the files of every platform, so that one lock serves them all.
hashes: ## Write requirements.lock anew: its pins as they are, each with the hashes of its files
	@rm -rf .lock-venv && $(PYTHON) -m venv .lock-venv && .lock-venv/bin/python -m pip install -q uv
	@sed -n 's/^\([A-Za-z0-9._-]*==[0-9A-Za-z.]*\).*/\1/p' requirements.lock > .lock-venv/pins
	@grep -v '^torch==' .lock-venv/pins > .lock-venv/hashed
	@echo "# Every pin with the hashes of its files; torch's builds differ, so it has none. Made by make lock and make hashes." > .lock-venv/lock
	@grep '^torch==' .lock-venv/pins >> .lock-venv/lock
	@.lock-venv/bin/uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate .lock-venv/hashed >> .lock-venv/lock
	@mv .lock-venv/lock requirements.lock
	@rm -rf .lock-venv

audit: ## Ask PyPI for known vulnerabilities of what requirements.lock pins
	@rm -rf .lock-venv && $(PYTHON) -m venv .lock-venv && .lock-venv/bin/python -m pip install -q pip-audit
	@.lock-venv/bin/pip-audit --strict --disable-pip --no-deps -r requirements.lock
	@rm -rf .lock-venv

clean: ## Remove .venv and what the demo and the tools wrote
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build site *.egg-info

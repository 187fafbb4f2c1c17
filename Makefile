PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check -qq
EXTRAS := dev,diffusers
# Each process begins with its half of the files, in order, so that what a file sets up is mostly set up once.
SPREAD := -n 2 --dist worksteal
# What one of the many processes of the tests has compiled, the next one need not, wherever that is switched off.
QUICKLY := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.DEFAULT_GOAL := help
.PHONY: help demo app test test-all lint types format browser bench zoo data constraints docs package image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

demo: .venv/.core ## Explain two sample photos
	@$(BIN)/seewhy explain sample:cat sample:coffee --out out/demo
	@echo "Open $(CURDIR)/out/demo/report.html"

app: .venv/.app ## Install what the app needs, too, and start it on port 8501
	@$(BIN)/seewhy app

test: lint types ## Check style and types, then run the tests, all but the heavy ones
	@$(QUICKLY) $(BIN)/pytest $(SPREAD) -m "not heavy"

test-all: lint types ## The same, with the heavy tests
	@$(QUICKLY) $(BIN)/pytest $(SPREAD)

lint: .venv/.dev ## Check style
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: .venv/.dev ## Check types
	@$(BIN)/basedpyright

format: .venv/.dev ## Mend style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: .venv/.dev ## Measure speed against peers
	@$(BIN)/python -m benchmarks

zoo: .venv/.dev ## Try 185 networks and write docs/coverage.md; ZENNIT=python of an environment with zennit
	@mkdir -p out && cd out && PYTHONPATH=../tests OMP_NUM_THREADS=1 ../$(BIN)/python -m zoo_coverage.running zoo.jsonl
	@cd out && PYTHONPATH=../tests OMP_NUM_THREADS=1 ../$(BIN)/python -m zoo_coverage.peers peers.jsonl $(ZENNIT:%=--zennit %)
	@cd out && PYTHONPATH=../tests ../$(BIN)/python -m zoo_coverage.page zoo.jsonl peers.jsonl > ../docs/coverage.md

browser: ## Install Chromium for the browser tests (Debian)
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then \
		echo "Chromium is installed."; \
	elif command -v apt-get >/dev/null; then \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -qq --yes chromium chromium-driver; \
	else \
		echo "There is no apt-get here: install chromium and chromedriver your system's own way." >&2; exit 1; \
	fi

data: ## Fetch Fashion-MNIST (Debian), for tests and scripts; FASHION_MNIST says where it lies
	@command -v apt-get >/dev/null || { echo "There is no apt-get here: get Fashion-MNIST your own way." >&2; exit 1; }
	@mkdir -p out/data && cd out/data && apt-get -qq download dataset-fashion-mnist \
		&& dpkg -x dataset-fashion-mnist_*.deb . && rm dataset-fashion-mnist_*.deb
	@echo "export FASHION_MNIST=$(CURDIR)/out/data/usr/share/datasets/fashion-mnist"

constraints: ## Resolve every extra afresh and pin it; torch and torchvision stay as pinned
	@rm -rf build/resolve && $(PYTHON) -m venv build/resolve
	@grep -E '^torch(vision)?==' constraints.txt > build/resolve/torch.txt
	@build/resolve/bin/pip install -qq -c build/resolve/torch.txt -e '.[$(EXTRAS)]'
	@build/resolve/bin/pip freeze --exclude-editable > build/resolve/frozen.txt
	@{ head -n 2 constraints.txt; sed 's/+[a-z0-9.]*$$//' build/resolve/frozen.txt | LC_ALL=C sort -f; } > build/pinned.txt
	@mv build/pinned.txt constraints.txt && rm -rf build/resolve

package: ## Build wheel and source archive, install the wheel in a clean environment, and try it there
	@$(PYTHON) scripts/release.py

image: .venv/.dev ## Build the Docker image and try it, or where there is no registry do its steps here
	@$(BIN)/python scripts/image.py

docs: .venv/.dev ## Build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean: ## Remove caches, builds and the demo; .venv and your own results stay
	@rm -rf build dist site out/demo .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "seewhy needs Python 3.11 or newer, and $(PYTHON) is not: try make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.core: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing seewhy into .venv: minutes the first time." >&2
	@$(PIP) install -c constraints.txt -e '.[fast]' || $(PIP) install -c constraints.txt -e .
	@touch $@

.venv/.app: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing the app into .venv: minutes the first time." >&2
	@$(PIP) install -c constraints.txt -e '.[app,words,fast]' || $(PIP) install -c constraints.txt -e '.[app,words]'
	@touch $@ .venv/.core

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing seewhy and its development tools into .venv: minutes the first time." >&2
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ .venv/.core .venv/.app

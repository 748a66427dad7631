# make demo    runs the main job on the built-in data: sentiment and its shift, five minutes
# make tour    all five tasks on the built-in data, half an hour
# make check   while you work: lint, types, and the quick tests of units, statistics and interfaces, with one architecture
# make test    lint, types and all tests but the validations that take minutes (pytest --slow); what CI calls
# All set up .venv from requirements.lock first, and skip that when nothing changed.
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: demo tour check test lint quick tests docs setup clean

demo: setup
	$(VENV)/bin/transfergain run studies/demo.toml

tour: setup
	$(VENV)/bin/transfergain run studies/tour.toml

check: setup
	$(MAKE) --no-print-directory -j 2 lint quick

test: lint tests

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# A file stays on one worker, whose fixtures it shares; the order keeps the small files of units for the end.
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

quick: setup
	$(PYTEST) --quick tests/analysis tests/conformance tests/unit

tests: setup
	$(PYTEST)

docs: setup
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

clean:
	rm -rf $(VENV) runs site

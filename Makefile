# make demo    runs the main job on the built-in data: sentiment and its shift, five minutes
# make tour    all five tasks on the built-in data, half an hour
# make check   while you work: lint, types, and the quick tests of units, statistics and interfaces, with one architecture
# make test    lint, types and all tests but the validations that take minutes (pytest --slow); what CI calls
# make pictures   draws the README's pictures from runs/demo, or from the study folder STUDY=...; needs Chromium
# make lock    after a pin of requirements.lock was changed by hand: writes the hashes of all files of all pins
# All but lock set up .venv from requirements.lock first, and skip that when nothing changed.
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: demo tour check test lint quick tests docs pictures setup lock clean

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

STUDY ?= runs/demo

pictures: setup
	$(PYTHON) docs/pictures.py $(STUDY)

setup: $(STAMP)

# torch alone has no hash: its build for CPUs and that of the index are other files under one pin, see docs/security.md.
$(STAMP): requirements.lock requirements-torch.lock pyproject.toml
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r requirements-torch.lock
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

lock: PINS := grep -o '^[A-Za-z0-9._-]*==[^ ;]*' requirements.lock | LC_ALL=C sort -u
lock: HASHES := --generate-hashes --no-deps --no-annotate --no-header --quiet
lock:
	python3 -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	{ grep '^#' requirements.lock; $(PINS) | $(VENV)-lock/bin/uv pip compile $(HASHES) -; } > requirements.new
	mv requirements.new requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) runs site

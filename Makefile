# Needs only Python (3.10 or newer) and make: everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := setup.cfg pyproject.toml

.PHONY: demo test test-quick test-interop campaigns lint docs bench reproduce-quick clean

demo: .venv/.user  ## restore the embedded photographs and draw what was done
	$(BIN)/hirl demo --out demo

test: .venv/.dev  ## run the test suite, a file of tests per processor at a time, and print line coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term

test-quick: .venv/.dev  ## the tests that take a few seconds at most: under 90 s on two idle cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m "not slow"

INTEROP := $(patsubst tests/interop/requirements/%.txt,interop-%,$(wildcard tests/interop/requirements/*.txt))

test-interop: $(INTEROP)  ## train in the environment with other libraries, each in a virtual environment of its own

# Over the packages of .venv, so that PyTorch is installed once, and what a library needs in another version lies above.
interop-%: .venv/.dev
	$(PYTHON) -m venv .interop/$*
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> $$(.interop/$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
	.interop/$*/bin/python -m pip install -q -r tests/interop/requirements/$*.txt
	OMP_NUM_THREADS=1 .interop/$*/bin/python -m pytest -q tests/interop/test_$*.py

CAMPAIGNS := odd_files kills disk_full hostile_inputs ray_nodes

campaigns: .venv/.dev  ## odd files, kills, full disks, hostile inputs and a lost node; prints what went wrong
	set -e; for each in $(CAMPAIGNS); do $(BIN)/python -m tests.campaigns.$$each $$(mktemp -d)/$$each; done

lint: .venv/.dev .venv/packages  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/.docs  ## the documentation as a site in docs/_build; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

bench: .venv/.user  ## time the environment
	$(BIN)/hirl bench

reproduce-quick: .venv/.user  ## every table and figure of the paper, on crops of the embedded photographs
	$(BIN)/hirl reproduce all --images photos --crop 64 --pictures 1 --out reproduce-quick

# mypy looks for packages by the names that they are imported by, and follows no editable installation.
.venv/packages: .venv/.python
	mkdir -p $@
	ln -sfn ../../agents $@/hirl_agents
	ln -sfn ../../experiments $@/hirl_experiments
	touch $@

clean:
	rm -rf .venv .interop docs/_build demo reproduce-quick

.venv/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "HIRL-Restore needs Python 3.10 or newer; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	touch $@

.venv/.user: .venv/.python $(SOURCES)
	$(BIN)/python -m pip install -e '.[cli]'
	touch $@

.venv/.dev: .venv/.python $(SOURCES)
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@ .venv/.user

.venv/.docs: .venv/.python $(SOURCES)
	$(BIN)/python -m pip install -e '.[docs]'
	touch $@ .venv/.user

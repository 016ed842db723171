# Everything that a fresh clone needs. `make` alone tells what there is.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The first Python >= 3.11 on PATH; plain python3 first, so that a chosen default is respected.
PYTHON := $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v $(name))))

# Python before 3.13 does not start where a path in its environment has letters that the locale has not (C has ASCII only).
ifneq ($(shell printf %s "$$PWD" | LC_ALL=C tr -d '\000-\177'),)
ifneq ($(filter ANSI_X3.4-1968 US-ASCII,$(shell locale charmap 2>/dev/null)),)
export LC_ALL := C.UTF-8
endif
endif

# pip's own build environment obeys the pins too (PIP_CONSTRAINT up to pip 25, PIP_BUILD_CONSTRAINT after it).
PINS := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1

# Tests of one file stay together, because they share what is built for them.
CORES := --numprocesses auto --dist loadfile

# Scripts that measure: figures.py and pages.py write our pages, mutation.py and reach.py belong to mutants.py, which takes hours.
SCRIPTS := $(filter-out %/figures.py %/pages.py %/mutants.py %/mutation.py %/reach.py,$(wildcard benchmarks/*.py))

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint benchmarks figures figures-all constraints clean icarus yowasp

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## train, export, generate and verify on the bundled digits
	$(BIN)/hafnet demo

test: lint icarus yowasp ## lint, then every test but the slow ones
	$(BIN)/pytest $(CORES) -m "not slow"

test-all: lint icarus yowasp ## lint, then every test
	$(BIN)/pytest $(CORES)

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: $(INSTALLED) yowasp ## run all scripts of benchmarks/
	@for script in $(SCRIPTS); do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

figures: $(INSTALLED) icarus ## write the figures of our pages anew, but for those that take an hour
	$(BIN)/python benchmarks/figures.py

figures-all: $(INSTALLED) icarus yowasp ## write all figures of our pages anew
	$(BIN)/python benchmarks/figures.py --all

constraints: ## pin the whole tree anew, from a clean environment (edit pyproject.toml first)
	@$(call need_python)
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --disable-pip-version-check -e '.[dev]'
	sed -n '/^#/p' constraints.txt > build/constraints.txt
	build/constraints/bin/pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu$$//' >> build/constraints.txt
	mv build/constraints.txt constraints.txt

clean: ## remove what was generated; .venv stays
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@$(call need_python)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PINS) $(BIN)/pip install -q -e '.[dev]'
	@touch $@

# Icarus is a Debian package, needed by the tests and by `--simulator icarus` only.
icarus:
	@command -v iverilog >/dev/null || .ci/icarus

# Yosys makes machine code of itself at its first start: here, and not when several tests start it at once.
yowasp: $(INSTALLED)
	@$(BIN)/python -m sim.yowasp

need_python = test -n '$(PYTHON)' || { echo 'Hafnet needs Python 3.11 or newer with its venv module (Debian package python3-venv), and none is on PATH' >&2; exit 1; }

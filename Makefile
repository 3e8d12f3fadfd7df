# make demo     solves puzzles the bundled model has never seen
# make test     all tests that need no torch
# make parity   the comparison with the reference implementation; installs torch
# make lint     formatting, style, include directions
# make sanitize the native tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make format   formats all sources
# make clean    removes everything the above made
#
# Needs Python >= 3.10, a C++20 compiler and make. The rest comes from PyPI into .venv, the first time.

PYTHON ?= python3
# A smaller download, where it is reachable:
#   make parity TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
CMAKE_FLAGS ?=
PYTEST_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest $(PYTEST_FLAGS)

# A list of requirements in pyproject.toml, where each is one line.
requirements = $(shell sed -n 's/^$(1) = \[\(.*\)\]$$/\1/p' pyproject.toml | tr -d ,)
# What the installed package is made of.
SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE \
  $(shell find csrc include python/bindings python/gesso -type f ! -path '*/__pycache__/*')
CXX_SOURCES = $(shell find csrc include python/bindings tests -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
PYTHON_SOURCES = $(wildcard python tests bench)

# Recipes install into one environment: one at a time.
.NOTPARALLEL:
.PHONY: demo test native parity lint sanitize format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.package
	$(BIN)/gesso demo

test: native $(VENV)/.test
	$(PYTEST) --ignore=tests/parity

native: $(VENV)/.build
	$(call native_tests,cpu)

sanitize: $(VENV)/.build
	$(call native_tests,asan)

parity: $(VENV)/.parity
	$(PYTEST) tests/parity

lint: $(VENV)/.lint
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(PYTEST) tests/lint

format: $(VENV)/.lint
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/clang-format -i $(CXX_SOURCES)

clean:
	rm -rf build $(VENV) .pytest_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Without this make's flags, which are not meant for CMake's make.
define native_tests
	$(BIN)/cmake --preset $(1) $(CMAKE_FLAGS)
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build --preset $(1) --parallel $(JOBS)
	$(BIN)/ctest --preset $(1)
endef

# Stamps: each is newer than what it was made from.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "gesso needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What builds gesso stays in $(VENV): with pip's build isolation every build would start from nothing.
$(VENV)/.build: pyproject.toml | $(VENV)/.python
	$(PIP) $(call requirements,requires) "cmake>=3.26" ninja
	@touch $@

$(VENV)/.package: $(SOURCES) | $(VENV)/.build
	@echo "Building and installing gesso into $(VENV); the first time takes a few minutes."
	$(PIP) --no-build-isolation .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.package
	$(PIP) $(call requirements,test)
	@touch $@

$(VENV)/.parity: pyproject.toml | $(VENV)/.test
	$(PIP) $(TORCH)
	$(PIP) $(call requirements,parity)
	@touch $@

$(VENV)/.lint: pyproject.toml | $(VENV)/.python
	$(PIP) $(call requirements,lint) "pytest>=8"
	@touch $@

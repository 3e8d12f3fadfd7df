#!/bin/sh
# Checks and measures the CUDA backend on this machine's GPU. It needs no network, only what `make gpu-kit` has packed.
# docs/gpu_check.md says what each part is for, and what to conclude from its figures.
#
#   bench/gpu_check.sh              one call of at most nine minutes, the most valuable parts first
#   bench/gpu_check.sh --rest       a second one: what is left
#   bench/gpu_check.sh --rehearse   the same parts without a GPU, after `make gpu-rehearse`
#   bench/gpu_check.sh --help       other options
#
# PYTHON is the interpreter, default python3.
script=$(readlink -f "$0") && root=$(cd "$(dirname "$script")/.." && pwd) || exit 1
PYTHONPATH=$root/bench exec "${PYTHON:-python3}" -m gpu_check "$@"

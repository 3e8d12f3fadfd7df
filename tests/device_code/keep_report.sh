#!/bin/sh
# Runs nvcc (the arguments) with ptxas' report on, and keeps that beside the object: <object>.ptxas.
# CMake's launcher for CUDA in the preset "cuda". What is no part of the report goes to standard error as ever.
set -u

object=
previous=
for argument in "$@"; do
  if [ "$previous" = "-o" ]; then object=$argument; fi
  previous=$argument
done

"$@" -Xptxas -v 2>"$object.ptxas"
status=$?
if [ $status -ne 0 ]; then
  cat "$object.ptxas" >&2
else
  grep -v -e '^ptxas info' -e 'bytes stack frame' "$object.ptxas" >&2
fi
exit $status

#!/bin/sh
# Runs nvcc, which is the arguments, with the report of ptxas, and keeps the report beside the object as <object>.ptxas.
# The preset "cuda" makes CMake call nvcc through this script. Other messages go to standard error as usual.
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

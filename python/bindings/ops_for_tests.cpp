#include <nanobind/nanobind.h>
NB_MODULE(_ops, module) { module.doc() = "tests"; }

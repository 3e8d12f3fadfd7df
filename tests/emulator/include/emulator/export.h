// Marks for those names in the emulator's shared library that kernels and tests use.
#pragma once

#define GESSO_EMULATOR_EXPORT __attribute__((visibility("default")))

// Declares a variable that each thread of the host has for itself. The model "initial-exec" avoids a function call at
// every use.
#define GESSO_EMULATOR_THREAD_LOCAL \
  constinit thread_local __attribute__((tls_model("initial-exec"))) GESSO_EMULATOR_EXPORT

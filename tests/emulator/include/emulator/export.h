// Marks for what kernels and tests use of the emulator's shared library.
#pragma once

#define GESSO_EMULATOR_EXPORT __attribute__((visibility("default")))

// Variables of a thread of the host. The model "initial-exec" spares a call per use.
#define GESSO_EMULATOR_THREAD_LOCAL \
  constinit thread_local __attribute__((tls_model("initial-exec"))) GESSO_EMULATOR_EXPORT

// How an op is declared. One struct holds all its arguments, and the comment on the struct says what the op computes.
#pragma once

#include "core/context.h"

// GESSO_OP(linear, LinearArguments), below the struct gesso::ops::LinearArguments, declares
//   ops::linear                what callers call; csrc/ops/linear.cpp checks the arguments and dispatches (dispatch.h);
//   cpu::linear, cuda::linear  the implementation of each backend.
// Callers name what they pass, so that two matrices cannot be swapped by mistake:
//   ops::linear(context, {.x = attended, .weight = w.attn_output, .out = out});
#define GESSO_OP(name, Arguments) GESSO_OP_WITH_RESULT(void, name, Arguments)

// The same for a function with a result, such as key_value_layout.
#define GESSO_OP_WITH_RESULT(Result, name, Arguments)                   \
  namespace gesso::cpu {                                                \
  Result name(const Context& context, const ops::Arguments& arguments); \
  }                                                                     \
  namespace gesso::cuda {                                               \
  Result name(const Context& context, const ops::Arguments& arguments); \
  }                                                                     \
  namespace gesso::ops {                                                \
  Result name(const Context& context, const Arguments& arguments);      \
  }

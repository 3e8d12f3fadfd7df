// Adds rows to a residual stream.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// residual += x, element by element.
struct AddArguments {
  ConstMatrix x;    // [R, D]
  Matrix residual;  // [R, D]
};

}  // namespace gesso::ops

GESSO_OP(add, AddArguments)

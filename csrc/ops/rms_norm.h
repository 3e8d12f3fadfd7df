// Root-mean-square normalisation and its residual form.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// rms(x, w) = x * (mean(x^2) + eps)^-1/2 * w. The weight w is used as it is stored: 1 is not added to it. An absent
// weight counts as ones.

// out = rms(x, weight) * scale.
struct RmsNormArguments {
  ConstMatrix x;         // [R, D]
  const Tensor& weight;  // F32 [D], or absent
  float eps;
  float scale = 1.0f;
  Matrix out;  // [R, D]; it may be x
};

// residual = (residual + rms(x, weight)) * scale.
struct RmsNormAddArguments {
  ConstMatrix x;         // [R, D]
  const Tensor& weight;  // F32 [D]
  float eps;
  float scale = 1.0f;
  Matrix residual;  // [R, D]
};

}  // namespace gesso::ops

GESSO_OP(rms_norm, RmsNormArguments)
GESSO_OP(rms_norm_add, RmsNormAddArguments)

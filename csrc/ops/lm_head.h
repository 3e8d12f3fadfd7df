// Computes the logits: the product with the head, and its soft cap.
#pragma once

#include "core/tensor.h"
#include "ops/op.h"
#include "ops/weight.h"

namespace gesso::ops {

// logits = cap * tanh(x . head^T / cap) in float32. It is NaN where the product is not finite.
struct LmHeadArguments {
  ConstMatrix x;       // [R, D]
  const Weight& head;  // [V, D]
  float cap;           // > 0
  Matrix logits;       // [R, V]
};

}  // namespace gesso::ops

GESSO_OP(lm_head, LmHeadArguments)

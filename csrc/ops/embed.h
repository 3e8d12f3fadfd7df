// Looks up the embeddings of tokens.
#pragma once

#include <cstdint>

#include "core/staged.h"
#include "core/tensor.h"
#include "ops/op.h"

namespace gesso::ops {

// out[r] = table[ids[r]] * scale.
struct EmbedArguments {
  const Tensor& table;  // [V, D] of any computable type
  Staged<int32_t> ids;  // [R] in [0, V)
  // The model passes sqrt(D) in float32. (The reference rounds it to bf16 when it runs in bf16.)
  float scale;
  Matrix out;  // [R, D]
};

}  // namespace gesso::ops

GESSO_OP(embed, EmbedArguments)

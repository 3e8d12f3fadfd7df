// Token embedding lookup.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/staged.h"
#include "core/tensor.h"

namespace gesso::ops {

// out[r] = table[ids[r]] * scale.   table [V, D] of any computable type, ids [R] in [0, V), out [R, D].
// The model passes scale = sqrt(D) in float32 (the reference rounds it to the embedding's dtype when it runs in bf16).
void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out);
}
namespace gesso::cuda {
void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out);
}

// The expected embedding under the previous step's distribution.
#pragma once

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// out[r] = scale * sum_v softmax(logits[r])_v * table[v].   logits [R, V], table [V, D], out [R, D].
// -inf logits are legal and weigh nothing; a row needs one finite logit. (A GPU multiplies weights of zero too: there
// the table must be finite.)
void soft_embed(const Context& context, ConstMatrix logits, const Tensor& table, float scale, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void soft_embed(const Context& context, ConstMatrix logits, const Tensor& table, float scale, Matrix out);
}
namespace gesso::cuda {
void soft_embed(const Context& context, ConstMatrix logits, const Tensor& table, float scale, Matrix out);
}

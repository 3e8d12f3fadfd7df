// The soft cap of logits.
#pragma once

#include <cstdint>

namespace gesso::cpu {

// out[i] = cap * tanh(x[i] / cap) for n floats; `out` may be `x`. With a cap of 30, a logit of 100 becomes 29.9. An
// infinite logit comes from a broken weight and would become 30, so it is NaN instead.
void soft_cap(float cap, const float* x, int64_t n, float* out);

}  // namespace gesso::cpu

// Logits: the head product with its soft cap.
#pragma once

#include "core/context.h"
#include "ops/weight.h"

namespace gesso::ops {

// logits = cap * tanh(x . head^T / cap) in float32.   x [R, D], head [V, D], cap > 0, logits [R, V].
void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits);

}  // namespace gesso::ops

namespace gesso::cpu {
void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits);
}
namespace gesso::cuda {
void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits);
}

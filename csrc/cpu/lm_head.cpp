#include "ops/lm_head.h"

#include "core/threads.h"
#include "cpu/simd/vector_math.h"
#include "ops/linear.h"

namespace gesso::cpu {

void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits) {
  linear(context, x, head, logits);
  parallel_for(context, logits.rows, kExpOperations * logits.columns,
               [&](int64_t r) { soft_cap(cap, logits.row(r), logits.columns, logits.row(r)); });
}

}  // namespace gesso::cpu

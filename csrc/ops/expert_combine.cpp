#include "ops/expert_combine.h"

#include "ops/check.h"

namespace gesso::ops {

void expert_combine(const Context& context, ConstMatrix y, const Routing& routing, Matrix out) {
  check_rows("expert_combine: y", y.rows, static_cast<int64_t>(routing.weights.size()));
  check_rows("expert_combine: out", out.rows * routing.num_active, y.rows);
  check_columns("expert_combine: out", out.columns, y.columns);
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::expert_combine(context, y, routing, out);
  }
  return cpu::expert_combine(context, y, routing, out);
}

}  // namespace gesso::ops

#include "ops/linear.h"

#include "core/importance.h"
#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out) {
  check_stored("linear: weight", weight.values, 2);
  if (weight.scale) check_vector("linear: scale", weight.scale, 1);
  check_columns("linear: x", x.columns, weight.num_inputs());
  check_rows("linear: out", out.rows, x.rows);
  check_columns("linear: out", out.columns, weight.num_outputs());
  if (context.importance) context.importance->add(weight.values.data, 0, 1, x, nullptr, x.rows);
  const ProfileSpan span(context, "linear", weight.values.data,
                         [&](const Profile& profile) { return product_work(profile, x.rows, {&weight}, out.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::linear(context, x, weight, out);
  }
  return cpu::linear(context, x, weight, out);
}

}  // namespace gesso::ops

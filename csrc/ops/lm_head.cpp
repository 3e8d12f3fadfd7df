#include "ops/lm_head.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits) {
  check_stored("lm_head: head", head.values, 2);
  if (head.scale) check_vector("lm_head: scale", head.scale, 1);
  check(cap > 0, "lm_head: cap must be positive, got ", cap);
  check_columns("lm_head: x", x.columns, head.num_inputs());
  check_rows("lm_head: logits", logits.rows, x.rows);
  check_columns("lm_head: logits", logits.columns, head.num_outputs());
  const ProfileSpan span(context, "lm_head", head.values.data, [&](const Profile& profile) {
    return product_work(profile, x.rows, {&head}, logits.columns);
  });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::lm_head(context, x, head, cap, logits);
  }
  return cpu::lm_head(context, x, head, cap, logits);
}

}  // namespace gesso::ops

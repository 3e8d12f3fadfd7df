#include "ops/lm_head.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void lm_head(const Context& context, const LmHeadArguments& a) {
  check_stored("lm_head: head", a.head.values, 2);
  if (a.head.scale) check_vector("lm_head: scale", a.head.scale, 1);
  check(a.cap > 0, "lm_head: cap must be positive, got ", a.cap);
  check_columns("lm_head: x", a.x.columns, a.head.num_inputs());
  check_rows("lm_head: logits", a.logits.rows, a.x.rows);
  check_columns("lm_head: logits", a.logits.columns, a.head.num_outputs());
  const ProfileSpan span(context, "lm_head", a.head.values.data,
                         [&] { return product_work(context, a.x.rows, {&a.head}, a.logits.columns); });
  dispatch<cpu::lm_head, cuda::lm_head>(context, a);
}

}  // namespace gesso::ops

#include "ops/router.h"

#include "core/importance.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void router(const Context& context, const RouterArguments& a) {
  check_stored("router: weight", a.weight.values, 2);
  if (a.weight.scale) check_vector("router: scale", a.weight.scale, 1);
  check_columns("router: x", a.x.columns, a.weight.num_inputs());
  check_rows("router: scores", a.scores.rows, a.x.rows);
  check_columns("router: scores", a.scores.columns, a.weight.num_outputs());
  check_routing("router", a.scores, a.per_expert_scale, a.routing);
  if (context.importance) context.importance->add(a.weight.values.data, 0, 1, a.x, nullptr, a.x.rows);
  const ProfileSpan span(context, "router", a.weight.values.data, [&] {
    Work work = product_work(context, a.x.rows, {&a.weight}, a.scores.columns);
    work += route_work(a.scores, a.routing);
    return work;
  });
  dispatch<cpu::router, cuda::router>(context, a);
}

}  // namespace gesso::ops

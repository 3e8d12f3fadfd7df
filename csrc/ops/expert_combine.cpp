#include "ops/expert_combine.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void expert_combine(const Context& context, const ExpertCombineArguments& a) {
  check_rows("expert_combine: y", a.y.rows, static_cast<int64_t>(a.routing.weights.size()));
  check_rows("expert_combine: out", a.out.rows * a.routing.num_active, a.y.rows);
  check_columns("expert_combine: out", a.out.columns, a.y.columns);
  const ProfileSpan span(context, "expert_combine", nullptr,
                         [&] { return rows_work(a.y.rows + a.out.rows, a.y.columns); });
  dispatch(context, a);
}

}  // namespace gesso::ops

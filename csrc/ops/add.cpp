#include "ops/add.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void add(const Context& context, ConstMatrix x, Matrix residual) {
  check_rows("add: residual", residual.rows, x.rows);
  check_columns("add: residual", residual.columns, x.columns);
  const ProfileSpan span(context, "add", nullptr, [&](const Profile&) { return rows_work(x.rows, 3 * x.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::add(context, x, residual);
  }
  return cpu::add(context, x, residual);
}

}  // namespace gesso::ops

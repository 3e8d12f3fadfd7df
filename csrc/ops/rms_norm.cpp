#include "ops/rms_norm.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void rms_norm(const Context& context, const RmsNormArguments& a) {
  if (a.weight) check_vector("rms_norm: weight", a.weight, a.x.columns);
  check_rows("rms_norm: out", a.out.rows, a.x.rows);
  check_columns("rms_norm: out", a.out.columns, a.x.columns);
  const ProfileSpan span(context, "rms_norm", nullptr, [&] { return rows_work(a.x.rows, 2 * a.x.columns); });
  dispatch(context, a);
}

void rms_norm_add(const Context& context, const RmsNormAddArguments& a) {
  check_vector("rms_norm_add: weight", a.weight, a.x.columns);
  check_rows("rms_norm_add: residual", a.residual.rows, a.x.rows);
  check_columns("rms_norm_add: residual", a.residual.columns, a.x.columns);
  const ProfileSpan span(context, "rms_norm_add", nullptr, [&] { return rows_work(a.x.rows, 3 * a.x.columns); });
  dispatch(context, a);
}

}  // namespace gesso::ops

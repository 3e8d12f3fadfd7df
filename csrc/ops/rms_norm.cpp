#include "ops/rms_norm.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void rms_norm(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale, Matrix out) {
  if (weight) check_vector("rms_norm: weight", weight, x.columns);
  check_rows("rms_norm: out", out.rows, x.rows);
  check_columns("rms_norm: out", out.columns, x.columns);
  const ProfileSpan span(context, "rms_norm", nullptr,
                         [&](const Profile&) { return rows_work(x.rows, 2 * x.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::rms_norm(context, x, weight, eps, scale, out);
  }
  return cpu::rms_norm(context, x, weight, eps, scale, out);
}

void rms_norm_add(const Context& context, ConstMatrix x, const Tensor& weight, float eps, float scale,
                  Matrix residual) {
  check_vector("rms_norm_add: weight", weight, x.columns);
  check_rows("rms_norm_add: residual", residual.rows, x.rows);
  check_columns("rms_norm_add: residual", residual.columns, x.columns);
  const ProfileSpan span(context, "rms_norm_add", nullptr,
                         [&](const Profile&) { return rows_work(x.rows, 3 * x.columns); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::rms_norm_add(context, x, weight, eps, scale, residual);
  }
  return cpu::rms_norm_add(context, x, weight, eps, scale, residual);
}

}  // namespace gesso::ops

#include "ops/rms_norm.h"

#include <iterator>
#include "ops/dispatch.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void check_normed_rows(const char* op, ConstMatrix residual, std::span<const NormedRows> next) {
  check(std::ssize(next) <= kMaxNormedRows, op, ": expected at most ", kMaxNormedRows, " further norms, got ",
        next.size());
  for (const NormedRows& normed : next) {
    check_vector(concat(op, ": weight of a further norm").c_str(), normed.weight, residual.columns);
    check_rows(concat(op, ": out of a further norm").c_str(), normed.out.rows, residual.rows);
    check_columns(concat(op, ": out of a further norm").c_str(), normed.out.columns, residual.columns);
  }
}

void rms_norm(const Context& context, const RmsNormArguments& a) {
  if (a.weight) check_vector("rms_norm: weight", a.weight, a.x.columns);
  check_rows("rms_norm: out", a.out.rows, a.x.rows);
  check_columns("rms_norm: out", a.out.columns, a.x.columns);
  const ProfileSpan span(context, "rms_norm", nullptr, [&] { return rows_work(a.x.rows, 2 * a.x.columns); });
  dispatch<cpu::rms_norm, cuda::rms_norm>(context, a);
}

void rms_norm_add(const Context& context, const RmsNormAddArguments& a) {
  check_vector("rms_norm_add: weight", a.weight, a.x.columns);
  check_rows("rms_norm_add: residual", a.residual.rows, a.x.rows);
  check_columns("rms_norm_add: residual", a.residual.columns, a.x.columns);
  check_normed_rows("rms_norm_add", a.residual, a.next);
  const ProfileSpan span(context, "rms_norm_add", nullptr, [&] {
    return rows_work(a.x.rows, static_cast<double>((3 + std::ssize(a.next)) * a.x.columns));
  });
  dispatch<cpu::rms_norm_add, cuda::rms_norm_add>(context, a);
}

}  // namespace gesso::ops

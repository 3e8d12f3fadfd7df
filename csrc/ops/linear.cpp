#include "ops/linear.h"

#include "core/importance.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void linear(const Context& context, const LinearArguments& a) {
  check_stored("linear: weight", a.weight.values, 2);
  if (a.weight.scale) check_vector("linear: scale", a.weight.scale, 1);
  check_columns("linear: x", a.x.values.columns, a.weight.num_inputs());
  check_rows("linear: out", a.out.rows, a.x.values.rows);
  check_columns("linear: out", a.out.columns, a.weight.num_outputs());
  if (context.importance) context.importance->add(a.weight.values.data, 0, 1, a.x.values, nullptr, a.x.values.rows);
  const ProfileSpan span(context, "linear", a.weight.values.data,
                         [&] { return product_work(context, a.x.values.rows, {&a.weight}, a.out.columns); });
  dispatch<cpu::linear, cuda::linear>(context, a);
}

}  // namespace gesso::ops

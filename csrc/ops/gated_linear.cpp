#include "ops/gated_linear.h"

#include "core/importance.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {
namespace {

void check_projection(const char* what, const char* scale, ConstMatrix x, const Weight& weight, Matrix out) {
  check_stored(what, weight.values, 2);
  if (weight.scale) check_vector(scale, weight.scale, 1);
  check_columns("gated_linear: x", x.columns, weight.num_inputs());
  check_columns("gated_linear: out", out.columns, weight.num_outputs());
}

}  // namespace

void gated_linear(const Context& context, const GatedLinearArguments& a) {
  check_projection("gated_linear: gate", "gated_linear: gate's scale", a.x.values, a.gate, a.out);
  check_projection("gated_linear: up", "gated_linear: up's scale", a.x.values, a.up, a.out);
  check_rows("gated_linear: out", a.out.rows, a.x.values.rows);
  check_rows("gated_linear: scratch", a.scratch.rows, a.x.values.rows);
  check_columns("gated_linear: scratch", a.scratch.columns, a.out.columns);
  if (context.importance) {
    context.importance->add(a.gate.values.data, 0, 1, a.x.values, nullptr, a.x.values.rows);
    context.importance->add(a.up.values.data, 0, 1, a.x.values, nullptr, a.x.values.rows);
  }
  const ProfileSpan span(context, "gated_linear", a.gate.values.data,
                         [&] { return product_work(context, a.x.values.rows, {&a.gate, &a.up}, a.out.columns); });
  dispatch<cpu::gated_linear, cuda::gated_linear>(context, a);
}

}  // namespace gesso::ops

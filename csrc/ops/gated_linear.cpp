#include "ops/gated_linear.h"

#include "core/importance.h"
#include "ops/check.h"
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

void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix scratch,
                  Matrix out) {
  check_projection("gated_linear: gate", "gated_linear: gate's scale", x, gate, out);
  check_projection("gated_linear: up", "gated_linear: up's scale", x, up, out);
  check_rows("gated_linear: out", out.rows, x.rows);
  check_rows("gated_linear: scratch", scratch.rows, x.rows);
  check_columns("gated_linear: scratch", scratch.columns, out.columns);
  if (context.importance) {
    context.importance->add(gate.values.data, 0, 1, x, nullptr, x.rows);
    context.importance->add(up.values.data, 0, 1, x, nullptr, x.rows);
  }
  const ProfileSpan span(context, "gated_linear", gate.values.data, [&](const Profile& profile) {
    return product_work(profile, x.rows, {&gate, &up}, out.columns);
  });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::gated_linear(context, x, gate, up, out);
  }
  return cpu::gated_linear(context, x, gate, up, scratch, out);
}

}  // namespace gesso::ops

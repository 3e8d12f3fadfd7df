#include "ops/feed_forward_add.h"

#include <algorithm>

#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {
namespace {

void combine(const Context& context, const ops::FeedForwardAddArguments& a) {
  const int64_t num_active = a.routing.num_active, columns = a.scratch.columns;
  parallel_for(context, a.scratch.rows, 2 * num_active * columns, [&](int64_t token) {
    std::fill_n(a.scratch.row(token), columns, 0.0f);
    for (int64_t pair = token * num_active; pair < (token + 1) * num_active; ++pair) {
      axpy(a.routing.weights[pair], a.experts.row(a.routing.slot_of_pair[pair]), a.scratch.row(token), columns);
    }
  });
}

// Adds the rows first .. first + count - 1 of the sum.
void add_rows(const Context& context, const ops::FeedForwardAddArguments& a, int64_t first, int64_t count,
              float scale) {
  cpu::rms_norm_add(context, {.x = a.mlp.row_range(first, count),
                              .weight = a.sum_norm,
                              .eps = a.eps,
                              .scale = scale,
                              .residual = a.residual.row_range(first, count)});
}

}  // namespace

void feed_forward_add(const Context& context, const ops::FeedForwardAddArguments& a) {
  combine(context, a);
  cpu::rms_norm(context, {.x = a.mlp, .weight = a.mlp_norm, .eps = a.eps, .out = a.mlp});
  cpu::rms_norm_add(context, {.x = a.scratch, .weight = a.experts_norm, .eps = a.eps, .residual = a.mlp});
  add_rows(context, a, 0, a.num_canvas_rows, a.canvas_scale);
  add_rows(context, a, a.num_canvas_rows, a.residual.rows - a.num_canvas_rows, a.text_scale);
  for (const ops::NormedRows& next : a.next) {
    cpu::rms_norm(context,
                  {.x = a.residual, .weight = next.weight, .eps = a.eps, .scale = next.scale, .out = next.out});
  }
}

}  // namespace gesso::cpu

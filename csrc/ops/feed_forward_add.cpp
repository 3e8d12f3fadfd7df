#include "ops/feed_forward_add.h"

#include <iterator>
#include "ops/dispatch.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {
namespace {

void check_shape(const char* what, ConstMatrix matrix, ConstMatrix expected) {
  check_rows(what, matrix.rows, expected.rows);
  check_columns(what, matrix.columns, expected.columns);
}

}  // namespace

void feed_forward_add(const Context& context, const FeedForwardAddArguments& a) {
  const int64_t rows = a.residual.rows, columns = a.residual.columns;
  check_shape("feed_forward_add: mlp", a.mlp, a.residual);
  check_shape("feed_forward_add: scratch", a.scratch, a.residual);
  check_rows("feed_forward_add: experts", a.experts.rows, rows * a.routing.num_active);
  check_rows("feed_forward_add: experts", a.experts.rows, std::ssize(a.routing.weights));
  check_columns("feed_forward_add: experts", a.experts.columns, columns);
  check_vector("feed_forward_add: mlp_norm", a.mlp_norm, columns);
  check_vector("feed_forward_add: experts_norm", a.experts_norm, columns);
  check_vector("feed_forward_add: sum_norm", a.sum_norm, columns);
  check(a.num_canvas_rows >= 0 && a.num_canvas_rows <= rows, "feed_forward_add: ", a.num_canvas_rows,
        " canvas rows of ", rows);
  check_normed_rows("feed_forward_add", a.residual, a.next);
  const ProfileSpan span(context, "feed_forward_add", nullptr, [&] {
    return rows_work(rows, static_cast<double>((3 + a.routing.num_active + std::ssize(a.next)) * columns));
  });
  dispatch<cpu::feed_forward_add, cuda::feed_forward_add>(context, a);
}

}  // namespace gesso::ops

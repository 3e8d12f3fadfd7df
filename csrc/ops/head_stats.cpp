#include "ops/head_stats.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<HeadRow> rows, TokenStats stats, Matrix belief) {
  check_stored("head_stats: head", head.values, 2);
  if (head.scale) check_vector("head_stats: scale", head.scale, 1);
  check_stored("head_stats: table", table, 2);
  check_rows("head_stats: table", table.shape[0], head.num_outputs());
  check(cap > 0, "head_stats: cap must be positive, got ", cap);
  check_columns("head_stats: x", x.columns, head.num_inputs());
  check_rows("head_stats: belief", belief.rows, x.rows);
  check_columns("head_stats: belief", belief.columns, table.shape[1]);
  const size_t num_rows = x.rows;
  check(rows.host.size() == num_rows && stats.entropy.size() == num_rows && stats.argmax.size() == num_rows &&
            stats.sampled.size() == num_rows,
        "head_stats: rows and stats must have ", num_rows, " rows");
  for (const HeadRow& row : rows.host) {
    check(row.temperature > 0, "head_stats: temperature must be positive, got ", row.temperature);
  }
  const ProfileSpan span(context, "head_stats", head.values.data,
                         [&](const Profile& profile) { return head_work(profile, x.rows, head, table); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::head_stats(context, x, head, table, cap, embed_scale, rows, stats, belief);
  }
  return cpu::head_stats(context, x, head, table, cap, embed_scale, rows, stats, belief);
}

}  // namespace gesso::ops

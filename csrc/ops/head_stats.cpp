#include "ops/head_stats.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void head_stats(const Context& context, const HeadStatsArguments& a) {
  check_stored("head_stats: head", a.head.values, 2);
  if (a.head.scale) check_vector("head_stats: scale", a.head.scale, 1);
  check_stored("head_stats: table", a.table, 2);
  check_rows("head_stats: table", a.table.shape[0], a.head.num_outputs());
  check(a.cap > 0, "head_stats: cap must be positive, got ", a.cap);
  check_columns("head_stats: x", a.x.columns, a.head.num_inputs());
  check_rows("head_stats: soft_embedding", a.soft_embedding.rows, a.x.rows);
  check_columns("head_stats: soft_embedding", a.soft_embedding.columns, a.table.shape[1]);
  check(a.left_out_share >= 0 && a.left_out_share <= 1, "head_stats: left_out_share must be from 0 to 1, got ",
        a.left_out_share);
  check_stats("head_stats", "rows", a.rows.host.size(), a.stats, a.x.rows);
  for (const HeadRow& row : a.rows.host) check_temperature("head_stats", row.temperature);
  const ProfileSpan span(context, "head_stats", a.head.values.data,
                         [&] { return head_work(context, a.x.rows, a.head, a.table); });
  dispatch<cpu::head_stats, cuda::head_stats>(context, a);
}

}  // namespace gesso::ops

#include "ops/head_stats.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/soft_embed.h"
#include "ops/work.h"

namespace gesso::ops {

int64_t belief_columns(const Context& context, int64_t vocab_size, int64_t hidden_size) {
  return context.queue ? hidden_size : vocab_size;
}

void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<HeadRow> rows, TokenStats stats, Matrix belief) {
  check_stored("head_stats: head", head.values, 2);
  if (head.scale) check_vector("head_stats: scale", head.scale, 1);
  check_stored("head_stats: table", table, 2);
  check_rows("head_stats: table", table.shape[0], head.num_outputs());
  check(cap > 0, "head_stats: cap must be positive, got ", cap);
  check_columns("head_stats: x", x.columns, head.num_inputs());
  check_rows("head_stats: belief", belief.rows, x.rows);
  check_columns("head_stats: belief", belief.columns, belief_columns(context, head.num_outputs(), table.shape[1]));
  const size_t num_rows = x.rows;
  check(rows.host.size() == num_rows && stats.entropy.size() == num_rows && stats.argmax.size() == num_rows &&
            stats.sampled.size() == num_rows,
        "head_stats: rows and stats must have ", num_rows, " rows");
  for (const HeadRow& row : rows.host) {
    check(row.temperature > 0, "head_stats: temperature must be positive, got ", row.temperature);
  }
  const bool has_soft = belief.columns != head.num_outputs();
  const ProfileSpan span(context, "head_stats", head.values.data,
                         [&](const Profile& profile) { return head_work(profile, x.rows, head, table, has_soft); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::head_stats(context, x, head, table, cap, embed_scale, rows, stats, belief);
  }
  return cpu::head_stats(context, x, head, cap, rows, stats, belief);
}

void expected_embedding(const Context& context, ConstMatrix belief, const Tensor& table, float embed_scale,
                        Matrix out) {
  if constexpr (kHasCuda) {
    if (context.queue) {
      check_columns("expected_embedding: belief", belief.columns, out.columns);
      check_rows("expected_embedding: out", out.rows, belief.rows);
      const ProfileSpan span(context, "expected_embedding", nullptr,
                             [&](const Profile&) { return rows_work(out.rows, 2 * out.columns); });
      return cuda::expected_embedding(context, belief, out);
    }
  }
  return soft_embed(context, belief, table, embed_scale, out);
}

}  // namespace gesso::ops

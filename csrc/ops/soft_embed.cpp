#include "ops/soft_embed.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void soft_embed(const Context& context, ConstMatrix logits, const Tensor& table, float scale, Matrix out) {
  check_stored("soft_embed: table", table, 2);
  check_columns("soft_embed: logits", logits.columns, table.shape[0]);
  check_rows("soft_embed: out", out.rows, logits.rows);
  check_columns("soft_embed: out", out.columns, table.shape[1]);
  const ProfileSpan span(context, "soft_embed", table.data,
                         [&](const Profile&) { return soft_embed_work(logits.rows, table); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::soft_embed(context, logits, table, scale, out);
  }
  return cpu::soft_embed(context, logits, table, scale, out);
}

}  // namespace gesso::ops

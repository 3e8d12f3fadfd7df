#include "ops/soft_embed.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void soft_embed(const Context& context, const SoftEmbedArguments& a) {
  check_stored("soft_embed: table", a.table, 2);
  check_columns("soft_embed: logits", a.logits.columns, a.table.shape[0]);
  check_rows("soft_embed: out", a.out.rows, a.logits.rows);
  check_columns("soft_embed: out", a.out.columns, a.table.shape[1]);
  check(a.left_out_share >= 0 && a.left_out_share <= 1, "soft_embed: left_out_share must be from 0 to 1, got ",
        a.left_out_share);
  const ProfileSpan span(context, "soft_embed", a.table.data, [&] { return soft_embed_work(a.logits.rows, a.table); });
  dispatch<cpu::soft_embed, cuda::soft_embed>(context, a);
}

}  // namespace gesso::ops

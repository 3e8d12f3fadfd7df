#include "ops/soft_embed.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void soft_embed(const Context& context, const SoftEmbedArguments& a) {
  check_stored("soft_embed: table", a.table, 2);
  check_columns("soft_embed: logits", a.logits.columns, a.table.shape[0]);
  check_rows("soft_embed: out", a.out.rows, a.logits.rows);
  check_columns("soft_embed: out", a.out.columns, a.table.shape[1]);
  const ProfileSpan span(context, "soft_embed", a.table.data, [&] { return soft_embed_work(a.logits.rows, a.table); });
  dispatch(context, a);
}

}  // namespace gesso::ops

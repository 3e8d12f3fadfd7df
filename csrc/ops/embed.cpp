#include "ops/embed.h"

#include "ops/check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out) {
  check_stored("embed: table", table, 2);
  check_rows("embed: out", out.rows, ids.size());
  check_columns("embed: out", out.columns, table.shape[1]);
  for (int32_t id : ids.host) {
    check(id >= 0 && id < table.shape[0], "embed: token id ", id, " outside [0, ", table.shape[0], ")");
  }
  const ProfileSpan span(context, "embed", table.data,
                         [&](const Profile&) { return table_rows_work(table, ids.size()); });
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::embed(context, table, ids, scale, out);
  }
  return cpu::embed(context, table, ids, scale, out);
}

}  // namespace gesso::ops

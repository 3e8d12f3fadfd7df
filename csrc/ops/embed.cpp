#include "ops/embed.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void embed(const Context& context, const EmbedArguments& a) {
  check_stored("embed: table", a.table, 2);
  check_rows("embed: out", a.out.rows, a.ids.size());
  check_columns("embed: out", a.out.columns, a.table.shape[1]);
  for (int32_t id : a.ids.host) {
    check(id >= 0 && id < a.table.shape[0], "embed: token id ", id, " outside [0, ", a.table.shape[0], ")");
  }
  const ProfileSpan span(context, "embed", a.table.data, [&] { return table_rows_work(a.table, a.ids.size()); });
  dispatch<cpu::embed, cuda::embed>(context, a);
}

}  // namespace gesso::ops

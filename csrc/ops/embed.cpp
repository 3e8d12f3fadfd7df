#include "ops/embed.h"

#include "ops/check.h"

namespace gesso::ops {

void embed(const Context& context, const Tensor& table, std::span<const int32_t> ids, float scale, Matrix out) {
  check_stored("embed: table", table, 2);
  check_rows("embed: out", out.rows, static_cast<int64_t>(ids.size()));
  check_columns("embed: out", out.columns, table.shape[1]);
  for (int32_t id : ids) {
    check(id >= 0 && id < table.shape[0], "embed: token id ", id, " outside [0, ", table.shape[0], ")");
  }
  return cpu::embed(context, table, ids, scale, out);
}

}  // namespace gesso::ops

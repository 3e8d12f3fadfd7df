#include "ops/add.h"

#include "ops/check.h"

namespace gesso::ops {

void add(const Context& context, ConstMatrix x, Matrix residual) {
  check_rows("add: residual", residual.rows, x.rows);
  check_columns("add: residual", residual.columns, x.columns);
  if constexpr (kHasCuda) {
    if (context.queue) return cuda::add(context, x, residual);
  }
  return cpu::add(context, x, residual);
}

}  // namespace gesso::ops

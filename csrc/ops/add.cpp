#include "ops/add.h"

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void add(const Context& context, const AddArguments& a) {
  check_rows("add: residual", a.residual.rows, a.x.rows);
  check_columns("add: residual", a.residual.columns, a.x.columns);
  const ProfileSpan span(context, "add", nullptr, [&] { return rows_work(a.x.rows, 3 * a.x.columns); });
  dispatch<cpu::add, cuda::add>(context, a);
}

}  // namespace gesso::ops

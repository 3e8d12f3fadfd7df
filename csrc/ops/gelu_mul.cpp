#include "ops/gelu_mul.h"

#include "ops/check.h"

namespace gesso::ops {

void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out) {
  check_rows("gelu_mul: up", up.rows, gate.rows);
  check_columns("gelu_mul: up", up.columns, gate.columns);
  check_rows("gelu_mul: out", out.rows, gate.rows);
  check_columns("gelu_mul: out", out.columns, gate.columns);
  return cpu::gelu_mul(context, gate, up, out);
}

}  // namespace gesso::ops

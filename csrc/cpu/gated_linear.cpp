#include "ops/gated_linear.h"

#include "cpu/gelu_mul.h"
#include "ops/linear.h"

namespace gesso::cpu {

void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix scratch,
                  Matrix out) {
  cpu::linear(context, x, gate, out);
  cpu::linear(context, x, up, scratch);
  gelu_mul(context, out, scratch, out);
}

}  // namespace gesso::cpu

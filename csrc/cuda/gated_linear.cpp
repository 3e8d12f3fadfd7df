#include "ops/gated_linear.h"

#include "cuda/gemm/gelu_mul.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"
#include "ops/linear.h"

namespace gesso::cuda {

void gated_linear(const Context& context, const ops::GatedLinearArguments& a) {
  if (a.up.values.dtype == a.gate.values.dtype) {
    return multiply_gated(context, pack_rows(context, a.x, ops::kind_of(a.gate)), a.gate, a.up, a.out, a.rounding);
  }
  const Matrix up_out(context.queue->scratch<float>(Scratch::kGated, a.out.rows * a.out.columns), a.out.rows,
                      a.out.columns);
  cuda::linear(context, {.x = a.x, .weight = a.gate, .out = a.out});
  cuda::linear(context, {.x = a.x, .weight = a.up, .out = up_out});
  gelu_mul(*context.queue, up_out, a.out);
  fill_slot(context, a.out, a.rounding);
}

}  // namespace gesso::cuda

#include "ops/gated_linear.h"

#include "cuda/gemm/gelu_mul.h"
#include "cuda/gemm/gemm.h"
#include "cuda/host/queue.h"
#include "ops/linear.h"

namespace gesso::cuda {

void gated_linear(const Context& context, ConstMatrix x, const Weight& gate, const Weight& up, Matrix out) {
  const DType type = gate.values.dtype;
  if (up.values.dtype == type) return multiply_gated(context, pack_rows(context, x, type), gate, up, out);
  const Matrix up_out(context.queue->scratch<float>(Scratch::kGated, out.rows * out.columns), out.rows, out.columns);
  cuda::linear(context, x, gate, out);
  cuda::linear(context, x, up, up_out);
  gelu_mul(*context.queue, up_out, out);
}

}  // namespace gesso::cuda

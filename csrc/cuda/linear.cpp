#include "ops/linear.h"

#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out) {
  multiply(context, pack_rows(context, x, weight.values.dtype), weight, out);
}

}  // namespace gesso::cuda

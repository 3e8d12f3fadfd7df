#include "ops/linear.h"

#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

void linear(const Context& context, const ops::LinearArguments& a) {
  multiply(context, pack_rows(context, a.x, ops::kind_of(a.weight)), a.weight, a.out);
}

}  // namespace gesso::cuda

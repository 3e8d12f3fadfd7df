#include "ops/expert_linear.h"

#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

void expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                   const ops::Routing& routing, Matrix out) {
  const int32_t* rows = input == ops::ExpertInput::kTokens ? routing.token_of_slot.data() : nullptr;
  multiply_experts(context, pack_rows(context, x, weight.values.dtype), rows, routing, weight, out);
}

}  // namespace gesso::cuda

#include "ops/expert_linear.h"

#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

void expert_linear(const Context& context, const ops::ExpertLinearArguments& a) {
  const int32_t* rows = a.input == ops::ExpertInput::kTokens ? a.routing.token_of_slot.data() : nullptr;
  multiply_experts(context, pack_rows(context, a.x, ops::kind_of(a.weight)), rows, a.routing, a.weight, a.out);
}

}  // namespace gesso::cuda

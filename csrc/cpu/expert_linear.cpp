#include "ops/expert_linear.h"

#include "core/threads.h"
#include "cpu/matmul_block.h"

namespace gesso::cpu {
namespace {

// The matrix [N, K] of one expert.
Tensor expert_matrix(const Tensor& experts, int64_t expert) {
  Tensor matrix = experts;
  matrix.shape = {experts.shape[1], experts.shape[2]};
  matrix.data += expert * matrix.num_bytes();
  return matrix;
}

}  // namespace

void expert_linear(const Context& context, ConstMatrix x, ops::ExpertInput input, const Weight& weight,
                   const ops::Routing& routing, Matrix out) {
  const int64_t num_experts = weight.values.shape[0];
  const int64_t operations = block_operations(out.rows / num_experts + 1, x.columns);
  const int64_t blocks = num_blocks(weight.num_outputs());
  parallel_for(context, num_experts * blocks, operations, [&](int64_t task) {
    const int64_t expert = task / blocks;
    const int64_t begin = routing.expert_offsets[expert];
    const int64_t count = routing.expert_offsets[expert + 1] - begin;
    if (count == 0) return;
    const bool by_token = input == ops::ExpertInput::kTokens;
    const ConstMatrix source = by_token ? x : x.row_range(begin, count);
    const int32_t* rows = by_token ? routing.token_of_slot.data() + begin : nullptr;
    matmul_block(source, rows, count, expert_matrix(weight.values, expert), weight.scale_of(expert), task % blocks,
                 out.row_range(begin, count));
  });
}

}  // namespace gesso::cpu

#include "ops/linear.h"

#include "core/threads.h"
#include "cpu/matmul_block.h"

namespace gesso::cpu {

void linear(const Context& context, ConstMatrix x, const Weight& weight, Matrix out) {
  const int64_t operations = block_operations(x.rows, x.columns);
  parallel_for(context, num_blocks(weight.num_outputs()), operations,
               [&](int64_t block) { matmul_block(x, nullptr, x.rows, weight.values, weight.scale_of(0), block, out); });
}

}  // namespace gesso::cpu

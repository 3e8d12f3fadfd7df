#include "ops/lm_head.h"

#include <algorithm>
#include <cmath>

#include "core/threads.h"
#include "cpu/matmul_block.h"

namespace gesso::cpu {

void lm_head(const Context& context, ConstMatrix x, const Weight& head, float cap, Matrix logits) {
  parallel_for(context, num_blocks(head.num_outputs()), block_operations(x.rows, x.columns), [&](int64_t block) {
    matmul_block(x, nullptr, x.rows, head.values, head.scale_of(0), block, logits);
    const int64_t begin = block * kBlockOutputs;
    const int64_t end = std::min(begin + kBlockOutputs, logits.columns);
    for (int64_t r = 0; r < logits.rows; ++r) {
      float* row = logits.row(r);
      for (int64_t n = begin; n < end; ++n) row[n] = cap * std::tanh(row[n] / cap);
    }
  });
}

}  // namespace gesso::cpu

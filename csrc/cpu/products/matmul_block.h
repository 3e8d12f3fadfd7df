// The product of gathered rows with a block of stored weight rows: the inside of linear, expert_linear and lm_head.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::cpu {

// Weight rows handled by one task: decoded once (at most 16 x 8192 floats, which an L2 cache holds) and used for every
// row of x.
constexpr int64_t kBlockOutputs = 16;

inline int64_t num_blocks(int64_t num_outputs) { return (num_outputs + kBlockOutputs - 1) / kBlockOutputs; }

// Arithmetic operations of one matmul_block call, decoding included.
inline int64_t block_operations(int64_t num_rows, int64_t columns) {
  return kBlockOutputs * columns * 2 * (num_rows + 1);
}

// out[i, n] = scale * dot(x[rows[i]], weight[n]) for 0 <= i < num_rows and the outputs n of block `block`.
// rows == nullptr means rows[i] = i. `weight` is one matrix [N, K]; out [num_rows, N].
void matmul_block(ConstMatrix x, const int32_t* rows, int64_t num_rows, const Tensor& weight, float scale,
                  int64_t block, Matrix out);

using MatmulBlock = decltype(&matmul_block);

// matmul_block or, where activations need not be exact, one with fused multiply-adds in an order of its own. (That a
// row gets the same bits in any company holds for both.)
MatmulBlock matmul_block_for(const Context& context);

}  // namespace gesso::cpu

// The product of selected rows of x with a block of stored weight rows. The ops with weights consist of such products
// where they do not use int8 products.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::cpu {

// How many weight rows one task handles. They are decoded once and used for every row of x. 16 rows of 8192 floats take
// 512 KB, which an L2 cache holds.
constexpr int64_t kBlockOutputs = 16;

inline int64_t num_blocks(int64_t num_outputs) { return (num_outputs + kBlockOutputs - 1) / kBlockOutputs; }

// A rough count of the arithmetic operations of one call of matmul_block, including decoding.
inline int64_t block_operations(int64_t num_rows, int64_t columns) {
  return kBlockOutputs * columns * 2 * (num_rows + 1);
}

// out[i, n] = scale * dot(x[rows[i]], weight[n]) for 0 <= i < num_rows and the outputs n of block `block`.
// rows == nullptr means rows[i] = i. `weight` is one matrix [N, K]; out [num_rows, N].
void matmul_block(ConstMatrix x, const int32_t* rows, int64_t num_rows, const Tensor& weight, float scale,
                  int64_t block, Matrix out);

using MatmulBlock = decltype(&matmul_block);

// Returns matmul_block or, where activations need not be exact, a function that uses fused multiply-adds and sums in
// another order. With both, a row's results do not depend on the other rows.
MatmulBlock matmul_block_for(const Context& context);

}  // namespace gesso::cpu

// Products of float32 rows with fused multiply-adds. They are used where results need not be equal on all machines. A
// row's results have the same bits whatever other rows are multiplied with it.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace gesso::cpu {

constexpr int64_t kFusedOutputs = 16;

// 16 decoded rows of a weight: weight[n, k] = values[k, n]. At the weight's end there may be fewer.
struct FusedTile {
  int64_t columns = 0;            // K
  int64_t num_outputs = 0;        // how many rows there are, 1 to 16; the values of the others are arbitrary
  const float* values = nullptr;  // [K, 16], 64-byte aligned
};

// out[i, n] = scale * dot(x[rows[i]], weight[n]) for 0 <= i < num_rows and the tile's rows n. rows == nullptr means
// rows[i] = i.
using FusedMultiply = void (*)(const FusedTile& tile, ConstMatrix x, const int32_t* rows, int64_t num_rows, float scale,
                               Matrix out);

// Returns the fastest kernel that this machine runs, or null if it has no fused multiply-add.
FusedMultiply fused_multiply();

// The kernel of one instruction set; null where the machine or the compiler does not have the set.
FusedMultiply fused_multiply_avx512();
FusedMultiply fused_multiply_avx2();
FusedMultiply fused_multiply_neon();

}  // namespace gesso::cpu

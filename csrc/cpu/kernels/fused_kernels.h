// Products of float32 rows with fused multiply-adds, where nobody asks for sums that are equal on every machine. The
// same bits for a row whatever other rows there are.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace gesso::cpu {

constexpr int64_t kFusedOutputs = 16;

// Decoded weight rows: values[k, n].
struct FusedTile {
  int64_t columns = 0;            // K
  int64_t num_outputs = 0;        // rows that are there, at most kFusedOutputs; the others' values are anything
  const float* values = nullptr;  // [K, 16], 64-byte aligned
};

// out[i, n] = scale * dot(x[rows[i]], tile[n]) for 0 <= i < num_rows and the tile's outputs n. rows == nullptr means
// rows[i] = i.
using FusedMultiply = void (*)(const FusedTile& tile, ConstMatrix x, const int32_t* rows, int64_t num_rows, float scale,
                               Matrix out);

// The fastest that this machine runs; null if it has no fused multiply-add.
FusedMultiply fused_multiply();

// By instruction set, null where the machine, or the compiler, lacks it.
FusedMultiply fused_multiply_avx512();
FusedMultiply fused_multiply_avx2();
FusedMultiply fused_multiply_neon();

}  // namespace gesso::cpu

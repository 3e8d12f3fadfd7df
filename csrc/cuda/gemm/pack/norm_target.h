// Norms of rows, rounded for products at once where the op's Rounding asks for it.
#pragma once

#include <span>

#include "core/context.h"
#include "core/tensor.h"
#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/fast_math.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/pack/store_packed.h"
#include "ops/rms_norm.h"

namespace gesso::cuda {

// out = x * inverse_rms * weight * scale, as float32 that is rounded again for products. Absent weights are 1.
struct NormTarget {
  QuadRows<const float> weight{ConstMatrix()};  // one row
  QuadRows<float> out{Matrix()};
  PackedTarget packed;
  float scale = 1.0f;
  int32_t keeps_values = 1;  // 0 where all products of the rows read packed ones: nothing is written to `out`

  // All lanes of the warp call it, see store_packed.
  __device__ void store(int64_t row, int64_t column, const Quad& x, float inverse_rms) const {
    const Quad weights = weight.data ? weight.load(0, column) : Quad{{1, 1, 1, 1}};
    Quad normed;
#pragma unroll
    for (int i = 0; i < 4; ++i) normed.v[i] = rounded_product(x.v[i] * inverse_rms * weights.v[i], scale);
    if (keeps_values) out.store(row, column, normed);
    if (packed.values) store_packed(packed, row, column, normed);
  }
};

// All that a kernel makes of the same rows.
struct NormTargets {
  NormTarget target[ops::kMaxNormedRows];
  int64_t count = 0;  // of 64 bits, so that no padding follows

  __device__ void store(int64_t row, int64_t column, const Quad& x, float inverse_rms) const {
#pragma unroll
    for (int i = 0; i < ops::kMaxNormedRows; ++i) {
      if (i < count) target[i].store(row, column, x, inverse_rms);
    }
  }
};

inline QuadRows<const float> one_row(const Tensor& weight, int64_t columns) {
  return QuadRows(ConstMatrix(weight.f32(), 1, columns));
}

// A thread's share of the sum of a row's squares, for inverse_rms.
__device__ inline void add_squares(const Quad& values, float& sum) {
#pragma unroll
  for (float value : values.v) sum += value * value;
}

// (mean(x^2) + eps)^-1/2 of a row, from the threads' shares of the sum. All threads of the block call it. `scratch` is
// kReduceScratch floats of shared memory.
__device__ inline float inverse_rms(float share, int64_t columns, float eps, float* scratch) {
  return 1.0f / sqrtf(block_sum(share, scratch) / static_cast<float>(columns) + eps);
}

// Takes the memory of packed rows from the queue.
NormTargets norm_targets(const Context& context, std::span<const ops::NormedRows> rows);
// Packs rows of 4-bit floats, behind the kernel that has written the targets as float32.
void pack_remaining(const Context& context, std::span<const ops::NormedRows> rows);

}  // namespace gesso::cuda

// Norms of rows, rounded for products at once where the op's Rounding asks for it.
#pragma once

#include <span>

#include "core/context.h"
#include "core/tensor.h"
#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/fast_math.h"
#include "cuda/device/kernel.h"
#include "cuda/gemm/pack/half_rows.h"
#include "cuda/gemm/pack/store_packed.h"
#include "ops/rms_norm.h"

namespace gesso::cuda {

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

// out = x * inverse_rms * weight * scale, as float32 that is rounded again for products. Absent weights are 1.
struct NormTarget {
  QuadRows<const float> weight{ConstMatrix()};  // one row
  QuadRows<float> out{Matrix()};
  PackedTarget packed;
  float scale = 1.0f;
  int32_t keeps_values = 1;  // 0 where all products of the rows read packed ones: nothing is written to `out`

  __host__ __device__ bool is_half() const { return is_f16(static_cast<RowType>(packed.type)); }

  __device__ Quad normed(int64_t column, const Quad& x, float inverse_rms) const {
    const Quad weights = weight.data ? weight.load(0, column) : Quad{{1, 1, 1, 1}};
    Quad normed;
#pragma unroll
    for (int i = 0; i < 4; ++i) normed.v[i] = rounded_product(x.v[i] * inverse_rms * weights.v[i], scale);
    return normed;
  }

  // How a row is rounded to half precision. It is one more walk over the row, so that the scale is that of the rounded
  // float32. All threads of the block call it. `scratch` is kReduceScratch floats of shared memory.
  template <typename T>
  __device__ HalfRounding half_rounding(const QuadRows<T>& x, int64_t row, float inverse_rms, float* scratch) const {
    uint32_t largest = 0;
    for (int64_t column = first_column(); column < x.columns; column += column_step()) {
      largest = largest_bits(normed(column, x.load(row, column), inverse_rms), largest);
    }
    const HalfRounding rounding(block_max(largest, reinterpret_cast<uint32_t*>(scratch)));
    if (threadIdx.x == 0) packed.row_scales[row] = rounding.scale;
    return rounding;
  }

  // All lanes of the warp call it, see store_packed. `half` counts where is_half().
  __device__ void store(int64_t row, int64_t column, const Quad& x, float inverse_rms, const HalfRounding& half) const {
    const Quad values = normed(column, x, inverse_rms);
    if (keeps_values) out.store(row, column, values);
    if (!packed.values) return;
    if (!is_half()) return store_packed(packed, row, column, values);
    if (column < packed.num_steps * kStepColumns) half.store(packed, row, column, values);
  }
};

// All that a kernel makes of the same rows.
struct NormTargets {
  NormTarget target[ops::kMaxNormedRows];
  int32_t count = 0;
  int32_t half = -1;  // the one of half precision, if any

  // Makes all of a row of x. All threads of the block call it, each with the columns of x that it has written, and with
  // its share of the sum of their squares. `scratch` is kReduceScratch floats of shared memory.
  template <typename T>
  __device__ void make(const QuadRows<T>& x, int64_t row, float squares, float eps, float* scratch) const {
    if (count == 0) return;
    const float factor = inverse_rms(squares, x.columns, eps, scratch);
    const HalfRounding rounding = half < 0 ? HalfRounding() : target[half].half_rounding(x, row, factor, scratch);
    for (int64_t column = first_column(); is_warp_inside(column, x.columns); column += column_step()) {
      const Quad values = x.load(row, column);
#pragma unroll
      for (int i = 0; i < ops::kMaxNormedRows; ++i) {
        if (i < count) target[i].store(row, column, values, factor, rounding);
      }
    }
  }
};

inline QuadRows<const float> one_row(const Tensor& weight, int64_t columns) {
  return QuadRows(ConstMatrix(weight.f32(), 1, columns));
}

// Takes the memory of packed rows from the queue.
NormTargets norm_targets(const Context& context, std::span<const ops::NormedRows> rows);
// Packs the rows that the kernel before could only write as float32: those of 4-bit floats, and a second target of half
// precision.
void pack_remaining(const Context& context, std::span<const ops::NormedRows> rows, const NormTargets& targets);

}  // namespace gesso::cuda

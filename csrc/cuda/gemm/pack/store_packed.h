// Rounds rows for products, four neighbouring columns of a row at a time. Kernels that make rows do it as they go.
#pragma once

#include <bit>

#include "cuda/block/quad_rows.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/gemm/gemm.h"

namespace gesso::cuda {

constexpr uint32_t kInfinityBits = 0x7f800000u, kNaNBits = 0x7fc00000u;

// A block of 32 columns of int8 belongs to 8 neighbouring lanes.
constexpr int kBlockLanes = 8;
// 2^-120. A block whose largest magnitude is smaller counts as zeros, because 127 divided by it might be an infinity.
constexpr uint32_t kSmallestBits = 0x03800000u;

// The largest magnitude of a block, as bits. As bits an infinity is larger than all numbers, and NaN is larger still.
__device__ inline uint32_t block_magnitude(const Quad& quad) {
  uint32_t largest = 0;
#pragma unroll
  for (float value : quad.v) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
#pragma unroll
  for (int mask = 1; mask < kBlockLanes; mask *= 2) {
    const uint32_t other = shuffle_xor(largest, mask);
    largest = other > largest ? other : largest;
  }
  return largest;
}

__device__ inline void store_packed_bf16(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) {
  const uint2 high = make_uint2(pack_bf16(quad.v[0], quad.v[1]), pack_bf16(quad.v[2], quad.v[3]));
  std::byte* values = target.values + row * target.row_bytes;
  if (target.type == static_cast<int32_t>(RowType::kBF16)) {
    *reinterpret_cast<uint2*>(values + 2 * column) = high;
    return;
  }
  const uint2 low = make_uint2(pack_bf16(quad.v[0] - bf16_low(high.x), quad.v[1] - bf16_high(high.x)),
                               pack_bf16(quad.v[2] - bf16_low(high.y), quad.v[3] - bf16_high(high.y)));
  constexpr int kStepBytes = 2 * kStepColumns;
  std::byte* first = values + column / kStepColumns * (3 * kStepBytes) + column % kStepColumns * 2;
  *reinterpret_cast<uint2*>(first) = high;
  *reinterpret_cast<uint2*>(first + kStepBytes) = low;
  *reinterpret_cast<uint2*>(first + 2 * kStepBytes) = high;
}

__device__ inline void store_packed_int8(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) {
  const uint32_t magnitude = block_magnitude(quad);
  const bool is_finite = magnitude < kInfinityBits;
  const bool has_values = is_finite && magnitude >= kSmallestBits;
  const float largest = has_values ? std::bit_cast<float>(magnitude) : 1.0f;
  // A block with a NaN or an infinity becomes NaN as a whole.
  const float scale = has_values ? largest / 127.0f : is_finite ? 0.0f : std::bit_cast<float>(kNaNBits);
  const float per_scale = 127.0f / largest;
  uint32_t packed = 0;
  int32_t sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // A float plus 1.5 * 2^23 has no bits for fractions, so the sum is rounded to the nearest integer. With this scale
    // the integer is at most 127.
    const float rounded = (has_values ? quad.v[i] * per_scale : 0.0f) + 0x1.8p23f;
    const int32_t integer = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(0x1.8p23f);
    packed |= (static_cast<uint32_t>(integer) & 0xff) << 8 * i;
    sum += integer;
  }
#pragma unroll
  for (int mask = 1; mask < kBlockLanes; mask *= 2) sum += shuffle_xor(sum, mask);
  if (column >= target.num_steps * kStepColumns) return;
  *reinterpret_cast<uint32_t*>(target.values + row * target.row_bytes + column) = packed;
  if (lane_index() % kBlockLanes != 0) return;
  StepScales& step = target.scales[row * target.num_steps + column / kStepColumns];
  const int64_t block = column / 32 % 2;
  step.scale[block] = scale;
  step.sum[block] = scale * static_cast<float>(sum);
}

// Rounds and stores four columns. All lanes of the warp call it. 8 neighbouring lanes, the first of which has a number
// divisible by 8, hold 32 neighbouring columns of one row. Columns behind the last step are not stored; columns behind
// the last one must be 0.
__device__ inline void store_packed(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) {
  if (target.type == static_cast<int32_t>(RowType::kInt8)) {
    store_packed_int8(target, row, column, quad);
  } else if (column < target.num_steps * kStepColumns) {
    store_packed_bf16(target, row, column, quad);
  }
}

}  // namespace gesso::cuda

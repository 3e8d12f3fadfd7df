// Rounds rows for products, four neighbouring columns of a row at a time. Kernels that make rows do it as they go.
#pragma once

#include <bit>

#include "cuda/block/quad_rows.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/gemm/gemm.h"
#include "cuda/gemm/pack/magnitude.h"

namespace gesso::cuda {

// 2^-120. A block whose largest magnitude is smaller counts as zeros, because 127 divided by it might be an infinity.
constexpr uint32_t kSmallestBits = 0x03800000u;

// How a block of 32 columns is rounded to int8, given its largest magnitude. A block with a NaN or an infinity becomes
// NaN as a whole.
struct Int8Rounding {
  bool has_values;
  float scale, per_scale;

  __device__ explicit Int8Rounding(uint32_t magnitude) {
    const bool is_finite = magnitude < kInfinityBits;
    has_values = is_finite && magnitude >= kSmallestBits;
    const float largest = has_values ? std::bit_cast<float>(magnitude) : 1.0f;
    scale = has_values ? largest / 127.0f : is_finite ? 0.0f : std::bit_cast<float>(kNaNBits);
    per_scale = 127.0f / largest;
  }

  // A float plus 1.5 * 2^23 has no bits for fractions, so the sum is rounded to the nearest integer. With this scale
  // the integer is at most 127.
  __device__ int32_t round(float value) const {
    const float rounded = (has_values ? value * per_scale : 0.0f) + 0x1.8p23f;
    return std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(0x1.8p23f);
  }

  // Writes the scales of the block, given the sum of its integers.
  __device__ void store(const PackedTarget& target, int64_t row, int64_t column, int32_t sum) const {
    StepScales& step = target.scales[row * target.num_steps + column / kStepColumns];
    step.units[column / 32 % 2] = {scale, scale * static_cast<float>(sum)};
  }
};

// Sums and maxima over kLanes neighbouring lanes, the first of which has a number divisible by kLanes.
template <int kLanes, typename T>
__device__ inline T lanes_max(T value) {
#pragma unroll
  for (int mask = 1; mask < kLanes; mask *= 2) {
    const T other = shuffle_xor(value, mask);
    value = other > value ? other : value;
  }
  return value;
}
template <int kLanes, typename T>
__device__ inline T lanes_sum(T value) {
#pragma unroll
  for (int mask = 1; mask < kLanes; mask *= 2) value += shuffle_xor(value, mask);
  return value;
}

// Neighbouring columns of bf16 or split bf16: two in each word.
template <int kWords>
__device__ inline void store_words(const PackedTarget& target, int64_t row, int64_t column,
                                   const float (&values)[2 * kWords]) {
  uint32_t high[kWords], low[kWords];
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    high[i] = pack_bf16(values[2 * i], values[2 * i + 1]);
    low[i] = pack_bf16(values[2 * i] - bf16_low(high[i]), values[2 * i + 1] - bf16_high(high[i]));
  }
  struct alignas(4 * kWords) Words {
    uint32_t word[kWords];
  };
  const auto put = [](std::byte* where, const uint32_t(&words)[kWords]) {
    Words all;
#pragma unroll
    for (int i = 0; i < kWords; ++i) all.word[i] = words[i];
    *reinterpret_cast<Words*>(where) = all;
  };
  std::byte* of_row = target.values + row * target.row_bytes;
  if (target.type == static_cast<int32_t>(RowType::kBF16)) return put(of_row + 2 * column, high);
  constexpr int kStepBytes = 2 * kStepColumns;
  std::byte* first = of_row + column / kStepColumns * (3 * kStepBytes) + column % kStepColumns * 2;
  put(first, high);
  put(first + kStepBytes, low);
  put(first + 2 * kStepBytes, high);
}

__device__ inline void store_packed_int8(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) {
  constexpr int kBlockLanes = 8;
  const Int8Rounding rounding(lanes_max<kBlockLanes>(largest_bits(quad)));
  uint32_t packed = 0;
  int32_t sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int32_t integer = rounding.round(quad.v[i]);
    packed |= (static_cast<uint32_t>(integer) & 0xff) << 8 * i;
    sum += integer;
  }
  sum = lanes_sum<kBlockLanes>(sum);
  if (column >= target.num_steps * kStepColumns) return;
  *reinterpret_cast<uint32_t*>(target.values + row * target.row_bytes + column) = packed;
  if (lane_index() % kBlockLanes == 0) rounding.store(target, row, column, sum);
}

// Rounds and stores four columns. All lanes of the warp call it. 8 neighbouring lanes, the first of which has a number
// divisible by 8, hold 32 neighbouring columns of one row. Columns behind the last step are not stored; columns behind
// the last one must be 0.
__device__ inline void store_packed(const PackedTarget& target, int64_t row, int64_t column, const Quad& quad) {
  if (target.type == static_cast<int32_t>(RowType::kInt8)) {
    store_packed_int8(target, row, column, quad);
  } else if (column < target.num_steps * kStepColumns) {
    store_words<2>(target, row, column, quad.v);
  }
}

// The same for a part of the sums of matrix instructions (device/mma.h): 32 columns of a row, from `column` on, belong
// to 4 neighbouring lanes. values[j] are the columns 8 j + 2 t and 8 j + 2 t + 1, with t = lane % 4. All lanes of the
// warp call it. Where `is_there` is false, nothing is stored.
__device__ inline void store_packed_fragments(const PackedTarget& target, int64_t row, int64_t column,
                                              const float (&values)[4][2], bool is_there) {
  const int64_t of_lane = column + lane_index() % 4 * 2;
  if (target.type != static_cast<int32_t>(RowType::kInt8)) {
    if (!is_there) return;
#pragma unroll
    for (int j = 0; j < 4; ++j) store_words<1>(target, row, of_lane + 8 * j, values[j]);
    return;
  }
  uint32_t magnitude = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const uint32_t other = magnitude_bits(values[i / 2][i % 2]);
    magnitude = other > magnitude ? other : magnitude;
  }
  const Int8Rounding rounding(lanes_max<4>(magnitude));
  uint16_t packed[4];
  int32_t sum = 0;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int32_t first = rounding.round(values[j][0]), second = rounding.round(values[j][1]);
    packed[j] = static_cast<uint16_t>((first & 0xff) | (second & 0xff) << 8);
    sum += first + second;
  }
  sum = lanes_sum<4>(sum);
  if (!is_there) return;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    *reinterpret_cast<uint16_t*>(target.values + row * target.row_bytes + of_lane + 8 * j) = packed[j];
  }
  if (lane_index() % 4 == 0) rounding.store(target, row, column, sum);
}

}  // namespace gesso::cuda

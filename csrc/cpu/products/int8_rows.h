// Rows of float32 values that are rounded to 8-bit integers, for products with stored integers.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"
#include "quant/integers.h"

namespace gesso::cpu {

// How many columns of a row share a scale. The last block of a row may have 32 columns.
constexpr int kInt8Block = 64;

inline int64_t num_int8_blocks(int64_t columns) { return (columns + kInt8Block - 1) / kInt8Block; }

// x[r, k] is about scales[r, k / 64] * values[r, k]. The scale is the block's largest |x| divided by 127, and the
// values are x / scale, rounded to nearest. For example, in a block whose largest |x| is 2.54 the scale is 0.02, and 1
// becomes 50.
struct Int8Rows {
  int64_t rows = 0;
  int64_t columns = 0;     // K, a multiple of 32
  int64_t num_groups = 0;  // K / 16 or K / 32: how many groups of the weight's columns have a scale
  const int8_t* values = nullptr;
  const float* scales = nullptr;

  // Both are [rows, num_groups] and come from the sum of a group's values. sum((level - offset) * value) equals
  // sum(level * value) - offset * sum(value), and the kernels compute the first of these two sums.
  const int32_t* offsets = nullptr;  // -offset * sum(value)
  const float* sums = nullptr;       // sum(value), which a weight's minimum is multiplied with; null without minimums

  const int8_t* values_of(int64_t row) const { return values + row * columns; }
  const float* scales_of(int64_t row) const { return scales + row * num_int8_blocks(columns); }
  const int32_t* offsets_of(int64_t row) const { return offsets + row * num_groups; }
  const float* sums_of(int64_t row) const { return sums ? sums + row * num_groups : nullptr; }
  Int8Rows rows_from(int64_t first) const {
    Int8Rows rest = *this;
    rest.rows -= first;
    rest.values = values_of(first);
    rest.scales = scales_of(first);
    rest.offsets = offsets_of(first);
    rest.sums = sums_of(first);
    return rest;
  }
};

// Rounds the rows of x for products with a weight of this kind. The result is in memory of the calling thread, valid
// until its next call. A block with a NaN or an infinity gets a scale that is NaN or infinite.
Int8Rows pack_int8(const Context& context, ConstMatrix x, const quant::Integers& integers);

}  // namespace gesso::cpu

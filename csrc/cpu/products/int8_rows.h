// Rows rounded to 8-bit integers, as products with stored integers take them.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/tensor.h"
#include "quant/integers.h"

namespace gesso::cpu {

// Columns that share a scale. The last block of a row may be half a one.
constexpr int kInt8Block = 64;

inline int64_t num_int8_blocks(int64_t columns) { return (columns + kInt8Block - 1) / kInt8Block; }

// x[r, k] = scales[r, k / 64] * values[r, k] with |values| <= 127, rounded to nearest, scale max |x| / 127 of the
// block.
struct Int8Rows {
  int64_t rows = 0;
  int64_t columns = 0;     // K, a multiple of 32
  int64_t num_groups = 0;  // of the weight's elements that share a scale: K / 16 or K / 32
  const int8_t* values = nullptr;
  const float* scales = nullptr;

  // What the levels' offset or the weight's minimum is multiplied with, [rows, num_groups]: -offset * sum of the
  // group's values; or, for weights with a minimum, that sum as it is.
  const int32_t* offsets = nullptr;
  const float* sums = nullptr;  // null without minimum

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

// For a weight of this kind. In memory of the calling thread, until its next call. Rows that hold no finite number
// become zeros and NaNs.
Int8Rows pack_int8(const Context& context, ConstMatrix x, const quant::Integers& integers);

}  // namespace gesso::cpu

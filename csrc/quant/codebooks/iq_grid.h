// The IQ1, IQ2 and IQ3 formats store 4 or 8 elements in a row as the number of a point in a fixed grid. This header has
// what these formats share.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "quant/signs.h"

namespace gesso::quant {

template <size_t kSize>
using GridPoint = std::array<int8_t, kSize>;  // the coordinates, one for each element

// Unpacks the points of iq*_grid_codes.h. A point is kSize codes; a code is an index into `values` and has as few bits
// as that needs: 2 bits for 3 values. The function runs at compile time only, so the table is in read-only memory.
template <size_t kSize, size_t kNumPoints, size_t kNumValues>
consteval std::array<GridPoint<kSize>, kNumPoints> unpack_grid(const uint16_t (&codes)[kNumPoints],
                                                               const int8_t (&values)[kNumValues]) {
  constexpr int kBits = std::bit_width(kNumValues - 1);
  std::array<GridPoint<kSize>, kNumPoints> points{};
  for (size_t i = 0; i < kNumPoints; ++i) {
    for (size_t j = 0; j < kSize; ++j) points[i][j] = values[codes[i] >> kBits * j & ((1 << kBits) - 1)];
  }
  return points;
}

// Unpacks eight signs that are stored in 7 bits. The number of minus signs is always even, so the eighth sign follows
// from the others. In the result, element j is negative where bit j is set.
GESSO_DEVICE inline uint32_t unpack_even_signs(uint32_t signs) { return signs | (std::popcount(signs) & 1u) << 7; }

// out[j] = scale * point[j], negated where bit j of `signs` is set.
template <size_t kSize>
GESSO_DEVICE inline void decode_point(const GridPoint<kSize>& point, uint32_t signs, float scale,
                                      float* __restrict out) {
  for (int j = 0; j < static_cast<int>(kSize); ++j) {
    out[j] = negate_where(signs, j, scale * static_cast<float>(point[j]));
  }
}

}  // namespace gesso::quant

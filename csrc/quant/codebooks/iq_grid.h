// What the IQ1, IQ2 and IQ3 formats share: runs of 4 or 8 elements are stored as the number of a point in a fixed grid.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "quant/signs.h"

namespace gesso::quant {

template <size_t kSize>
using GridPoint = std::array<int8_t, kSize>;  // its coordinates, one per element

// The points that iq*_grid_codes.h packs: kSize codes each, in as few bits as their number of `values` needs. Compile
// time only, so that decoding finds a table in read-only memory.
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

// Eight signs stored in 7 bits: the number of minus signs is even, so the eighth follows. Bit j set: element j is
// negative.
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

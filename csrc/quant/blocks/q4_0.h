// Q4_0: 32 elements of 4 bits with one scale:  x[j] = d * (q[j] - 8)
//
//   byte 0      2                                                     18
//        | f16 d | qs[0] = q[16] << 4 | q[0]  ...  qs[15] = q[31] << 4 | q[15] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ4_0 {
  static constexpr DType kDType = DType::kQ4_0;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 8, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t d[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18 && alignof(BlockQ4_0) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ4_0& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  // The low halves of the bytes and the high ones have a loop each, because compilers vectorise these, but not one loop
  // for both.
  for (int j = 0; j < 16; ++j) out[j] = d * static_cast<float>((block.qs[j] & 15) - 8);
  for (int j = 0; j < 16; ++j) out[j + 16] = d * static_cast<float>((block.qs[j] >> 4) - 8);
}

inline void unpack_levels(const BlockQ4_0& block, uint8_t* __restrict levels) {
  store(split_nibbles(block.qs), levels);
}

inline void unpack_scales(const BlockQ4_0&, float d, float, float* __restrict scales, float*) { scales[0] = d; }

void encode_block(const float* x, const float* importance, BlockQ4_0& block);

}  // namespace gesso::quant

// Q4_1: 32 elements of 4 bits with one scale and one minimum:  x[j] = d * q[j] + m
//
//   byte 0      2       4                                                     20
//        | f16 d | f16 m | qs[0] = q[16] << 4 | q[0]  ...  qs[15] = q[31] << 4 | q[15] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ4_1 {
  static constexpr DType kDType = DType::kQ4_1;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 0, kNumHalves = 2;
  static constexpr bool kHasMin = true;

  uint8_t d[2];
  uint8_t m[2];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20 && alignof(BlockQ4_1) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ4_1& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const float m = half_to_float(load_u16(block.m));
  for (int j = 0; j < 16; ++j) out[j] = d * static_cast<float>(block.qs[j] & 15) + m;
  for (int j = 0; j < 16; ++j) out[j + 16] = d * static_cast<float>(block.qs[j] >> 4) + m;
}

inline void unpack_levels(const BlockQ4_1& block, uint8_t* __restrict levels) {
  store(split_nibbles(block.qs), levels);
}

inline void unpack_scales(const BlockQ4_1&, float d, float m, float* __restrict scales, float* mins) {
  scales[0] = d;
  mins[0] = -m;
}

void encode_block(const float* x, const float* importance, BlockQ4_1& block);

}  // namespace gesso::quant

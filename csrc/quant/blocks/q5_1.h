// Q5_1: 32 elements of 5 bits with one scale and one minimum:  x[j] = d * q[j] + m
//
//   byte 0      2       4           8                                                                    24
//        | f16 d | f16 m | u32 qh    | qs[0] = (q[16] & 15) << 4 | (q[0] & 15)  ...  qs[15] = ... q[31], q[15] |
//
//   qh: bit j is bit 4 of q[j].
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/blocks/q5_0.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ5_1 {
  static constexpr DType kDType = DType::kQ5_1;
  static constexpr int kNumElements = 32;
  static constexpr int kGroup = 32, kOffset = 0, kNumHalves = 2;
  static constexpr bool kHasMin = true;

  uint8_t d[2];
  uint8_t m[2];
  uint8_t qh[4];
  uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24 && alignof(BlockQ5_1) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ5_1& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const float m = half_to_float(load_u16(block.m));
  const uint32_t qh = load_u32(block.qh);
  for (int j = 0; j < 16; ++j) out[j] = d * static_cast<float>((block.qs[j] & 15) | bit_4(qh, j)) + m;
  for (int j = 0; j < 16; ++j) out[j + 16] = d * static_cast<float>((block.qs[j] >> 4) | bit_4(qh >> 16, j)) + m;
}

inline void unpack_levels(const BlockQ5_1& block, uint8_t* __restrict levels) {
  store(split_nibbles(block.qs) | (spread_bits(load_u32(block.qh)) & 16), levels);
}

inline void unpack_scales(const BlockQ5_1&, float d, float m, float* __restrict scales, float* mins) {
  scales[0] = d;
  mins[0] = -m;
}

void encode_block(const float* x, const float* importance, BlockQ5_1& block);

}  // namespace gesso::quant

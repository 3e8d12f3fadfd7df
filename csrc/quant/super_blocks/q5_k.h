// Q5_K: 256 elements of 5 bits in 8 sub-blocks of 32, each with a 6-bit scale and a 6-bit minimum:
//   x[j] = (d * scale) * q[j] - (dmin * minimum)
//
//   byte 0      2         4               16          48          176
//        | f16 d | f16 dmin | u8 scales[12] | u8 qh[32] | u8 qs[128] |
//
//   scales and qs (the 4 low bits): as in Q4_K.
//   qh: byte l holds bit 4 of q[32k + l] in bit k, k = 0..7.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"
#include "quant/super_blocks/q4_k.h"

namespace gesso::quant {

struct BlockQ5_K {
  static constexpr DType kDType = DType::kQ5_K;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 32, kOffset = 0, kNumHalves = 2;
  static constexpr bool kHasMin = true;

  uint8_t d[2];
  uint8_t dmin[2];
  uint8_t scales[12];
  uint8_t qh[32];
  uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176 && alignof(BlockQ5_K) == 1);

GESSO_DEVICE inline void decode_block(const BlockQ5_K& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const float dmin = half_to_float(load_u16(block.dmin));
  for (int j = 0; j < 8; ++j) {
    const ScaleAndMin packed = unpack_scale_and_min(block.scales, j);
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    const uint8_t* qs = block.qs + 32 * (j / 2);
    const int shift = 4 * (j % 2);
    for (int l = 0; l < 32; ++l) {
      const int q = ((qs[l] >> shift) & 15) | ((block.qh[l] >> j) & 1) << 4;
      out[32 * j + l] = scale * static_cast<float>(q) - min;
    }
  }
}

inline void unpack_levels(const BlockQ5_K& block, uint8_t* __restrict levels) {
  const Bytes32 qh = load_32(block.qh);
  for (int j = 0; j < 8; ++j) {
    const Bytes32 low = (load_32(block.qs + 32 * (j / 2)) >> 4 * (j % 2)) & 15;
    store(low | (shift(qh, 4 - j) & 16), levels + 32 * j);
  }
}

inline void unpack_scales(const BlockQ5_K& block, float d, float dmin, float* __restrict scales, float* mins) {
  unpack_scales_and_mins(block.scales, d, dmin, scales, mins);
}

void encode_block(const float* x, const float* importance, BlockQ5_K& block);

}  // namespace gesso::quant

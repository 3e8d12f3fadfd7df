// Q2_K: 256 elements of 2 bits in 16 sub-blocks of 16, each with a 4-bit scale and a 4-bit minimum:
//   x[j] = (d * scale) * q[j] - (dmin * minimum)
//
//   byte 0                                    16          80      82         84
//        | scales[j] = minimum << 4 | scale ... | u8 qs[64] | f16 d | f16 dmin |
//
//   qs: two chunks of 32 bytes; byte l of chunk c holds q[128c + 32k + l] in bits 2k and 2k + 1, k = 0..3.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockQ2_K {
  static constexpr DType kDType = DType::kQ2_K;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 16, kOffset = 0, kNumHalves = 2;
  static constexpr bool kHasMin = true;

  uint8_t scales[16];
  uint8_t qs[64];
  uint8_t d[2];
  uint8_t dmin[2];
};
static_assert(sizeof(BlockQ2_K) == 84 && alignof(BlockQ2_K) == 1);

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockQ2_K& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const float dmin = half_to_float(load_u16(block.dmin));
  for (int j = 2 * part; j < 2 * part + 2; ++j) {
    const float scale = d * static_cast<float>(block.scales[j] & 15);
    const float min = dmin * static_cast<float>(block.scales[j] >> 4);
    const uint8_t* qs = block.qs + 32 * (j / 8) + 16 * (j % 2);
    const int shift = j / 2 % 4 * 2;
    for (int l = 0; l < 16; ++l) out[16 * (j % 2) + l] = scale * static_cast<float>((qs[l] >> shift) & 3) - min;
  }
}

GESSO_DEVICE inline void decode_block(const BlockQ2_K& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

inline void unpack_levels(const BlockQ2_K& block, uint8_t* __restrict levels) {
  for (int part = 0; part < 8; ++part) {
    store((load_32(block.qs + 32 * (part / 4)) >> 2 * (part % 4)) & 3, levels + 32 * part);
  }
}

inline void unpack_scales(const BlockQ2_K& block, float d, float dmin, float* __restrict scales, float* mins) {
  scale_bytes(load_16(block.scales) & 15, 0, d, scales);
  scale_bytes(load_16(block.scales) >> 4, 0, dmin, mins);
}

void encode_block(const float* x, const float* importance, BlockQ2_K& block);

}  // namespace gesso::quant

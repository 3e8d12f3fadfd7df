// IQ4_XS: 256 elements of 4 bits in 8 sub-blocks of 32 with the values of IQ4_NL, each with a 6-bit scale:
//   x[j] = (d * (scale - 32)) * kIq4Values[q[j]]
//
//   byte 0      2              4                8            136
//        | f16 d | u16 scales_h | u8 scales_l[4] | u8 qs[128] |
//
//   scales: sub-block j has its 4 low bits in nibble j of scales_l (low nibble first), its 2 high bits in bits 2j
//       and 2j + 1 of scales_h.
//   qs: 16 bytes for each sub-block, laid out as in IQ4_NL.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/blocks/iq4_nl.h"
#include "quant/byte_vectors.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ4_XS {
  static constexpr DType kDType = DType::kIQ4_XS;
  static constexpr int kNumElements = 256;
  static constexpr int kGroup = 32, kOffset = 128, kNumHalves = 1;
  static constexpr bool kHasMin = false;

  uint8_t d[2];
  uint8_t scales_h[2];
  uint8_t scales_l[4];
  uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136 && alignof(BlockIQ4_XS) == 1);

GESSO_DEVICE inline void decode_block(const BlockIQ4_XS& block, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const int scales_h = load_u16(block.scales_h);
  for (int j = 0; j < 8; ++j) {
    const int low = (block.scales_l[j / 2] >> (j % 2 * 4)) & 15;
    const int high = (scales_h >> (2 * j)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* qs = block.qs + 16 * j;
    for (int l = 0; l < 16; ++l) out[32 * j + l] = scale * kIq4Values[qs[l] & 15];
    for (int l = 0; l < 16; ++l) out[32 * j + l + 16] = scale * kIq4Values[qs[l] >> 4];
  }
}

inline void unpack_levels(const BlockIQ4_XS& block, uint8_t* __restrict levels) {
  for (int j = 0; j < 8; ++j) levels_of_iq4(block.qs + 16 * j, levels + 32 * j);
}

inline void unpack_scales(const BlockIQ4_XS& block, float d, float, float* __restrict scales, float*) {
  const int scales_h = load_u16(block.scales_h);
  for (int j = 0; j < 8; ++j) {
    const int low = (block.scales_l[j / 2] >> (j % 2 * 4)) & 15;
    const int high = (scales_h >> (2 * j)) & 3;
    scales[j] = d * static_cast<float>((low | high << 4) - 32);
  }
}

void encode_block(const float* x, const float* importance, BlockIQ4_XS& block);

}  // namespace gesso::quant

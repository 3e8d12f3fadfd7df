// IQ1_M: 256 elements in 16 sub-blocks of 16. A sub-block has one 3-bit scale and two grid points, each with a shift of
// 0.125 up or down:
//   x[16s + 8g + j] = d * (2 * scale[s] + 1) * (point[2s + g][j] +- 0.125)
//
//   byte 0           32           48              56
//        | u8 qs[32] | u8 qh[16] | u16 scales[4] |
//
//   qs[g], qh: the number of point g in the grid. Its 8 low bits are qs[g]; its 3 high bits are in the low (g even) or
//              high (g odd) nibble of qh[g / 2]. The bit `minus` is 1 where 0.125 is subtracted.
//              bits 7             6 5 4          3        2 1 0
//     qh[i]      | minus[2i + 1] | high[2i + 1] | minus[2i] | high[2i] |
//   scales: each u16 has four scales and 4 bits of the f16 d, whose lowest bits are in scales[0].
//              bits 15 .. 12         11 .. 9         8 .. 6          5 .. 3          2 .. 0
//     scales[i]  | d >> 4i & 15 | scale[4i + 3] | scale[4i + 2] | scale[4i + 1] | scale[4i] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq1_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ1_M {
  static constexpr DType kDType = DType::kIQ1_M;
  static constexpr int kNumElements = 256;

  uint8_t qs[32];
  uint8_t qh[16];
  uint8_t scales[4][2];
};
static_assert(sizeof(BlockIQ1_M) == 56 && alignof(BlockIQ1_M) == 1);

// The scale of the whole block.
GESSO_DEVICE inline float unpack_d(const BlockIQ1_M& block) {
  uint32_t d = 0;
  for (int i = 0; i < 4; ++i) d |= uint32_t{load_u16(block.scales[i])} >> 12 << 4 * i;
  return half_to_float(static_cast<uint16_t>(d));
}

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ1_M& block, int part, float* __restrict out) {
  const float d = unpack_d(block);
  for (int g = 4 * part; g < 4 * part + 4; ++g) {
    const int s = g / 2;
    const float scale = d * static_cast<float>(2 * (load_u16(block.scales[s / 4]) >> s % 4 * 3 & 7) + 1);
    const int nibble = block.qh[s] >> g % 2 * 4 & 15;
    const int point = block.qs[g] | (nibble & 7) << 8;
    decode_iq1_point(point, scale, nibble & 8 ? -kIQ1Delta : kIQ1Delta, out + 8 * (g % 4));
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ1_M& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

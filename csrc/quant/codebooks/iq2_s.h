// IQ2_S: 256 elements in 16 sub-blocks of 16. A sub-block has two grid points, a sign for each element, and a 4-bit
// scale:
//   x[16s + 8g + j] = d * (scale[s] + 0.5) / 4 * point[2s + g][j] * sign[2s + g][j]
//
//   byte 0      2           34              66         74             82
//        | f16 d | u8 qs[32] | u8 signs[32] | u8 qh[8] | u8 scales[8] |
//
//   qs[g], qh: the number of point g in the grid. Its 8 low bits are qs[g], its 2 high bits are in qh[g / 4]:
//              bits 7 6     5 4     3 2     1 0
//     qh[i]      | 4i + 3 | 4i + 2 | 4i + 1 | 4i |
//   signs[g]: where bit j is set, element j of point g is negative.
//   scales[i]: scale[2i] in the low nibble, scale[2i + 1] in the high one.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq2_grid_codes.h"
#include "quant/codebooks/iq_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ2_S {
  static constexpr DType kDType = DType::kIQ2_S;
  static constexpr int kNumElements = 256;

  uint8_t d[2];
  uint8_t qs[32];
  uint8_t signs[32];
  uint8_t qh[8];
  uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82 && alignof(BlockIQ2_S) == 1);

GESSO_DEVICE_TABLE constexpr auto kIQ2_SGrid = unpack_grid<8>(kIQ2_SGridCodes, {8, 25, 43});

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ2_S& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int g = 4 * part; g < 4 * part + 4; ++g) {
    const int point = block.qs[g] | (block.qh[g / 4] >> g % 4 * 2 & 3) << 8;
    const float scale = d * (0.5f + static_cast<float>(block.scales[g / 4] >> g / 2 % 2 * 4 & 15)) * 0.25f;
    decode_point(kIQ2_SGrid[point], block.signs[g], scale, out + 8 * (g % 4));
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ2_S& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

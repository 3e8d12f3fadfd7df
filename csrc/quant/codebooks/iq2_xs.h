// IQ2_XS: 256 elements in 16 sub-blocks of 16. A sub-block has two grid points, a sign for each element, and a 4-bit
// scale:
//   x[16s + 8g + j] = d * (scale[s] + 0.5) / 4 * point[2s + g][j] * sign[2s + g][j]
//
//   byte 0      2             66              74
//        | f16 d | u16 qs[32] | u8 scales[8] |
//
//   qs[g]: the number of point g in the grid in bits 0 to 8, its signs in bits 9 to 15. For how 7 bits hold 8 signs,
//          see unpack_even_signs().
//   scales[i]: scale[2i] in the low nibble, scale[2i + 1] in the high one.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq2_grid_codes.h"
#include "quant/codebooks/iq_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ2_XS {
  static constexpr DType kDType = DType::kIQ2_XS;
  static constexpr int kNumElements = 256;

  uint8_t d[2];
  uint8_t qs[32][2];
  uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74 && alignof(BlockIQ2_XS) == 1);

GESSO_DEVICE_TABLE constexpr auto kIQ2_XSGrid = unpack_grid<8>(kIQ2_XSGridCodes, {8, 25, 43});

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ2_XS& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int g = 4 * part; g < 4 * part + 4; ++g) {
    const uint32_t packed = load_u16(block.qs[g]);
    const float scale = d * (0.5f + static_cast<float>(block.scales[g / 4] >> g / 2 % 2 * 4 & 15)) * 0.25f;
    decode_point(kIQ2_XSGrid[packed & 511], unpack_even_signs(packed >> 9), scale, out + 8 * (g % 4));
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ2_XS& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

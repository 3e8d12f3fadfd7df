// IQ3_XXS: 256 elements in 8 sub-blocks of 32. A sub-block has eight grid points of 4 elements, a sign for each
// element, and a 4-bit scale:
//   x[32s + 4g + j] = d * (scale[s] + 0.5) / 2 * point[8s + g][j] * sign[32s + 4g + j]
//
//   byte 0      2           66                       98
//        | f16 d | u8 qs[64] | u32 signs_and_scale[8] |
//
//   qs[g]: the number of point g in the grid.
//   signs_and_scale[s]: sign[i] has the signs of the sub-block's elements 8i to 8i + 7:
//     bits 31 .. 28   27 .. 21   20 .. 14   13 .. 7    6 .. 0
//         | scale   | sign[3]  | sign[2]  | sign[1]  | sign[0] |     7 bits for 8 signs, see unpack_even_signs()
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq3_grid_codes.h"
#include "quant/codebooks/iq_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ3_XXS {
  static constexpr DType kDType = DType::kIQ3_XXS;
  static constexpr int kNumElements = 256;

  uint8_t d[2];
  uint8_t qs[64];
  uint8_t signs_and_scale[8][4];
};
static_assert(sizeof(BlockIQ3_XXS) == 98 && alignof(BlockIQ3_XXS) == 1);

GESSO_DEVICE_TABLE constexpr auto kIQ3_XXSGrid = unpack_grid<4>(kIQ3_XXSGridCodes, {4, 12, 20, 28, 36, 44, 52, 62});

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ3_XXS& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const uint32_t packed = load_u32(block.signs_and_scale[part]);
  const float scale = d * (0.5f + static_cast<float>(packed >> 28)) * 0.5f;
  for (int i = 0; i < 4; ++i) {
    const uint32_t signs = unpack_even_signs(packed >> 7 * i & 127);
    const uint8_t* qs = block.qs + 8 * part + 2 * i;
    decode_point(kIQ3_XXSGrid[qs[0]], signs, scale, out + 8 * i);
    decode_point(kIQ3_XXSGrid[qs[1]], signs >> 4, scale, out + 8 * i + 4);
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ3_XXS& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

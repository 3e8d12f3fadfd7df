// IQ2_XXS: 256 elements in 8 sub-blocks of 32. A sub-block has four grid points, a sign for each element, and a 4-bit
// scale:
//   x[32s + 8g + j] = d * (scale[s] + 0.5) / 4 * point[4s + g][j] * sign[4s + g][j]
//
//   byte 0      2                             66
//        | f16 d | sub-block 0  ...  sub-block 7 |
//
//   sub-block: u8 point[4] has the numbers of the points in the grid. A u32 follows:
//     bits 31 .. 28   27 .. 21   20 .. 14   13 .. 7    6 .. 0
//         | scale   | sign[3]  | sign[2]  | sign[1]  | sign[0] |     7 bits for 8 signs, see unpack_even_signs()
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq2_grid_codes.h"
#include "quant/codebooks/iq_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ2_XXS {
  static constexpr DType kDType = DType::kIQ2_XXS;
  static constexpr int kNumElements = 256;

  struct SubBlock {
    uint8_t point[4];
    uint8_t signs_and_scale[4];
  };
  uint8_t d[2];
  SubBlock sub_blocks[8];
};
static_assert(sizeof(BlockIQ2_XXS) == 66 && alignof(BlockIQ2_XXS) == 1);

GESSO_DEVICE_TABLE constexpr auto kIQ2_XXSGrid = unpack_grid<8>(kIQ2_XXSGridCodes, {8, 25, 43});

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ2_XXS& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const BlockIQ2_XXS::SubBlock& sub_block = block.sub_blocks[part];
  const uint32_t packed = load_u32(sub_block.signs_and_scale);
  // All products are exact in float32, here and in the other IQ2 and IQ3 formats: they have at most 11 + 5 + 6 bits.
  const float scale = d * (0.5f + static_cast<float>(packed >> 28)) * 0.25f;
  for (int g = 0; g < 4; ++g) {
    const uint32_t signs = unpack_even_signs(packed >> 7 * g & 127);
    decode_point(kIQ2_XXSGrid[sub_block.point[g]], signs, scale, out + 8 * g);
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ2_XXS& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

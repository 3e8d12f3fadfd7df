// IQ3_S: 256 elements in 8 sub-blocks of 32. A sub-block has eight grid points of 4 elements, a sign for each element,
// and a 4-bit scale:
//   x[32s + 4g + j] = d * (2 * scale[s] + 1) * point[8s + g][j] * sign[32s + 4g + j]
//
//   byte 0      2           66         74             106            110
//        | f16 d | u8 qs[64] | u8 qh[8] | u8 signs[32] | u8 scales[4] |
//
//   qs[g], qh: the number of point g in the grid. Its 8 low bits are qs[g], its high bit is bit g % 8 of qh[g / 8].
//   signs[i]: where bit j is set, element 8i + j is negative.
//   scales[i]: scale[2i] in the low nibble, scale[2i + 1] in the high one.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq3_grid_codes.h"
#include "quant/codebooks/iq_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ3_S {
  static constexpr DType kDType = DType::kIQ3_S;
  static constexpr int kNumElements = 256;

  uint8_t d[2];
  uint8_t qs[64];
  uint8_t qh[8];
  uint8_t signs[32];
  uint8_t scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110 && alignof(BlockIQ3_S) == 1);

GESSO_DEVICE_TABLE constexpr auto kIQ3_SGrid = unpack_grid<4>(kIQ3_SGridCodes, {1, 3, 5, 7, 9, 11, 13, 15});

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ3_S& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  for (int g = 8 * part; g < 8 * part + 8; ++g) {
    const int point = block.qs[g] | (block.qh[g / 8] >> g % 8 & 1) << 8;
    const float scale = d * static_cast<float>(2 * (block.scales[g / 16] >> g / 8 % 2 * 4 & 15) + 1);
    decode_point(kIQ3_SGrid[point], block.signs[g / 2] >> g % 2 * 4, scale, out + 4 * (g % 8));
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ3_S& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant

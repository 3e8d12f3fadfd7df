// IQ1_S: 256 elements in 8 sub-blocks of 32. A sub-block has four grid points, one 3-bit scale and one shift of 0.125
// up or down:
//   x[32s + 8g + j] = d * (2 * scale[s] + 1) * (point[4s + g][j] +- 0.125)
//
//   byte 0      2           34           50
//        | f16 d | u8 qs[32] | u16 qh[8] |
//
//   qs[4s + g], qh[s]: the number of point 4s + g in the grid. Its 8 low bits are in qs and its 3 high bits in qh. The
//                      bit `minus` is 1 where 0.125 is subtracted.
//     bits 15      14 .. 12   11 .. 9     8 .. 6     5 .. 3     2 .. 0
//         | minus | scale   | high[3]  | high[2]  | high[1]  | high[0] |
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "quant/codebooks/iq1_grid.h"
#include "quant/half.h"

namespace gesso::quant {

struct BlockIQ1_S {
  static constexpr DType kDType = DType::kIQ1_S;
  static constexpr int kNumElements = 256;

  uint8_t d[2];
  uint8_t qs[32];
  uint8_t qh[8][2];
};
static_assert(sizeof(BlockIQ1_S) == 50 && alignof(BlockIQ1_S) == 1);

// Decodes the elements 32 * part .. 32 * part + 31.
GESSO_DEVICE inline void decode_part(const BlockIQ1_S& block, int part, float* __restrict out) {
  const float d = half_to_float(load_u16(block.d));
  const int qh = load_u16(block.qh[part]);
  const float scale = d * static_cast<float>(2 * (qh >> 12 & 7) + 1);
  const float delta = qh >> 15 ? -kIQ1Delta : kIQ1Delta;
  for (int g = 0; g < 4; ++g) {
    const int point = block.qs[4 * part + g] | (qh >> 3 * g & 7) << 8;
    decode_iq1_point(point, scale, delta, out + 8 * g);
  }
}

GESSO_DEVICE inline void decode_block(const BlockIQ1_S& block, float* __restrict out) {
  for (int part = 0; part < 8; ++part) decode_part(block, part, out + 32 * part);
}

}  // namespace gesso::quant
